"""Volumes and dynamic series from undersampled data: zero-filled, SENSE, and a monotone network."""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from deqviz.core.guarantee import Guarantee, quantity
from deqviz.core.metrics import psnr
from deqviz.core.records import Map, relative
from deqviz.core.space import Data, Image, magnitude, norm
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments.memory.scan import Scan
from deqviz.methods._monotone import DataStep, forward_backward
from deqviz.networks._weights import load
from deqviz.networks.monotone import MonotoneCNN
from deqviz.operators._multicoil import Sampled

__all__ = ["METHODS", "WEIGHTS", "RunRow", "VolumeRuns"]

METHODS = ("zero-filled", "SENSE", "MOL")
WEIGHTS = {"3D": "mol_3d", "2D+time": "mol_2dt"}
"""The weights of the network for each dimension."""
_RIDGES = (3e-2, 1e-2, 3e-3, 1e-3)
"""ρ that are tried for SENSE."""
_CG = (1e-5, 200)
"""Relative tolerance and largest number of steps of every data step."""


@dataclass(frozen=True, slots=True)
class RunRow(Row):
    """One method: `psnr` in dB of magnitudes, and ‖T(x) − x‖/‖T(x)‖ after `iterations` of T, 0 without any.

    `ratio` is the largest ‖T(a) − T(b)‖/‖a − b‖ of successive iterates, `factor` the certified Lip(T), and
    inf where the layers' norms do not bound it below 1.
    """

    method: str
    iterations: int
    psnr: float
    residual: float
    ratio: float
    factor: float

    @property
    def key(self) -> Key:
        """The method."""
        return (self.method,)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """The contraction, where the method iterates."""
        if self.method != "MOL":
            return ()
        name, statement = "Contraction factor κ", "‖T(x) − T(z)‖ ≤ κ ‖x − z‖"
        if self.factor >= 1:
            why = "the layers' norms are too large to prove that this network contracts"
            return (Guarantee("run", name, statement, "not verifiable", why, value=quantity(self.ratio)),)
        why = f"κ = {self.factor:.4g} by the layers' norms on this grid"
        return (
            Guarantee(
                "run",
                name,
                statement,
                "certified",
                why,
                quantity(self.factor),
                quantity(self.ratio),
                1e-2 * self.factor,
            ),
        )


@dataclass(frozen=True)
class VolumeRuns(Experiment[RunRow]):
    """The methods on the data of one scan, in single precision.

    SENSE is (A*A + ρ)⁻¹A*y; its ρ is the best of four on another draw of mask, phase and noise, of the same
    anatomy, which favours it. The network is the shipped one of this dimension, not that of the scan.
    """

    scan: Scan = Scan("3D", (10, 54, 45))
    methods: tuple[str, ...] = METHODS
    tolerance: float = 1e-4
    iterations: int = 100

    def __post_init__(self) -> None:
        """Refuse a slice, and a method that is not known, with a sentence."""
        if self.scan.dimension not in WEIGHTS:
            raise ValueError(f"Volumes and dynamic series are reconstructed here, not {self.scan.dimension}.")
        unknown = [name for name in self.methods if name not in METHODS]
        if unknown or not self.methods:
            raise ValueError(f"Known methods are {', '.join(METHODS)}, not {', '.join(unknown) or 'none'}.")

    @property
    def row_type(self) -> type[RunRow]:
        """`RunRow`."""
        return RunRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """The methods."""
        return tuple((name,) for name in self.methods)

    def run(self, old_rows: Sequence[RunRow] = ()) -> Iterator[Progress[RunRow]]:
        """The rows, each with the magnitudes as frames n × 1 × h × w under its method's name.

        The first one brings the ground truth and the mask too. A Progress comes after every iteration.
        """
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        scan = replace(self.scan, is_double=False)
        operator, truth = scan.operator(), scan.truth()
        back = operator.adjoint(scan.data(operator, truth))
        views = {"truth": _frames(truth), "mask": _mask(operator)}
        for name in self.methods:
            if (name,) in by_key:
                done += 1
                yield Progress(done, total, by_key[name,])
                continue
            x, row = back, RunRow(name, 0, 0.0, 0.0, 0.0, math.inf)
            for iterate in self._iterates(name, scan, operator, back):
                x, row = iterate
                yield Progress(done, total)
            done += 1
            yield Progress(done, total, replace(row, psnr=psnr(x, truth)), {name: _frames(x), **views})
            views = {}

    def _iterates(
        self, name: str, scan: Scan, operator: Sampled, back: Data
    ) -> Iterator[tuple[Data, RunRow]]:
        row = RunRow(name, 0, 0.0, 0.0, 0.0, math.inf)
        match name:
            case "zero-filled":
                yield back, row
            case "SENSE":
                ridge = yield from _tuned(scan, row)
                yield _sense(operator, back, ridge), row
            case _:
                net = load(WEIGHTS[scan.dimension], device=scan.device)
                assert isinstance(net, MonotoneCNN)
                yield from self._equilibrium(net, scan, operator, back)

    def _equilibrium(
        self, net: MonotoneCNN, scan: Scan, operator: Sampled, back: Data
    ) -> Iterator[tuple[Data, RunRow]]:
        rho = (-net.log_weight.detach()).exp()
        data = DataStep(operator, back, rho, *_CG)
        f, x = forward_backward(net, data), data.sense()
        bound = net.norms(scan.shape).lipschitz
        factor, ratio, gap = bound if bound < 1 else math.inf, 0.0, 0.0
        for k in range(1, self.iterations + 1):
            fx = _quietly(f, x)
            moved = float(norm(fx - x).max())
            residual = float(relative(norm(fx - x), norm(fx)).max())
            ratio = max(ratio, moved / gap) if gap else ratio
            x, gap = fx, moved
            yield x, RunRow("MOL", k, 0.0, residual, ratio, factor)
            if not residual > self.tolerance:
                return


@torch.no_grad()
def _quietly(f: Map, x: Data) -> Data:
    return f(x)


@torch.no_grad()
def _sense(operator: Sampled, back: Data, ridge: float) -> Data:
    return DataStep(operator, back, torch.tensor(ridge, device=back.device), *_CG).sense()


def _tuned(scan: Scan, row: RunRow) -> Generator[tuple[Data, RunRow], None, float]:
    """The ρ that is best on another draw; yields after each of them."""
    other = replace(scan, seed=scan.seed + 5000)
    operator, truth = other.operator(), other.truth()
    back = operator.adjoint(other.data(operator, truth))
    ridges: dict[float, float] = {}
    for ridge in _RIDGES:
        x = _sense(operator, back, ridge)
        ridges[psnr(x, truth)] = ridge
        yield x, row
    return ridges[max(ridges)]


def _frames(x: Tensor) -> Image:
    """Magnitudes of 1 × 2 × n × h × w as n × 1 × h × w."""
    return magnitude(x).movedim(2, 0)[:, 0].cpu()


def _mask(operator: Sampled) -> Image:
    """What is measured: slice × row of a volume, frame × row of a film; the columns are whole in both."""
    return operator.mask[None, None, :, :, 0].cpu()
