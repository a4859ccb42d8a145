"""Training losses of a regulariser: four losses for the same small N, and the error each leads to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deqviz.core.guarantee import Guarantee, in_letters, quantity
from deqviz.core.space import norm
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.experiments._training_progress import Lesson
from deqviz.experiments.losses._small_family import (
    Denoising,
    Objective,
    RangeLoss,
    SmallFamily,
    ThroughEquilibrium,
    Untrained,
    trained,
)

__all__ = [
    "Denoising",
    "Lesson",
    "LossLab",
    "LossRow",
    "Objective",
    "RangeLoss",
    "SmallFamily",
    "ThroughEquilibrium",
    "Untrained",
]

BETAS = tuple(10.0 ** (k / 2) for k in range(-20, 3))
"""The β of which the best bound is taken."""
ROUNDING = 1e-6
"""Relative: α down to 10⁻⁸ and c down to 0.05 leave a linear system of condition 10⁹."""


@dataclass(frozen=True, slots=True)
class LossRow(Row):
    """One trained N and one δ = α, over all test signals: h = x_α − x, R = Id − N.

    `error` = √(E‖h‖²), `lower` = √L₀/L_R and `upper`, the least that L_β proves for any β: both follow from
    values of the loss alone, by T8 of the notes. `below` is the largest of ‖P_ker R(x)‖/(L_R‖h‖) and `above`
    the largest of ‖h‖/bound over the single signals, each at most 1. `loss` is the mean of the last tenth of
    training, None without any; `kernel_loss` L₀ of the test signals. `contraction` ‖N‖, `monotonicity` the
    least eigenvalue c of (R + R*)/2 and `lipschitz` L_R = ‖R‖ are exact; `asymmetry` is ‖N − N*‖/‖N‖,
    Frobenius.
    """

    training: str
    level: float
    error: float
    lower: float
    upper: float
    below: float
    above: float
    loss: float | None
    kernel_loss: float
    contraction: float
    monotonicity: float
    lipschitz: float
    asymmetry: float

    @property
    def key(self) -> Key:
        """Training and level."""
        return (self.training, self.level)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """T8 from the value of the loss, and for every signal by itself."""
        why = f"N is linear: c = {self.monotonicity:.3g} and L_R = {self.lipschitz:.3g} are eigenvalues"

        def certified(key: str, name: str, statement: str, above: float, below: float) -> Guarantee:
            return Guarantee(
                key,
                name,
                statement,
                "certified",
                why,
                quantity(above),
                quantity(below),
                ROUNDING * above,
            )

        low, high = (
            "Lower bound by the range-condition loss L₀",
            "Upper bound by the range-condition loss L_β",
        )
        below, above = "‖P_{ker A} R(x)‖/L_R ≤ ‖h‖", "‖h‖ ≤ d_ρ/c + (δ + αρ)/(2√(αc))"
        rows = (
            certified("lower", low, "√L₀/L_R ≤ √(E‖h‖²)", self.error, self.lower),
            certified("upper", high, "√(E‖h‖²) ≤ b(L_β)", self.upper, self.error),
            certified("each_lower", "Per-signal lower bound", below, 1.0, self.below),
            certified("each_upper", "Per-signal upper bound", above, 1.0, self.above),
        )
        return in_letters("range condition", rows)


@dataclass(frozen=True)
class LossLab(Experiment[LossRow]):
    """Train N by every objective, ‖N‖ ≤ `limit`, and solve A*(Ax − y) + α(x − Nx) = 0 for δ = α → 0.

    The same signals and the same noise for all; those of the test are never trained on.
    """

    family: SmallFamily = SmallFamily()
    objectives: tuple[Objective, ...] = (
        Untrained(),
        Denoising(),
        RangeLoss(0.0),
        RangeLoss(1e-4),
        RangeLoss(1e-2),
        ThroughEquilibrium(),
    )
    limit: float = 0.95
    levels: tuple[float, ...] = tuple(10.0 ** -(1 + k / 2) for k in range(15))
    signals: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse ‖N‖ ≥ 1 and levels whose equations are rounding."""
        if not 0 <= self.limit < 1:
            raise ValueError(f"‖N‖ ≤ {self.limit} does not contract: the bounds need less than 1.")
        if min(self.levels) < 1e-8:
            raise ValueError("A level below 10⁻⁸ is lost in rounding.")

    @property
    def row_type(self) -> type[LossRow]:
        """`LossRow`."""
        return LossRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Trainings, levels within."""
        return tuple((objective.name, level) for objective in self.objectives for level in self.levels)

    def run(self, old_rows: Sequence[LossRow] = ()) -> Iterator[Progress[LossRow]]:
        """A `Lesson` per training step, then the rows of that training; none where all rows are known."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        for objective in self.objectives:
            rows = [by_key.get((objective.name, level)) for level in self.levels]
            N, losses = None, list[float]()
            if None in rows:
                work = trained(self.family, objective, self.limit, self.seed + 1)
                while True:
                    try:
                        step, loss = next(work)
                    except StopIteration as end:
                        N = end.value
                        break
                    losses.append(loss)
                    yield Lesson(
                        done, total, training=objective.name, step=step, steps=objective.steps, loss=loss
                    )
            tail = losses[-max(1, len(losses) // 10) :]
            exam = (
                None if N is None else _Exam(self, objective.name, N, sum(tail) / len(tail) if tail else None)
            )
            for level, row in zip(self.levels, rows, strict=True):
                done += 1
                if row is None and exam is not None:
                    row = exam.row(level)
                yield Progress(done, total, row)


class _Exam:
    """One N against the test signals."""

    def __init__(self, lab: LossLab, training: str, N: Tensor, loss: float | None) -> None:
        """Everything that does not depend on the level."""
        self.family, self.training, self.loss = lab.family, training, loss
        rng = torch.Generator().manual_seed(lab.seed + 2)
        self.x, self.noise = lab.family.draw(lab.signals, rng), lab.family.noise(lab.signals, rng)
        self.R = torch.eye(len(N), dtype=N.dtype) - N
        self.value = self.x @ self.R.mT
        symmetric = (self.R + self.R.mT) / 2
        self.c = float(torch.linalg.eigvalsh(symmetric)[0])
        self.steep, self.size = (
            float(torch.linalg.matrix_norm(self.R, 2)),
            float(torch.linalg.matrix_norm(N, 2)),
        )
        frobenius = float(N.norm())
        self.asymmetry = float((N - N.mT).norm()) / frobenius if frobenius > 0 else 0.0

    def row(self, level: float) -> LossRow:
        """The equilibria of one δ = α, by the linear system of h: (A*A + αR)h = A*e − αR(x)."""
        A, alpha, delta = self.family.operator, level, level
        system = A.mT @ A + alpha * self.R
        right = delta * self.noise @ A - alpha * self.value
        h = norm(torch.linalg.solve(system, right.mT).mT)
        kernel = self.family.range_loss(self.value, 0.0)
        upper = torch.stack([self._each(delta, alpha, beta) for beta in BETAS]).amin(0)
        return LossRow(
            self.training,
            level,
            _root_mean(h.square()),
            _root_mean(kernel) / self.steep,
            min(self._mean(delta, alpha, beta) for beta in BETAS),
            float((kernel.sqrt() / (self.steep * h)).max()),
            float((h / upper).max()),
            self.loss,
            float(kernel.mean()),
            self.size,
            self.c,
            self.steep,
            self.asymmetry,
        )

    def _mean(self, delta: float, alpha: float, beta: float) -> float:
        """The bound of √(E‖h‖²) from the number L_β alone: E d² ≤ L_β and E ρ² ≤ L_β/β."""
        loss = self.family.range_loss(self.value, beta).mean()
        return float(self._bound(delta, alpha, loss.sqrt(), (loss / beta).sqrt()))

    def _each(self, delta: float, alpha: float, beta: float) -> Tensor:
        """The bound of every ‖h‖ from its own w = A(A*A + β)⁻¹R(x): d = ‖R(x) − A*w‖ and ρ = ‖w‖."""
        w = self.family.resolvent(self.value, beta) @ self.family.operator.mT
        return self._bound(delta, alpha, norm(self.value - w @ self.family.operator), norm(w))

    def _bound(self, delta: float, alpha: float, d: Tensor, rho: Tensor) -> Tensor:
        """The larger root of αct² = ¼(δ + αρ)² + αdt, at most d/c + (δ + αρ)/(2√(αc))."""
        return (d + (d.square() + self.c * (delta + alpha * rho).square() / alpha).sqrt()) / (2 * self.c)


def _root_mean(squares: Tensor) -> float:
    return float(squares.mean().sqrt())
