"""The loss lab: what each training leads to, between the bounds that follow from values of the loss."""

import dataclasses
import math

import pytest
import torch

from deqviz.experiments._rows import Progress, only_rows, read, recorded
from deqviz.experiments._training_progress import Lesson
from deqviz.experiments.losses import loss_lab
from deqviz.experiments.losses._small_family import clipped, trained
from deqviz.experiments.losses.loss_lab import (
    Denoising,
    LossLab,
    LossRow,
    Objective,
    RangeLoss,
    SmallFamily,
    ThroughEquilibrium,
    Untrained,
)

LAB = LossLab(levels=(1e-1, 1e-2, 1e-4, 1e-8))
TIKHONOV, DENOISER, KERNEL, RANGE, END = (
    "N = 0",
    "denoising",
    "range, β = 0",
    "range, β = 0.01",
    "through the equilibrium",
)


@pytest.fixture(scope="module")
def stream() -> list[Progress[LossRow]]:
    return list(LAB.run())


@pytest.fixture(scope="module")
def rows(stream: list[Progress[LossRow]]) -> dict[tuple[str, float], LossRow]:
    return {(row.training, row.level): row for row in only_rows(stream)}


def of(rows: dict[tuple[str, float], LossRow], name: str, level: float) -> LossRow:
    return rows[name, level]


def test_every_cell_has_its_row(rows):
    assert [row.key for row in rows.values()] == list(LAB.cells)


def test_the_error_lies_between_the_bounds_of_the_loss_for_every_signal(rows):
    for row in rows.values():
        assert row.holds, row
        assert row.lower <= row.error * (1 + 1e-6)
        assert row.error <= row.upper * (1 + 1e-6)
        assert 0 < row.below <= 1 + 1e-6
        assert 0 < row.above <= 1 + 1e-6


def test_a_single_wrong_bound_is_seen(rows):
    row = of(rows, RANGE, 1e-2)
    for name, value in (
        ("error", 1.01 * row.upper),
        ("error", 0.99 * row.lower),
        ("above", 1.01),
        ("below", 1.01),
    ):
        assert not dataclasses.replace(row, **{name: value}).holds


def test_the_range_halves_the_plateau_of_the_denoiser(rows):
    plateau = of(rows, DENOISER, 1e-8).error
    for name in (KERNEL, RANGE, "range, β = 0.0001"):
        assert of(rows, name, 1e-8).error <= 0.5 * plateau


def test_without_the_size_of_w_high_noise_is_worse(rows):
    # L₀ does not see ‖w‖: at δ = 0.1 it loses to the denoiser, and L_β beats both.
    at = {name: of(rows, name, 1e-1).error for name in (DENOISER, KERNEL, RANGE)}
    assert at[RANGE] < at[DENOISER] < at[KERNEL]


def test_every_training_beats_tikhonov_in_the_limit(rows):
    for name in (DENOISER, KERNEL, RANGE, END):
        assert of(rows, name, 1e-8).error < 0.5 * of(rows, TIKHONOV, 1e-8).error


def test_the_range_teaches_no_gradient(rows):
    assert of(rows, TIKHONOV, 1e-8).asymmetry == 0
    assert of(rows, DENOISER, 1e-8).asymmetry < 0.3
    assert of(rows, RANGE, 1e-8).asymmetry > 0.5


def test_the_constraint_holds(rows):
    for row in rows.values():
        assert row.contraction <= LAB.limit + 1e-9
        assert row.monotonicity >= 1 - row.contraction - 1e-9
        assert row.lipschitz <= 1 + row.contraction + 1e-9


def test_training_is_watched(stream):
    lessons = [p for p in stream if isinstance(p, Lesson)]
    assert all(p.row is None and math.isfinite(p.loss) for p in lessons)
    for objective in LAB.objectives:
        mine = [p for p in lessons if p.training == objective.name]
        assert [p.step for p in mine] == list(range(1, objective.steps + 1))
        if mine:
            assert sum(p.loss for p in mine[-10:]) < 0.5 * sum(p.loss for p in mine[:10])


def test_a_file_is_gone_on_with_and_nothing_is_trained_twice(tmp_path):
    lab = dataclasses.replace(LAB, objectives=(Untrained(), RangeLoss()), levels=(1e-1, 1e-3), signals=20)
    path = tmp_path / "lab.csv"
    whole = list(only_rows(lab.run()))
    for progress in recorded(lab, path):
        if progress.row is not None and progress.row.training != "N = 0":
            break
    assert len(read(lab, path)) == 3
    again = list(recorded(lab, path))
    assert [p.row for p in again if p.row is not None] == whole
    assert not any(isinstance(p, Lesson) for p in recorded(lab, path))


def test_the_equilibria_solve_their_equation():
    lab = LossLab(signals=5)
    exam = loss_lab._Exam(lab, "test", 0.5 * torch.eye(64, dtype=torch.float64), None)
    A, alpha = lab.family.operator, 1e-3
    y = exam.x @ A.mT + alpha * exam.noise
    x = torch.linalg.solve(A.mT @ A + 0.5 * alpha * torch.eye(64, dtype=torch.float64), (y @ A).mT).mT
    error = float((x - exam.x).square().sum(1).mean().sqrt())
    assert exam.row(alpha).error == pytest.approx(error, rel=1e-9)


def test_range_loss_is_the_least_of_its_definition():
    family, rng = SmallFamily(), torch.Generator().manual_seed(3)
    r, beta = torch.randn(4, 64, dtype=torch.float64, generator=rng), 0.03
    A = family.operator
    w = torch.linalg.solve(A @ A.mT + beta * torch.eye(40, dtype=torch.float64), A @ r.mT).mT
    value = (r - w @ A).square().sum(1) + beta * w.square().sum(1)
    torch.testing.assert_close(family.range_loss(r, beta), value, rtol=1e-10, atol=0)
    kernel = r - (torch.linalg.pinv(A) @ (A @ r.mT)).mT
    torch.testing.assert_close(family.range_loss(r, 0.0), kernel.square().sum(1), rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    "objective", [Denoising(), RangeLoss(), ThroughEquilibrium(tolerance=1e-12)], ids=lambda o: o.name
)
def test_gradients_are_those_of_finite_differences(objective: Objective):
    family, rng = SmallFamily(), torch.Generator().manual_seed(4)
    x = family.draw(6, rng)
    N = clipped(torch.randn(64, 64, dtype=torch.float64, generator=rng) / 8, 0.8).requires_grad_()
    direction = torch.randn(64, 64, dtype=torch.float64, generator=rng)
    direction /= direction.norm()

    def value(N: torch.Tensor) -> torch.Tensor:
        return objective.loss(family, N, x, torch.Generator().manual_seed(5))

    (gradient,) = torch.autograd.grad(value(N), N)
    with torch.no_grad():
        slope = float(value(N + 1e-5 * direction) - value(N - 1e-5 * direction)) / 2e-5
    assert float((gradient * direction).sum()) == pytest.approx(slope, rel=1e-5)


def test_clipping_is_the_projection():
    N = torch.randn(8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    near = clipped(N, 0.95)
    assert float(torch.linalg.matrix_norm(near, 2)) <= 0.95 + 1e-12
    torch.testing.assert_close(clipped(near, 0.95), near)
    # No other matrix of that norm is nearer.
    for seed in range(20):
        other = clipped(
            near
            + 0.1 * torch.randn(8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)),
            0.95,
        )
        assert float((N - near).norm()) <= float((N - other).norm())


def test_training_does_not_care_whether_gradients_were_on():
    def last(objective: Objective) -> torch.Tensor:
        work = trained(SmallFamily(), objective, 0.95, 1, batch=4)
        for _ in range(3):
            next(work)
        return torch.tensor(next(work)[1])

    with torch.no_grad():
        off = last(RangeLoss())
    assert torch.is_grad_enabled()
    assert torch.equal(off, last(RangeLoss()))


def test_what_bounds_nothing_is_refused():
    with pytest.raises(ValueError, match="does not contract"):
        LossLab(limit=1.0)
    with pytest.raises(ValueError, match="rounding"):
        LossLab(levels=(1e-9,))
    with pytest.raises(ValueError, match="0 < m < n"):
        SmallFamily(measured=64)
