"""Bytes that autograd keeps for the backward pass, counted by saved-tensor hooks as they come and go."""

import weakref
from collections.abc import Iterable
from types import TracebackType

import torch
from torch import Tensor


class _Box:
    """What autograd holds in place of a saved tensor: it goes when the graph goes."""

    __slots__ = ("__weakref__", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class SavedBytes:
    """Counts while it is entered: `now` are the bytes held for a backward pass, `peak` their largest number.

    A storage that several nodes keep counts once, and those of `constants` (parameters, coil maps) not at
    all: they are there without any graph. What a kernel needs for a moment is not seen.
    """

    def __init__(self, constants: Iterable[Tensor] = ()) -> None:
        """Nothing is counted yet."""
        self._skipped = {t.untyped_storage().data_ptr() for t in constants}
        self._holders: dict[int, int] = {}  # how many boxes hold a storage, by its address
        self.now = self.peak = 0
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, self._unpack)

    def __enter__(self) -> "SavedBytes":
        """Graphs that are built from now on are counted."""
        self._hooks.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Later graphs are not counted; those that are still held are, until they go."""
        self._hooks.__exit__(kind, error, trace)

    def _pack(self, tensor: Tensor) -> _Box:
        # Detached: a node that saves its own result would hold a box that holds the node, and a graph that is
        # a circle is never freed. Autograd puts the history back when it unpacks.
        box = _Box(tensor.detach())
        storage = tensor.untyped_storage()
        address, size = storage.data_ptr(), storage.nbytes()
        # Nothing that is held is freed, so that no two storages of the table share an address.
        if address not in self._skipped:
            if address not in self._holders:
                self.now += size
                self.peak = max(self.peak, self.now)
            self._holders[address] = self._holders.get(address, 0) + 1
            weakref.finalize(box, self._release, address, size)
        return box

    @staticmethod
    def _unpack(box: _Box) -> Tensor:
        return box.tensor

    def _release(self, address: int, size: int) -> None:
        self._holders[address] -= 1
        if not self._holders[address]:
            del self._holders[address]
            self.now -= size
