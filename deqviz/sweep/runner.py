"""The cells of a sweep on as many processes as there are, each row written down as it arrives."""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import joblib

from deqviz.core.machine import cores
from deqviz.core.quoted import brief
from deqviz.sweep.journal import Journal
from deqviz.sweep.measure import measure
from deqviz.sweep.row import Cell, Measured
from deqviz.sweep.sweepfile import Backend, Sweep

IDLE = 20
"""Seconds after which a process of this machine that has nothing to do ends."""


class Lost(RuntimeError):
    """The machines that computed are gone; what came is kept."""


def run(sweep: Sweep, cells: Sequence[Cell], journal: Journal) -> Iterator[Measured]:
    """Each of `cells` once, in the order in which they are done, written down before it is yielded.

    Raises ValueError where the backend is not there, `Lost` where its workers died.
    """
    if not cells:
        return
    with contextlib.ExitStack() as stack:
        stack.enter_context(_backend(sweep))
        # One cell a batch: of a bundle all rows would come at its end, and be lost with its worker.
        # joblib's stubs know none of its words but the defaults.
        options: dict[str, Any] = {"return_as": "generator_unordered", "batch_size": 1}
        if sweep.backend != "dask":
            options["n_jobs"] = sweep.workers or cores()
        rows: Any = joblib.Parallel(**options)(joblib.delayed(measure)(cell) for cell in cells)
        stack.callback(_close, rows)
        try:
            for row in rows:
                # A cluster may run a cell twice when a worker dies after its work.
                if journal.add(row):
                    yield row
        except Exception as error:
            if _is_loss(error):
                raise Lost(
                    f"A worker was killed, maybe for want of memory ({type(error).__name__})."
                ) from error
            raise


def _close(rows: Any) -> None:
    if hasattr(rows, "close"):
        rows.close()


def _is_loss(error: Exception) -> bool:
    """Told by name: loky's and Dask's own classes are there only where they are installed."""
    return type(error).__name__ in (
        "TerminatedWorkerError",
        "BrokenProcessPool",
        "KilledWorker",
        "CommClosedError",
    )


def _backend(sweep: Sweep) -> AbstractContextManager[Any]:
    """joblib's setting for the backend; raises ValueError with what to install or to start."""
    return _BACKENDS[sweep.backend](sweep)


def _local(sweep: Sweep) -> AbstractContextManager[Any]:
    if sweep.backend == "threading":
        return joblib.parallel_config("threading")
    # Workers of a sweep that was killed see no end of it: they leave when nothing has come for a while.
    return joblib.parallel_config("loky", inner_max_num_threads=1, idle_worker_timeout=IDLE)


@contextlib.contextmanager
def _dask(sweep: Sweep) -> Iterator[None]:
    if importlib.util.find_spec("distributed") is None:
        raise ValueError("backend 'dask' needs a package more: pip install 'deqviz[cluster]'.")
    from distributed import Client

    from deqviz.sweep.cluster import Dask

    joblib.register_parallel_backend("deqviz dask", Dask)
    try:
        client = Client(sweep.address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"There is no Dask scheduler at {sweep.address}: start one ({brief(error)})."
        ) from None
    with client, joblib.parallel_config("deqviz dask", client=client):
        yield


@contextlib.contextmanager
def _ray(sweep: Sweep) -> Iterator[None]:
    if importlib.util.find_spec("ray") is None:
        raise ValueError("backend 'ray' needs a package more: pip install ray.")
    import ray  # pyright: ignore[reportMissingImports]
    from ray.util.joblib import register_ray  # pyright: ignore[reportMissingImports]

    try:
        ray.init(address=sweep.address or "auto", ignore_reinit_error=True)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"There is no Ray cluster at {sweep.address or 'auto'}: start one ({brief(error)})."
        ) from None
    register_ray()
    with joblib.parallel_config("ray"):
        yield


_BACKENDS: dict[Backend, Callable[[Sweep], AbstractContextManager[Any]]] = {
    "loky": _local,
    "threading": _local,
    "dask": _dask,
    "ray": _ray,
}
