"""What is done in a while unless something comes between, such as the end of a run whose tab was closed.

A threading.Timer is a thread for each, and whoever starts one waits until it runs. On the event loop, where
tabs are found closed, that is a turn of every thread that computes, once for every tab.
"""

import logging
import threading
import time
from collections.abc import Callable

_LOG = logging.getLogger("deqviz")


class Deadlines:
    """Calls what was noted once its time has come, from one thread that is there while there is something."""

    def __init__(self) -> None:
        self._due: dict[str, tuple[float, Callable[[], object]]] = {}
        self._changed = threading.Condition()
        self._acting = threading.Lock()
        self._is_waiting = False

    def __contains__(self, key: str) -> bool:
        return key in self._due

    def note(self, key: str, seconds: float, act: Callable[[], object]) -> None:
        """Call `act` in so many seconds, in place of what was noted under this key; waits for nothing."""
        moment = time.monotonic() + seconds
        with self._changed:
            self._due[key] = (moment, act)
            if not self._is_waiting:
                self._is_waiting = True
                threading.Thread(target=self._run, daemon=True).start()
            elif moment <= self._first():
                self._changed.notify()

    def drop(self, key: str) -> None:
        """Call nothing for this key; what is being called has come back when this does."""
        with self._acting, self._changed:
            self._due.pop(key, None)

    def _first(self) -> float:
        return min(moment for moment, _ in self._due.values())

    def _run(self) -> None:
        while self._sleep():
            with self._acting:
                for act in self._ripe():
                    try:
                        act()
                    except Exception:  # costs the others nothing
                        _LOG.exception("What was to be done in a while has failed.")

    def _sleep(self) -> bool:
        """Until the first moment, or an earlier one that is noted; False once nothing is left."""
        with self._changed:
            self._is_waiting = bool(self._due)
            if self._is_waiting:
                self._changed.wait(max(0.0, self._first() - time.monotonic()))
            return self._is_waiting

    def _ripe(self) -> list[Callable[[], object]]:
        now = time.monotonic()
        with self._changed:
            keys = [
                key for moment, key in sorted((self._due[key][0], key) for key in self._due) if moment <= now
            ]
            return [self._due.pop(key)[1] for key in keys]
