"""What visitors uploaded, kept in memory: whoever keeps much drives out their own, and nobody else's."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Entry(Generic[T]):
    thing: T
    weight: float
    holders: set[str] = field(default_factory=set[str])


class Uploads(Generic[T]):
    """Things by their keys, held by visitors: all weigh at most `capacity`, those of one visitor `share`.

    Beyond that the least used thing of whoever holds most goes, and as long as there is another one never the
    newest of all. The holder "" is no visitor but a script or a sweep, which never leaves and has no share.
    """

    def __init__(
        self,
        capacity: float,
        share: float,
        weigh: Callable[[T], float],
        went: Callable[[], None] = lambda: None,
    ) -> None:
        """An empty store; `went` is called whenever something was forgotten."""
        self.capacity, self.share, self._weigh, self._went = capacity, share, weigh, went
        self._entries: OrderedDict[str, _Entry[T]] = OrderedDict()
        self._lock = threading.Lock()
        _stores.append(self)

    def keep(self, key: str, thing: T, holder: str) -> None:
        """Keep a thing under its key, which is the content's."""
        with self._lock:
            entry = self._entries.setdefault(key, _Entry(thing, self._weigh(thing)))
            entry.holders.add(holder)
            self._entries.move_to_end(key)
            self._shrink(key)

    def hold(self, key: str, holder: str) -> None:
        """Keep what is here as long as this visitor stays, too; does nothing where it is not."""
        with self._lock:
            if key in self._entries:
                self._entries[key].holders.add(holder)

    def leave(self, holder: str) -> None:
        """The visitor is gone, and with them what nobody else holds."""
        with self._lock:
            for key in list(self._entries):
                self._let_go(key, holder)

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __getitem__(self, key: str) -> T:
        with self._lock:
            self._entries.move_to_end(key)
            return self._entries[key].thing

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def _shrink(self, newest: str) -> None:
        while True:
            held: Counter[str] = Counter()
            for entry in self._entries.values():
                held.update(dict.fromkeys(entry.holders, entry.weight))  # type: ignore[arg-type]
            # In the order of use, so that of two who hold the same the one who was away longer gives.
            others = [h for key, entry in self._entries.items() if key != newest for h in entry.holders]
            greedy = [h for h in others if h and held[h] > self.share]
            if not greedy and sum(entry.weight for entry in self._entries.values()) > self.capacity:
                greedy = others
            if not greedy:
                return
            holder = max(greedy, key=lambda h: held[h])
            oldest = next(k for k, e in self._entries.items() if k != newest and holder in e.holders)
            self._let_go(oldest, holder)

    def _let_go(self, key: str, holder: str) -> None:
        entry = self._entries[key]
        if holder in entry.holders:
            entry.holders.remove(holder)
            if not entry.holders:
                del self._entries[key]
                self._went()


_stores: list[Uploads[Any]] = []


def hold(key: str, holder: str) -> None:
    """Whatever is kept under this key stays as long as the visitor does."""
    for store in _stores:
        store.hold(key, holder)


def leave(holder: str) -> None:
    """A visitor is gone."""
    for store in _stores:
        store.leave(holder)
