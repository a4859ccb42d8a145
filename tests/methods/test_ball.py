"""T evaluated once more in double precision: the exact value lies in the ball, and rows rest on that."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch import Tensor

from deqviz.core.catalog import METHODS, OPERATORS
from deqviz.core.guarantee import Curve, Guarantee
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Evidence, Problem, Scalars
from deqviz.core.registry import Choice
from deqviz.core.rounding import RoundingBound
from deqviz.core.space import Space, norm, wide
from deqviz.core.stop import settle
from deqviz.experiments import probe
from deqviz.experiments.probe import probes
from deqviz.methods._ball import Ball, tikhonov
from deqviz.methods._base import SLIP, FixedPointMethod, enclosed_gap, largest_gap
from deqviz.methods._theory import bounds


@pytest.fixture(autouse=True)
def _coarse_landscape(monkeypatch: pytest.MonkeyPatch):
    """Nine evaluations in place of 169."""
    monkeypatch.setattr(probe, "GRID", 3)


LEARNED = {
    "contractive": Choice("equilibrium", {"weight": 0.1}),
    "explicit": Choice("equilibrium", {"weight": 0.1, "splitting": "explicit"}),
    "expanding": Choice("equilibrium", {"regularizer": Choice("contractive", {"contraction": 1.5})}),
    "ridge": Choice("equilibrium", {"regularizer": Choice("convex_ridge")}),
    "monotone": Choice("equilibrium", {"regularizer": Choice("monotone")}),
    "pnp_hqs": Choice("pnp_hqs"),
    "pnp_fbs": Choice("pnp_fbs"),
    "mol": Choice("mol", {"step": 0.7}),
}
KEPT_OUT = {
    "no network": Choice("equilibrium", {"regularizer": Choice("smoothed_tv")}),
    "unconstrained": Choice("pnp_hqs", {"denoiser": "unconstrained"}),
    "no map of images": Choice("tv"),
}


def method(choice: Choice) -> FixedPointMethod:
    built = METHODS[choice.key].build(choice.params)
    assert isinstance(built, FixedPointMethod)
    return built


def problem(operator: str = "gaussian_blur", dtype: torch.dtype = torch.float32, batch: int = 1) -> Problem:
    """Data of single precision, whatever the images of the operator are."""
    channels = 2 if operator == "parallel_mri" else 1
    A = OPERATORS[operator].build({}, image=Space((channels, 16, 16)))
    y = A(torch.rand(batch, channels, 16, 16, generator=torch.Generator().manual_seed(0)))
    if dtype == torch.float64:
        # The same coefficients: those that are kept in single precision stay what they are.
        A = replace(A, image=Space(A.image.shape, dtype))
        y = wide(y)
    return Problem(A, y, 0.01)


def ends(choice: Choice, p: Problem, steps: int = 5) -> tuple[list[Scalars], dict[str, float]]:
    """The marks of a run, and the probes after it."""
    records = list(islice(method(choice).iterates(p), steps))
    end = records[-1]
    found = probes(
        method(choice), p, limit=end.x, tolerance=1e-6, max_steps=steps, seed=0, gap=largest_gap(end)
    )
    return [Scalars.of(r) for r in records], {f.key: f.value for f in found if f.value is not None}


@pytest.mark.parametrize(
    "operator", ["denoising", "gaussian_blur", "fourier", "super_resolution", "tomography"]
)
@pytest.mark.parametrize("name", LEARNED)
def test_the_ball_holds_the_value_of_the_map(operator: str, name: str):
    """Conjugate gradients stop at 10⁻¹² there, a closed form at rounding; single precision is outside."""
    p, q, chosen = problem(operator), problem(operator, torch.float64), method(LEARNED[name])
    with torch.no_grad():
        x = chosen.start(p)
        ball, double, single = chosen.enclosure(p, Ball.around(x)), chosen.map(q)(wide(x)), chosen.map(p)(x)
    assert ball is not None
    assert 0 < float(ball.radius) < 1e-9 * float(norm(x))
    assert float(norm(ball.centre - double)) <= 3 * float(ball.radius)
    assert float(norm(ball.centre - single)) > float(ball.radius)


@pytest.mark.parametrize("name", ["contractive", "explicit", "pnp_hqs", "pnp_fbs", "mol"])
def test_the_gap_of_a_run_is_within_its_slip_and_each_item_counts(name: str):
    chosen, p = method(LEARNED[name]), problem(batch=2)
    *_, end = islice(chosen.iterates(p), 5)
    known = enclosed_gap(chosen, p, end.x)
    assert known is not None
    assert known[1] < 1e-5 * known[0]
    assert float(end.gap) == pytest.approx(known[0], rel=1e-4)
    apart = [
        enclosed_gap(chosen, Problem(p.operator, p.data[i : i + 1], p.noise), end.x[i : i + 1])
        for i in (0, 1)
    ]
    gaps, slips = zip(*(a for a in apart if a is not None), strict=True)
    assert known[0] == pytest.approx(max(gaps), rel=1e-12)
    assert known[1] == pytest.approx(max(slips), rel=1e-2)


@pytest.mark.parametrize("wrong", [lambda u: 0.9 * u, lambda u: u + 1e-3])
def test_no_solver_is_trusted(wrong: Callable[[Tensor], Tensor], monkeypatch: pytest.MonkeyPatch):
    """What a resolvent gets wrong is in the radius."""
    p, rho = problem(), 0.1
    x = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    right = tikhonov(p, rho, Ball.around(x))
    plain = type(p.operator).resolvent

    def resolvent(self: ForwardModel, b: Tensor, weight: float, start: Tensor | None = None) -> Tensor:
        return wrong(plain(self, b, weight, start))

    monkeypatch.setattr(type(p.operator), "resolvent", resolvent)
    ball = tikhonov(p, rho, Ball.around(x))
    assert float(right.radius) < float(norm(ball.centre - right.centre)) <= float(ball.radius)


def test_operations_on_balls_keep_what_is_in_them():
    """Of random points within the radii, in every operation."""
    rng = torch.Generator().manual_seed(0)
    p = problem()
    rounding = RoundingBound(1e-3, 1e-4)
    for _ in range(20):
        a, b, da, db = (torch.randn(1, 1, 16, 16, generator=rng).double() for _ in range(4))
        balls = Ball(a, norm(da)), Ball(b, norm(db))
        exact = {
            "sum": (balls[0] + balls[1], a + da + b + db),
            "difference": (balls[0] - balls[1], a + da - b - db),
            "multiple": (-0.3 * balls[0], -0.3 * (a + da)),
            "sine": (balls[0].mapped((2 * a).sin(), 2.0, rounding), (2 * (a + da)).sin()),
        }
        for name, (ball, inside) in exact.items():
            assert float(norm(ball.centre - inside)) <= float(ball.radius) * (1 + 1e-12), name
    ones = torch.ones(1, 1, 16, 16).double()
    assert float(rounding.at(ones)) == pytest.approx(16e-3 + 16e-4)
    assert bounds(p.operator).wide < 1e-12


@pytest.mark.parametrize("name", KEPT_OUT)
def test_nothing_is_enclosed_where_nothing_is_proved(name: str):
    p, chosen = problem("denoising"), KEPT_OUT[name]
    assert enclosed_gap(METHODS[chosen.key].build(chosen.params), p, p.data) is None


@pytest.mark.parametrize("name", ["contractive", "ridge", "pnp_hqs", "pnp_fbs", "mol"])
def test_rows_of_limits_are_proved_after_the_checks_and_those_of_the_run_are_not(name: str):
    p = problem("denoising")
    marks, seen = ends(LEARNED[name], p)
    rows = {g.key: g for g in method(LEARNED[name]).guarantees(p, Evidence(marks, seen))}
    assert not [g.key for g in rows.values() if g.status == "violated"]
    assert {rows[key].status for key in ("uniqueness", "error", "stability")} == {"certified"}
    open_rows = {g.key for g in rows.values() if "measured, not proved" in g.reason}
    assert open_rows == {"contraction", "expansion", "rate", "error"}
    assert "except at the last iterate" in rows["error"].reason
    # Before the checks nothing of the end is known.
    before = {g.key: g for g in method(LEARNED[name]).guarantees(p, Evidence(marks))}
    assert "except at the last iterate" not in before["error"].reason
    assert _last_allowance(rows["error"]) < _last_allowance(before["error"])


def _last_allowance(row: Guarantee) -> float:
    assert isinstance(row.allowance, Curve)
    return row.allowance.values[-1]


def test_the_last_gap_is_known_to_what_double_precision_found():
    p = problem("denoising")
    marks, seen = ends(LEARNED["contractive"], p)
    chosen = method(LEARNED["contractive"])
    row = next(g for g in chosen.guarantees(p, Evidence(marks, seen)) if g.key == "error")
    error, last = chosen.theory(p).error, marks[-1]  # type: ignore[attr-defined]
    assert _last_allowance(row) == pytest.approx(error * seen["slip"] * last.residual / last.gap)
    assert SLIP not in last.scalars


def test_an_operator_of_single_precision_keeps_the_sentence(monkeypatch: pytest.MonkeyPatch):
    p = problem("denoising")
    monkeypatch.setattr(type(p.operator), "takes_double", False)
    marks, seen = ends(LEARNED["contractive"], p)
    assert "slip" not in seen
    assert seen["spread_size"] > 0
    assert seen["gain_size"] > 0
    rows = method(LEARNED["contractive"]).guarantees(p, Evidence(marks, seen))
    assert {g.key for g in rows if "measured, not proved" in g.reason} == {
        "uniqueness",
        "contraction",
        "expansion",
        "rate",
        "error",
        "stability",
    }


def test_ends_that_differ_by_more_than_double_precision_allows_are_two_limits():
    """The bound that is proved can fail: a limit moved by 10⁻⁴ is farther than both gaps explain."""
    p, chosen = problem("denoising"), method(LEARNED["contractive"])
    end = settle(chosen.iterates(p), tolerance=1e-7, max_steps=200)
    marks, seen = ends(LEARNED["contractive"], p)
    assert enclosed_gap(chosen, p, end.x) is not None
    row = next(
        g
        for g in chosen.guarantees(p, Evidence(marks, {**seen, "spread": seen["spread"] + 1e-4}))
        if g.key == "uniqueness"
    )
    assert row.status == "violated"
