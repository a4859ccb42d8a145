"""Semi-convergence of the deep image prior: its error, stopping rules, and the impedance to noise.

The truth is compared with here, outside the method. "Oracle" marks what only the ground truth can tell.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Generator

from deqviz.core.guarantee import Guarantee, in_letters
from deqviz.core.metrics import decibels, psnr
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Noise, Problem
from deqviz.core.space import Image, Space, norm
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.methods._early_stopping import Average, Discrepancy, LeastVariance, Window
from deqviz.methods.deep_image_prior import MISFIT, UNCOVERED, DeepImagePrior
from deqviz.noises.gaussian import Gaussian
from deqviz.operators.denoising import Denoising

__all__ = ["TARGETS", "Hump", "HumpRow", "Impedance", "ImpedanceRow"]

TARGETS = ("picture", "picture + noise", "shuffled", "noise")
"""What the network is asked to fit: the last two have no neighbours that resemble each other."""


@dataclass(frozen=True, slots=True)
class HumpRow(Row):
    """Image number `k` of a fit that no rule stops.

    `psnr` of the network's image and `average_psnr` of its exponential average are against the ground truth,
    `data_psnr` = −20 log₁₀ `misfit` against the data, with `misfit` = ‖Ax − y‖/√m and `loss` = ½‖Ax − y‖².
    `variance` is that of the window that ends here, None before it is full. `kept` is the end of the window
    that the variance rule holds now, `kept_psnr` that of its mean, `stopped` when the rule stopped and
    `discrepancy` when the misfit came down to the noise; None until then. `oracle` is the best iteration so
    far, by the ground truth.
    """

    k: int
    psnr: float
    average_psnr: float
    data_psnr: float
    misfit: float
    loss: float
    variance: float | None
    kept: int | None
    kept_psnr: float
    stopped: int | None
    discrepancy: int | None
    oracle: int

    @property
    def key(self) -> Key:
        """The iteration."""
        return (self.k,)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """None, and why."""
        statement = "‖A(x(t) − x†)‖ ≤ 2‖ε‖ for t ≥ t*"
        row = Guarantee("covered", "Overparametrisation theorem", statement, "not applicable", UNCOVERED)
        return in_letters("deep inverse prior", (row,))


@dataclass(frozen=True)
class Hump(Experiment[HumpRow]):
    """`method` on the data of `picture`, without stopping, and beside it where each rule would have stopped.

    `picture` is as the operator wants it: real, or complex as two channels. Views, at the iterations `shown`:
    "current", "average" and "kept", of the variance rule; with the last row "discrepancy", where it stopped,
    and "oracle".
    """

    operator: ForwardModel
    picture: Image
    noise: Noise = Gaussian(0.1)
    method: DeepImagePrior = DeepImagePrior()
    iterations: int = 400
    seed: int = 0
    shown: tuple[int, ...] = (0, 2, 5, 10, 20, 30, 45, 60, 80, 100, 125, 150, 200, 250, 300, 400)

    def __post_init__(self) -> None:
        """Refuse a run without a step, and another image than the operator's."""
        if self.iterations < 1:
            raise ValueError(f"At least one iteration is needed, not {self.iterations}.")
        if tuple(self.picture.shape) != (1, *self.operator.image.shape):
            shape = " × ".join(map(str, self.operator.image.shape))
            raise ValueError(f"The operator is made for one image of {shape}: give it such a one.")

    @property
    def row_type(self) -> type[HumpRow]:
        """`HumpRow`."""
        return HumpRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """0 … `iterations`."""
        return tuple((k,) for k in range(self.iterations + 1))

    @cached_property
    def problem(self) -> Problem:
        """What the method is given: the data drawn from the seed, and its noise level."""
        clean = self.operator(self.picture)
        data = self.noise.add(clean, self.operator, Generator().manual_seed(self.seed))
        return Problem(self.operator, data, self.noise.level(clean))

    @torch.no_grad()
    def run(self, old_rows: Sequence[HumpRow] = ()) -> Iterator[Progress[HumpRow]]:
        """A row per iteration; one run gives all of them, so where any is missing it is made anew."""
        by_key, total = {row.key: row for row in old_rows}, self.iterations + 1
        if all(cell in by_key for cell in self.cells):
            for n, cell in enumerate(self.cells):
                yield Progress(n + 1, total, by_key[cell])
            return
        method = replace(self.method, rule="none", shown="current")
        average = Average(method.weight)
        wmv, morozov = LeastVariance(method.patience, method.burn_in), Discrepancy(self.problem.noise)
        window, kept = Window(method.window), self.picture
        stopped, crossed = None, None
        best: tuple[float, int, Image] | None = None
        for it in method.iterates(self.problem):
            k, misfit, spread = it.k, float(it.scalars[MISFIT]), window.push(it.x)
            variance = None if spread is None else float(spread)
            quality, mean = psnr(it.x, self.picture), average.push(it.x)
            if stopped is None:
                verdict = wmv.judge(k, variance, misfit)
                if verdict.keeps or k == 0:
                    kept = it.x if variance is None else window.mean().to(it.x)
                stopped = k if verdict.stops else None
            if crossed is None and morozov.judge(k, variance, misfit).stops:
                crossed = (k, it.x)
            if best is None or quality > best[0]:
                best = (quality, k, it.x)
            row = HumpRow(
                k,
                quality,
                psnr(mean, self.picture),
                decibels(misfit**2),
                misfit,
                0.0 if it.objective is None else float(it.objective),
                variance,
                wmv.found,
                psnr(kept, self.picture),
                stopped,
                None if crossed is None else crossed[0],
                best[1],
            )
            views: dict[str, Image] = {}
            if k in self.shown or k == self.iterations:
                views = {"current": it.x, "average": mean, "kept": kept}
            if k == self.iterations:
                views["oracle"] = best[2]
                if crossed is not None:
                    views["discrepancy"] = crossed[1]
            yield Progress(k + 1, total, by_key.get(row.key, row), views)
            if k == self.iterations:
                return


@dataclass(frozen=True, slots=True)
class ImpedanceRow(Row):
    """How far the network is from one target after `k` steps.

    `loss` is ‖x_k − t‖²/‖t − mean‖²: 1 is the best constant, 0 the target itself.
    """

    target: str
    k: int
    loss: float

    @property
    def key(self) -> Key:
        """Iteration and target."""
        return (self.k, self.target)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """None, and why."""
        statement = "‖x(t) − y‖ ≤ ‖x(0) − y‖ exp(−σ_0² t/4) for every y"
        row = Guarantee("covered", "Overparametrisation theorem", statement, "not applicable", UNCOVERED)
        return in_letters("deep inverse prior", (row,))


@dataclass(frozen=True)
class Impedance(Experiment[ImpedanceRow]):
    """The same network fitted to an image, to it with noise, to its pixels shuffled, and to noise.

    White noise of deviation `level` is added; the noise alone is uniform in [0, 1]. All four begin with the
    same weights and take their steps in turn. With the isotropic kernel of a wide, fully connected layer all
    curves would be alike. Ulyanov, Vedaldi and Lempitsky, 2018.
    """

    picture: Image
    method: DeepImagePrior = DeepImagePrior()
    level: float = 0.1
    iterations: int = 400
    every: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what leaves no row, and images without contrast."""
        if min(self.iterations, self.every) < 1:
            raise ValueError("At least one iteration is needed, and a row every one or more.")
        if len(self.picture) != 1 or float(self.picture.var()) == 0:
            raise ValueError("One image is needed, and not all of one grey.")

    @property
    def row_type(self) -> type[ImpedanceRow]:
        """`ImpedanceRow`."""
        return ImpedanceRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Every so many iterations, targets within."""
        return tuple((k, name) for k in range(0, self.iterations + 1, self.every) for name in TARGETS)

    def targets(self) -> dict[str, Image]:
        """What is to be fitted, by name."""
        rng, x = Generator().manual_seed(self.seed), self.picture.cpu()
        noisy = x + self.level * torch.randn(x.shape, generator=rng).to(x)
        flat = x.flatten(2)
        shuffled = flat[..., torch.randperm(flat.shape[-1], generator=rng)].reshape(x.shape)
        noise = torch.rand(x.shape, generator=rng).to(x)
        images_by_name = zip(TARGETS, (x, noisy, shuffled, noise), strict=True)
        return {name: target.to(self.picture.device) for name, target in images_by_name}

    @torch.no_grad()
    def run(self, old_rows: Sequence[ImpedanceRow] = ()) -> Iterator[Progress[ImpedanceRow]]:
        """The rows in the order of `cells`, anew where any is missing; those of k = 0 bring their targets."""
        by_key, total = {row.key: row for row in old_rows}, len(self.cells)
        if all(cell in by_key for cell in self.cells):
            for n, cell in enumerate(self.cells):
                yield Progress(n + 1, total, by_key[cell])
            return
        method = replace(self.method, rule="none", shown="current")
        x = self.picture
        A = Denoising(Space(tuple(x.shape[1:]), x.dtype, str(x.device)))
        targets = self.targets()
        streams = {name: method.iterates(Problem(A, t, 0.0)) for name, t in targets.items()}
        sizes = {name: float(norm(t - t.mean()).square()) for name, t in targets.items()}
        done, last = 0, self.iterations - self.iterations % self.every
        for k in range(last + 1):
            for name, stream in streams.items():
                it, row = next(stream), None
                if k % self.every == 0:
                    loss = math.nan if it.objective is None else 2 * float(it.objective) / sizes[name]
                    row, done = ImpedanceRow(name, k, loss), done + 1
                    row = by_key.get(row.key, row)
                yield Progress(done, total, row, {"target": targets[name]} if k == 0 else {})
