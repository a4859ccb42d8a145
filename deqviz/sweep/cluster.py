"""joblib's Dask backend, mended where a cell is lost for good.

Import it only where `distributed` is installed.
"""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from joblib._dask import DaskDistributedBackend


class _Lost:
    """Stands for the result of a task that Dask gave up; pure transport."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Dask(DaskDistributedBackend):
    """A task that killed every worker it was given to ends the sweep with KilledWorker.

    joblib 1.6 notes the error at the task and calls nobody back, so that its generator waits for ever.
    """

    def effective_n_jobs(self, n_jobs: int) -> int:
        """At least two: for one joblib would leave the cluster alone and run all cells here."""
        return max(2, super().effective_n_jobs(n_jobs))

    def submit(self, func: Any, callback: Callable[[Any], Any] | None = None) -> "Future[Any]":
        """As the backend does, and calls back for errors too."""
        future = super().submit(func, callback)

        def tell(done: "Future[Any]") -> None:
            error = done.exception()
            if error is not None and callback is not None:
                callback(_Lost(error))

        future.add_done_callback(tell)
        return future

    def retrieve_result_callback(self, out: Any) -> Any:
        """The result, or the error raised."""
        if isinstance(out, _Lost):
            raise out.error
        return super().retrieve_result_callback(out)
