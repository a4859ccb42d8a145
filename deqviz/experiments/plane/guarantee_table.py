"""The guarantee table of the plane: that of the method and three facts."""

import math
from dataclasses import replace

import torch

from deqviz.core.guarantee import Guarantee, Quantity, quantity
from deqviz.core.records import Evidence
from deqviz.core.space import norm
from deqviz.experiments.plane.axes import turned
from deqviz.experiments.plane.fixed_points import FixedPoint
from deqviz.experiments.plane.planar_run import (
    Plane,
    Trajectory,
    asymmetry,
    circulation,
    grid,
    points,
    spread,
)

SMALLEST = 1e-3
"""Data that moved by less say nothing: the rounding of two equilibria is divided by it."""
ROUNDING = 1e-8
"""What counts as 0 in a sum of a few hundred terms, or as the result of Newton's method over α."""


@torch.no_grad()
def contraction(plane: Plane, n: int = 13) -> tuple[float, float]:
    """The largest ‖T(x) − T(z)‖/‖x − z‖ of neighbours on the grid, and (‖T(x)‖ + ‖T(z)‖)/‖x − z‖."""
    x = grid(n).reshape(n, n, 1, 1, 2)
    fx = plane.map(x.reshape(-1, 1, 1, 2)).reshape(x.shape)
    separation = float(torch.dist(x[0, 0], x[0, 1]))
    steps = [fx.diff(dim=0).reshape(-1, 2), fx.diff(dim=1).reshape(-1, 2)]
    ratio = max(float(norm(step).max()) for step in steps) / separation
    return ratio, 2 * float(norm(fx.reshape(-1, 2)).max()) / separation


def _evidence(
    plane: Plane,
    fixed_points: tuple[FixedPoint, ...],
    runs: tuple[Trajectory, ...],
    before: Plane | None,
    old_points: tuple[FixedPoint, ...],
) -> Evidence:
    probes: dict[str, float] = {}
    probes["contraction"], probes["contraction_room"] = contraction(plane)
    if fixed_points:
        # Less what a derivative of some ten operations may round: κ itself may be 0.
        probes["expansion"] = max(0.0, max(f.expansion for f in fixed_points) - 1e-14)
    probes |= spread(list(runs))
    if (
        before is not None
        and len(fixed_points) == len(old_points) == 1
        and (e := moved(plane, before)) > SMALLEST
    ):
        x, z = fixed_points[0].x, old_points[0].x
        gaps = [float(norm(p.map(points([q])) - points([q]))) for p, q in ((plane, x), (before, z))]
        probes["gain"] = math.dist(x, z) / e
        probes["gain_gap"] = sum(gaps) / e
        probes["gain_size"] = (math.hypot(*x) + math.hypot(*z)) / e
    return Evidence(runs[-1].marks() if runs else (), probes)


def moved(plane: Plane, before: Plane) -> float:
    """‖y₁ − y₂‖."""
    return float(torch.dist(plane.problem.data, before.problem.data))


@torch.no_grad()
def guarantees(
    plane: Plane,
    fixed_points: tuple[FixedPoint, ...],
    runs: tuple[Trajectory, ...],
    before: Plane | None = None,
    old_points: tuple[FixedPoint, ...] = (),
) -> tuple[Guarantee, ...]:
    """The method's guarantees for the last of `runs`, then the identity of T3, the null space and the loop.

    `before` is the same problem with other data, and `old_points` its equilibria; None where nothing moved.
    """
    own = plane.method.guarantees(plane.problem, _evidence(plane, fixed_points, runs, before, old_points))
    rows = [_of_start(g, len(runs)) for g in own if g.key != "source"]
    rows.append(distance(plane, fixed_points, before, old_points))
    if plane.operator.rows == 1:
        rows.append(_kernel(plane, fixed_points))
    return (*rows, loop(plane))


def _of_start(row: Guarantee, number: int) -> Guarantee:
    """The numbers of an iteration are those of the start that was set last, and of several that is said."""
    is_one_of_several = number > 1 and row.key in ("rate", "monotone", "error")
    return replace(row, reason=f"for start {number}; {row.reason}") if is_one_of_several else row


def distance(
    plane: Plane,
    fixed_points: tuple[FixedPoint, ...],
    before: Plane | None,
    old_points: tuple[FixedPoint, ...],
) -> Guarantee:
    """αD_R(x₁, x₂) ≤ ¼‖y₁ − y₂‖² for any two equilibria, T3 of the notes: it asks nothing of R at all."""
    measured = None
    if before is not None and fixed_points and old_points and (e := moved(plane, before)) > SMALLEST:
        R, pairs = plane.regularizer, [(a.x, b.x) for a in fixed_points for b in old_points]
        x, z = points([a for a, _ in pairs]), points([b for _, b in pairs])
        bregman = ((R(x) - R(z)) * (x - z)).flatten(1).sum(1)
        measured = plane.weight * float(bregman.max()) / e**2
    return Guarantee(
        "distance",
        "Symmetric Bregman distance",
        "α⟨R(x₁) − R(x₂), x₁ − x₂⟩ ≤ ¼ ‖y₁ − y₂‖²",
        "certified",
        "for any two equilibria and any R, since αD + ‖AΔx‖² = ⟨AΔx, Δy⟩; here as a share of ‖y₁ − y₂‖²,"
        " the data having moved since the last drag began",
        Quantity(0.25, "‖y₁ − y₂‖²"),
        quantity(measured, "‖y₁ − y₂‖²"),
    )


def _kernel(plane: Plane, fixed_points: tuple[FixedPoint, ...]) -> Guarantee:
    """Every equilibrium has R(x*) = A*w: no part of it in the null space, T8 of the notes."""
    measured = None
    if fixed_points:
        value = turned(plane.regularizer(points([f.x for f in fixed_points])), -plane.operator.angle)
        measured = float(value[..., 1].abs().max())
    return Guarantee(
        "kernel",
        "R(x*) ∈ ran A* (null-space component vanishes)",
        "P_{ker A} R(x*) = 0",
        "certified",
        "R(x*) = A*(y − Ax*)/α lies in ran A*, whatever R is; up to rounding",
        Quantity(0.0),
        quantity(measured),
        ROUNDING,
    )


def loop(plane: Plane) -> Guarantee:
    """∮⟨R, dx⟩ = 0 where R is a gradient, and how far from one it is where it is not."""
    around = circulation(plane)
    name, statement = "R is conservative (a gradient)", "∮ ⟨R, dx⟩ = 0 around the unit circle"
    if plane.regularizer.is_gradient:
        reason = "R = ∇Ψ: the equilibria are the critical points of ½‖Ax − y‖² + αΨ(x)"
        return Guarantee(
            "gradient", name, statement, "certified", reason, Quantity(0.0), Quantity(abs(around)), ROUNDING
        )
    reason = (
        f"J_R is not symmetric: ‖J_R − J_Rᵀ‖/‖J_R‖ = {asymmetry(plane):.3g}: not conservative (no potential)"
    )
    return Guarantee("gradient", name, statement, "hypothesis violated", reason, value=quantity(abs(around)))
