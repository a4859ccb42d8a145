"""The sweeps: every inequality at every point, slopes on the model, rows that can be gone on with."""

import math
import re
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from deqviz import images
from deqviz.core.catalog import NOISES, OPERATORS, REGULARIZERS, discover
from deqviz.core.space import Space, inner, norm
from deqviz.experiments._rows import Fit, fit, only_rows, panel, read, recorded, slack, to_text, write
from deqviz.experiments.equilibrium._kernel import Kernel, range_of
from deqviz.experiments.equilibrium._rules import Discrepancy
from deqviz.experiments.equilibrium.equilibria import Equation, Shifted, ahead
from deqviz.experiments.equilibrium.error_bounds import CertificateBand
from deqviz.experiments.equilibrium.limit_problem import LimitProblem
from deqviz.experiments.equilibrium.model import Spectral, model, unit_element
from deqviz.experiments.equilibrium.noise_sweep import Best, Fixed, NoiseSweep, Power, slope
from deqviz.experiments.equilibrium.source import (
    equilibrium_truth,
    finish,
    inverse_truth,
    perturbation,
    picture_truth,
    read_scenario,
)
from deqviz.experiments.equilibrium.stability import Stability
from deqviz.noises.gaussian import Gaussian
from deqviz.noises.poisson import Poisson
from deqviz.noises.worst_direction import WorstDirection
from deqviz.scenario import Choice, Scenario

for package in ("operators", "solvers", "regularizers", "noises", "methods"):
    discover(f"deqviz.{package}")

DECADES = tuple(10.0**-k for k in range(1, 8))
OPERATORS_HERE = (
    "denoising",
    "gaussian_blur",
    "inpainting",
    "fourier",
    "super_resolution",
    "compressed_sensing",
)


def pairs(*regularizers: str) -> pytest.MarkDecorator:
    """Every operator with what is solved quickly; with the others one without and two with a null space."""
    quick, hard = ("quadratic", "contractive"), ("gaussian_blur", "inpainting", "fourier")
    both = [(A, R) for A in OPERATORS_HERE for R in regularizers if R in quick or A in hard]
    return pytest.mark.parametrize(("operator", "R"), both)


def equation(
    operator: str = "gaussian_blur", R: str = "contractive", side: int = 12, **params: Any
) -> Equation:
    space = Space((1, side, side), torch.float64)
    return Equation(OPERATORS[operator].build({}, image=space), REGULARIZERS[R].build(params))


def run(sweep: Any) -> list[Any]:
    """All rows of an experiment, or of a stream of progress."""
    return list(only_rows(sweep.run() if hasattr(sweep, "run") else sweep))


def fitted(rows: list[Any], quantity: Any, low: float = 0.0) -> Fit:
    """The slope, which must exist."""
    found = slope(rows, quantity, low)
    assert found is not None
    return found


def picture(side: int = 12) -> torch.Tensor:
    return images.scaled(images.load("camera", torch.float64), side)


@pytest.fixture(scope="module")
def sourced():
    eq = model()
    return eq, inverse_truth(eq, unit_element(eq, 5))


# ---------------------------------------------------------------- the inequalities, everywhere


@pairs("quadratic", "contractive", "smoothed_tv", "convex_ridge")
def test_every_inequality_holds_at_every_point_of_a_noise_sweep(operator, R):
    eq = equation(operator, R)
    truth = finish(equilibrium_truth(eq, picture(), 1e-2))
    assert truth.gap is not None
    assert float(norm(truth.gap)) < 1e-9 * float(norm(truth.x))
    # Convex functions that are not strictly so take hundreds of evaluations at small α.
    levels = DECADES if R in ("quadratic", "contractive") else DECADES[: 3 if R == "smoothed_tv" else 2]
    rows = run(NoiseSweep(eq, truth, Gaussian(1.0), Power(), levels))
    assert len(rows) == len(levels)
    for row in rows:
        assert row.holds, row
        assert row.identity is not None
        assert row.identity < 1e-6, row
        tested = {g.key for g in row.guarantees if g.status == "certified"}
        assert tested >= {"bregman", "data", "residual"}
        assert ("error" in tested) == (eq.monotonicity > 0)


@pairs("quadratic", "contractive", "smoothed_tv")
def test_the_error_stays_in_its_band(operator, R):
    eq = equation(operator, R)
    rows = run(
        CertificateBand(eq, picture_truth(picture()), weights=(1.0, 1e-2, 1e-4), levels=(0.0, 1e-2, 1e-5))
    )
    for row in rows:
        assert row.holds, [g for g in row.guarantees if g.status == "violated"]
        assert row.lower <= row.refined <= row.error * (1 + 1e-9)
        assert (row.upper is not None) == (eq.monotonicity > 0)
        if row.upper is not None:
            assert row.error <= row.upper * (1 + 1e-9)
    if operator in ("inpainting", "fourier", "super_resolution", "compressed_sensing"):
        # A null space, and a picture that was not made for R: nothing gets nearer than this.
        assert max(row.lower for row in rows) > 1e-3 * float(norm(picture()))


@pairs("quadratic", "contractive", "smoothed_tv")
def test_stability_holds_along_random_and_worst_directions(operator, R):
    rows = run(Stability(equation(operator, R), picture(), (0.3, 1e-2, 1e-3)))
    assert {row.direction for row in rows} == {"random", "worst: c", "worst: β", "worst: ℓ"}
    for row in rows:
        assert row.holds, row
        assert row.ratio <= 0.25 * (1 + 1e-6) + row.room
    if R == "quadratic" and operator in ("denoising", "inpainting", "fourier", "compressed_sensing"):
        # ¼ is sharp where R = Id and A has a singular value √α; here the only one is 1.
        tight = run(Stability(equation(operator, R), picture(), (1.0,)))
        assert max(row.ratio for row in tight) > 0.249


def test_a_violated_bound_is_seen(sourced):
    """The check can fail: the bounds of a source element that is too small are broken."""
    eq, truth = sourced
    wrong = replace(truth, element=truth.element / 30, gap=None)
    rows = run(NoiseSweep(eq, wrong, Gaussian(1.0), Power(1.0, 0.5), DECADES[:3]))
    assert any(g.measured > g.predicted for row in rows for g in row.guarantees if g.key == "bregman")
    # And the identity tells why: what was called solved is no equilibrium of such a truth.
    assert min(row.identity for row in rows) > 1e-3


# ---------------------------------------------------------------- rates


@pytest.mark.parametrize("noise", [Gaussian(1.0), WorstDirection(1.0)], ids=["white", "worst"])
def test_rates_on_the_model_with_the_source_condition(sourced, noise):
    eq, truth = sourced
    rows = run(NoiseSweep(eq, truth, noise, Power(), seeds=(0, 1, 2)))
    assert all(row.holds for row in rows)
    assert max(row.identity for row in rows) < 1e-6
    found = {q: fitted(rows, q) for q in ("bregman", "error", "residual")}
    assert found["bregman"].slope >= 0.95
    assert found["error"].slope >= 0.45
    assert found["residual"].slope >= 0.9
    decades = math.log10(found["bregman"].high / found["bregman"].low)
    assert decades >= 3.9


def test_the_tent_peaks_at_one(sourced):
    eq, truth = sourced
    slopes = {}
    for p in (0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0):
        levels = tuple(10.0 ** -(1 + k / 2) for k in range(13))
        rows = run(NoiseSweep(eq, truth, WorstDirection(1.0), Power(1.0, p), levels))
        assert all(row.holds for row in rows)
        slopes[p] = fitted(rows, "bregman").slope
    assert abs(max(slopes, key=slopes.__getitem__) - 1) <= 0.1 + 1e-9
    assert slopes[0.5] == pytest.approx(0.5, abs=0.1)
    assert slopes[1.5] == pytest.approx(0.5, abs=0.1)
    assert slopes[2.0] < 0.3


def test_without_the_source_condition_there_is_no_rate():
    eq = model()
    x = eq.operator.image.random(torch.Generator().manual_seed(9))
    rows = run(NoiseSweep(eq, picture_truth(x), Gaussian(1.0), seeds=(0, 1)))
    assert fitted(rows, "bregman").slope < 0.2
    for row in rows:
        assert row.identity is None
        void = {g.key: g.reason for g in row.guarantees}
        assert "no w with" in void["bregman"]
        assert all(g.status == "hypothesis violated" for g in row.guarantees)


def test_discrepancy_needs_no_source_element(sourced):
    eq, truth = sourced
    rule = Discrepancy(1.5)
    rows = run(NoiseSweep(eq, truth, Gaussian(1.0), rule, DECADES[1:6]))
    for row in rows:
        assert row.residual == pytest.approx(1.5 * row.delta, rel=2e-3)
        assert row.bregman <= (1 + 1.5) * row.source * row.delta * 1.01
        assert row.weight >= math.sqrt(1.5**2 - 1) * row.delta / row.source * (1 - 1e-2)
        assert {g.key: g.status for g in row.guarantees}["discrepancy"] == "certified"
    assert fitted(rows, "bregman", low=1e-7).slope > 0.9


def test_the_residual_grows_and_the_element_shrinks_with_the_weight():
    """T10 for every monotone R: what the discrepancy principle rests on."""
    eq = equation("gaussian_blur", "contractive")
    y = eq.operator(picture()) + 0.01
    misfit, element, x = [], [], eq.operator.baseline(y)
    for alpha in (1e-4, 1e-3, 1e-2, 0.1, 1.0):
        solved = finish(eq.solve(y, alpha, x))
        x = solved.x
        misfit.append(float(norm(solved.misfit)))
        element.append(misfit[-1] / alpha)
    assert misfit == sorted(misfit)
    assert element == sorted(element, reverse=True)


def test_a_fixed_weight_keeps_its_bias_and_the_best_one_does_not(sourced):
    eq, truth = sourced
    fixed = run(NoiseSweep(eq, truth, Gaussian(1.0), Fixed(1e-2), DECADES))
    assert fixed[-1].error > 0.5 * fixed[-3].error
    best = run(NoiseSweep(eq, truth, Gaussian(1.0), Best(), DECADES))
    assert best[-1].error < 1e-2 * best[0].error
    assert all(row.bregman <= row.source * row.delta * (1 + 1e-6) for row in best)
    with pytest.raises(ValueError, match="needs a truth with a source condition"):
        next(NoiseSweep(eq, picture_truth(truth.x), rule=Best()).run())


# ---------------------------------------------------------------- solving


def test_a_shifted_equation_has_the_same_equilibrium():
    eq = equation()
    y = eq.operator(picture())
    origin = 0.5 * picture()
    here = finish(eq.solve(y, 0.01, eq.operator.baseline(y)))
    moved = finish(
        replace(eq, regularizer=Shifted(eq.regularizer, origin)).solve(y - eq.operator(origin), 0.01, 0 * y)
    )
    assert float(norm(here.x - origin - moved.x)) < 1e-11 * float(norm(here.x))
    assert here.distance is not None
    assert here.distance < 1e-9
    assert float(norm(here.defect)) < 1e-12


def test_a_solve_that_blows_up_says_where():
    eq = equation(R="quadratic")
    data = torch.full_like(eq.operator(picture()), math.inf)
    with pytest.raises(ArithmeticError, match="no longer finite at evaluation 1"):
        finish(eq.solve(data, 0.01, picture()))


def test_ahead_meets_a_power_law():
    v, limit = torch.randn(2, 1, 3, 3).double(), torch.ones(2, 1, 3, 3).double()
    points = [limit + 0.5**k * v for k in range(4)]
    torch.testing.assert_close(ahead(points[:3]), points[3])
    assert ahead(points[:2]) is points[1]


def test_no_grad_mode_leaks_out_of_a_run(sourced):
    eq, truth = sourced
    stream: Any = NoiseSweep(eq, truth).run()
    next(stream)
    assert torch.is_grad_enabled()
    stream.close()
    assert torch.is_grad_enabled()


# ---------------------------------------------------------------- null space


@pytest.mark.parametrize("operator", ["inpainting", "fourier", "super_resolution", "compressed_sensing"])
def test_the_projection_on_the_kernel(operator):
    A = OPERATORS[operator].build({}, image=Space((1, 12, 12), torch.float64))
    kernel = Kernel(A)
    p = kernel.project(picture())
    assert float(norm(A(p))) < 1e-9 * float(norm(picture()))
    torch.testing.assert_close(kernel.project(p), p, rtol=0, atol=1e-9)
    assert float(inner(p, picture() - p)) == pytest.approx(0, abs=1e-9)


def test_the_range_is_seen_from_both_sides():
    A = Spectral(Space((1, 1, 40), torch.float64), decades=3, kernel=10, seed=2)
    r = A.image.random(torch.Generator().manual_seed(1))
    found = range_of(A, r)
    for d, size in found.above:
        assert found.distance_at_least(size) <= d * (1 + 1e-9)
    # The kernel is never reached, whatever the size.
    assert found.distance_at_least(1e4) == pytest.approx(float(norm(Kernel(A).project(r))), rel=1e-3)


def test_what_a_cannot_see_is_at_rest():
    eq = equation("inpainting")
    stream = CertificateBand(eq, picture_truth(picture()), weights=(0.1,), levels=(1e-2,)).run()
    (last,) = [p for p in stream if p.row is not None]
    assert last.row is not None
    assert set(last.views) == {"kernel_truth", "kernel"}
    assert float(norm(last.views["kernel"])) < 1e-8 < 1e-2 < float(norm(last.views["kernel_truth"]))
    assert last.row.kernel <= last.row.kernel_bound


# ---------------------------------------------------------------- the model


def test_the_model_is_an_operator_as_promised():
    A = Spectral(Space((1, 1, 24), torch.float64), decades=4, kernel=3, seed=7)
    rng = torch.Generator().manual_seed(0)
    x, y = A.domain.random(rng, 2), A.codomain.random(rng, 2)
    torch.testing.assert_close(inner(A(x), y), inner(x, A.adjoint(y)), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(A.gram(x), A.adjoint(A(x)))
    torch.testing.assert_close(A.gram(A.resolvent(x, 0.1)) + 0.1 * A.resolvent(x, 0.1), x)
    dense = A(torch.eye(24).double().view(24, 1, 1, 24)).flatten(1)
    values = torch.linalg.svdvals(dense)
    torch.testing.assert_close(values, A.singular_values, rtol=0, atol=1e-12)
    assert float(values[0]) <= A.norm_bound().value
    assert A.smallest_singular_value().value == 0
    size, u = A.singular_pair(1e-4)
    torch.testing.assert_close(A(A.adjoint(u)), size**2 * u, rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="1 × 1 × n"):
        Spectral(Space((1, 2, 24), torch.float64))


def test_the_rotating_regulariser_contracts_and_is_no_gradient():
    eq = model(48, contraction=0.7)
    rng = torch.Generator().manual_seed(0)
    x, z = (eq.operator.image.random(rng, 20) for _ in range(2))
    R = eq.regularizer
    n = (x - R(x)) - (z - R(z))
    assert (norm(n) <= R.constants().contraction.value * norm(x - z)).all()
    J = torch.func.jacrev(lambda v: R(v.view(1, 1, 1, -1)).flatten())(x[0].flatten())
    assert float((J - J.mT).norm() / (J - torch.eye(48).double()).norm()) > 1


# ---------------------------------------------------------------- truths and noises


def test_a_truth_is_made_by_inverting_r():
    eq = equation("gaussian_blur", "contractive", contraction=0.8)
    w = eq.operator.codomain.random(torch.Generator().manual_seed(0))
    truth = inverse_truth(eq, w)
    assert truth.gap is not None
    assert float(norm(truth.gap)) < 1e-12 * float(norm(truth.x))
    with pytest.raises(ValueError, match="may have no inverse"):
        inverse_truth(equation(R="convex_ridge"), w)


@pytest.mark.parametrize(
    "noise", [Gaussian(0.3), WorstDirection(0.0), Poisson()], ids=lambda n: type(n).__name__
)
def test_a_perturbation_has_the_size_that_was_asked_for(noise):
    eq = equation()
    clean = eq.operator(picture())
    e = perturbation(eq, noise, clean, 1e-3, 1e-2, seed=4)
    assert float(norm(e)) == pytest.approx(1e-3, rel=1e-12)
    torch.testing.assert_close(e, perturbation(eq, noise, clean, 1e-3, 1e-2, seed=4))
    with pytest.raises(ValueError, match="level 0"):
        perturbation(eq, Gaussian(0.0), clean, 1e-3, None, seed=4)


def test_a_scenario_gives_equation_picture_and_noise():
    scenario = Scenario(size=32, noise=Choice("poisson"))
    eq, x, noise = read_scenario(scenario)
    assert eq.operator.image == Space((1, 32, 32), torch.float64)
    assert tuple(x.shape) == (1, 1, 32, 32)
    assert isinstance(noise, NOISES["poisson"].cls)
    with pytest.raises(ValueError, match="'tv'"):
        read_scenario(replace(scenario, method=Choice("tv")))


# ---------------------------------------------------------------- rows, files, stopping


SWEEPS = {
    "noise": lambda eq, t: NoiseSweep(eq, t, levels=DECADES[:3], seeds=(0, 1)),
    "band": lambda eq, t: CertificateBand(eq, t, weights=(0.1, 0.01), levels=(0.0, 1e-2)),
    "limit": lambda eq, t: LimitProblem(eq, t, levels=DECADES[:3]),
    "stability": lambda eq, t: Stability(eq, t.x, (0.1, 0.01)),
}


@pytest.mark.parametrize("kind", SWEEPS)
@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_stopped_run_goes_on_where_it_stopped(sourced, kind, form, tmp_path: Path):
    eq, truth = sourced
    sweep = SWEEPS[kind](eq, truth)
    whole = run(sweep)
    assert [row.key for row in whole] == list(sweep.cells)
    file = tmp_path / f"rows.{form}"
    stream: Any = recorded(sweep, file)
    next(p for p in stream if p.row is not None and p.done == 2)
    stream.close()
    kept = read(sweep, file)
    assert [row.key for row in kept] == list(sweep.cells[:2])
    assert list(kept) == whole[:2]
    again = run(recorded(sweep, file))
    assert [row.key for row in again] == list(sweep.cells)
    assert list(read(sweep, file)) == again
    # A start from elsewhere ends in the same equilibrium, to the accuracy that was asked for.
    for a, b in zip(again, whole, strict=True):
        if hasattr(a, "error"):
            assert a.error == pytest.approx(b.error, rel=1e-5, abs=1e-9)


def test_progress_counts_every_iteration_and_never_goes_back(sourced):
    eq, truth = sourced
    seen = list(NoiseSweep(eq, truth, levels=DECADES[:3]).run())
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert len(seen) > 3 * 5
    assert seen[-1].done == seen[-1].total == 3


def damage_of(text: str, form: str) -> list[bytes]:
    """What may have become of a file of rows."""
    whole = text.encode()
    changes = [
        b"\xff" * 40,
        b"\x00" * 40,
        b"[" * 5000,
        b"null",
        b'{"rows": 3}',
        whole.replace(b"settings", b"set"),
    ]
    number, deep = b"9" * 9000, b"[" * 5000 + b"]" * 5000
    if form == "json":
        values = (number, deep, b'"x"', b"null", b"true", b"[1]", b"{}")
        changes += [
            re.sub(rb'"evaluations": \d+', b'"evaluations": ' + value, whole)
            for value in (*values, b"1.5", b"NaN")
        ]
        changes += [re.sub(rb'"delta": [-.e\d]+', b'"delta": ' + value, whole) for value in values]
        return [*changes, b"", whole[:-20]]
    head, row = whole.splitlines()
    return [
        *changes,
        *(head + b"\n" + row.replace(b",", b"," + value, 2) for value in (b"x", number, b"\x00")),
    ]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_damage_of_a_file_is_told_in_one_sentence_and_an_editor_is_forgiven(sourced, tmp_path: Path, form):
    eq, truth = sourced
    sweep = NoiseSweep(eq, truth, levels=DECADES[:1])
    file = tmp_path / f"rows.{form}"
    write(sweep, run(sweep), file)
    rows, text = read(sweep, file), file.read_text()
    file.write_text(text, encoding="utf-8-sig")
    assert read(sweep, file) == rows
    for data in damage_of(text, form):
        assert data != text.encode()
        file.write_bytes(data)
        with pytest.raises(ValueError, match="is no file of NoiseSweep, or damaged: choose another one"):
            next(recorded(sweep, file))
        assert file.read_bytes() == data


def test_rows_of_other_settings_are_refused(sourced, tmp_path: Path):
    eq, truth = sourced
    sweep = NoiseSweep(eq, truth, levels=DECADES[:1])
    write(sweep, run(sweep), tmp_path / "rows.csv")
    with pytest.raises(ValueError, match="rows of other settings"):
        next(recorded(replace(sweep, rule=Power(2.0)), tmp_path / "rows.csv"))
    (tmp_path / "other.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match="no file of NoiseSweep"):
        read(sweep, tmp_path / "other.json")
    with pytest.raises(ValueError, match=r"\.csv or \.json"):
        write(sweep, [], tmp_path / "rows.txt")
    with pytest.raises(ValueError, match=r"away\.csv cannot be read: No such file"):
        read(sweep, tmp_path / "away.csv")
    assert sweep.settings == NoiseSweep(eq, truth, levels=DECADES[:1]).settings


def test_a_row_tells_its_bounds_in_the_table(sourced):
    eq, truth = sourced
    sweep = NoiseSweep(eq, truth, levels=DECADES[:2])
    rows = run(sweep)
    plain = rows[0].plain()
    assert plain["bound.bregman"] == rows[0].bregman_bound
    assert plain["holds.bregman"] is True
    assert plain["slack.bregman"] == pytest.approx(1 - rows[0].bregman / rows[0].bregman_bound)
    head = to_text(sweep, rows, "csv").splitlines()[0]
    assert head.startswith("settings,level,seed,delta,weight,bregman,error")


def test_the_panel_joins_the_rows(sourced):
    eq, truth = sourced
    rows = run(NoiseSweep(eq, truth, levels=DECADES[:3]))
    joined: dict[str, Any] = {g.key: g for g in panel(rows)}
    assert joined["bregman"].status == "certified"
    assert list(joined["bregman"].bound.of.values) == [row.bregman_bound for row in rows]
    assert joined["discrepancy"].reason.count("rows left out") <= 1
    first = rows[0].guarantees[0]
    assert slack(first) == pytest.approx(1 - rows[0].bregman / rows[0].bregman_bound)
    assert panel([]) == ()


def test_a_fit_is_a_straight_line_in_logarithms():
    found = fit([(10.0**-k, 3 * 10.0 ** (-0.5 * k)) for k in range(6)], low=1e-4)
    assert found is not None
    assert found.slope == pytest.approx(0.5)
    assert (found.low, found.high, found.count) == (1e-4, 1.0, 5)
    assert found.spread == pytest.approx(0, abs=1e-12)
    assert fit([(1.0, 1.0), (0.1, 1.0)]) is None
    assert fit(islice([(1.0, 0.0)] * 5, 5)) is None
