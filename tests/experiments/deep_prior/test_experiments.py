"""The deep prior's experiments: what their rows say, and that they are gone on with and never repeated."""

import json
import math
import re
from dataclasses import MISSING, asdict, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from deqviz.core.guarantee import Quantity
from deqviz.experiments._rows import only_rows, panel, read, recorded
from deqviz.experiments.deep_prior import (
    momentum as prior_momentum,
)
from deqviz.experiments.deep_prior import (
    recovery as prior_recovery,
)
from deqviz.experiments.deep_prior import (
    run as prior_run,
)
from deqviz.experiments.deep_prior import (
    width_diagram,
)
from deqviz.experiments.deep_prior.momentum import PriorMomentum, ways
from deqviz.experiments.deep_prior.prior_family import PriorFamily
from deqviz.experiments.deep_prior.recovery import LandweberGap, RecoverySplit
from deqviz.experiments.deep_prior.run import PriorRun, RunRow
from deqviz.experiments.deep_prior.two_layer import certificate
from deqviz.experiments.deep_prior.width_diagram import CertifiedWidths, WidthDiagram
from deqviz.experiments.deep_prior.widths import threshold, wendel

CENTRED = PriorFamily(12, "softplus", is_orthonormal=True, is_unit=True, is_centred=True, noise=0.03)
DIAGRAM = WidthDiagram(PriorFamily(16), (2, 4), (4, 12, 24), draws=8, steps=200)
CERTIFIED = CertifiedWidths(replace(CENTRED, noise=0.0), (2, 6), (32, 1024), draws=2)
RUN = PriorRun(CENTRED, 4, 1024, draws=6, steps=60, every=6)
SPLIT = RecoverySplit(CENTRED, 256, draws=2, steps=60)
GAP = LandweberGap(replace(CENTRED, activation="tanh"), (16, 64), draws=2, steps=40, every=10)
OLD = [f.name for f in fields(RunRow) if f.default is MISSING]
"""The fields of a row in files of 0.2.0."""
MOMENTUM = PriorMomentum(PriorFamily(8), 4, 64, draws=3, tolerance=1e-1, steps=100)
EXPERIMENTS: dict[str, Any] = {
    "diagram": DIAGRAM,
    "certified": CERTIFIED,
    "run": RUN,
    "split": SPLIT,
    "gap": GAP,
    "momentum": MOMENTUM,
}


def rows(experiment: Any) -> list[Any]:
    return list(only_rows(experiment.run()))


# ---------------------------------------------------------------- rows of every experiment


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_rows_repeat_and_another_seed_has_others(name: str) -> None:
    experiment = EXPERIMENTS[name]
    assert rows(experiment) == rows(experiment)
    other = replace(experiment, family=replace(experiment.family, seed=1))
    assert other.settings != experiment.settings
    assert rows(other) != rows(experiment)


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_file_is_gone_on_with_and_nothing_is_computed_twice(
    name: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, file = EXPERIMENTS[name], tmp_path / f"rows.{form}"
    whole = rows(experiment)
    stream: Any = recorded(experiment, file)
    first = list(islice(only_rows(stream), len(whole) // 2))
    stream.close()
    assert first == whole[: len(first)]
    assert read(experiment, file) == tuple(first)
    assert list(only_rows(recorded(experiment, file))) == whole
    assert read(experiment, file) == tuple(whole)

    def never(*_: object, **__: object) -> Any:
        raise AssertionError("a known row is computed")

    for module, called in (
        (width_diagram, "fitting"),
        (width_diagram, "certificate"),
        (prior_run, "certificate"),
        (prior_recovery, "evolve"),
        (prior_momentum, "evolve"),
    ):
        monkeypatch.setattr(module, called, never)
    assert list(only_rows(recorded(experiment, file))) == whole


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_progress_comes_often_and_ends_at_the_total(name: str) -> None:
    experiment = EXPERIMENTS[name]
    found = list(experiment.run())
    keys = [p.row.key for p in found if p.row is not None]
    assert [key for key in experiment.cells if key in keys] == keys
    assert all(p.total == len(experiment.cells) for p in found)
    assert [p.done for p in found] == sorted(p.done for p in found)
    # Ways that arrive early leave the rest of their cells out.
    assert name == "momentum" or (found[-1].done == len(keys) == len(experiment.cells))
    if name != "momentum":  # there nearly every step has a row
        assert len(found) > 1.5 * len(keys), "whoever pulls can stop inside a cell"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_no_certified_inequality_is_violated(name: str) -> None:
    assert all(row.holds for row in rows(EXPERIMENTS[name]))


# ---------------------------------------------------------------- widths


def test_the_diagram_has_its_boundary_between_narrow_and_wide() -> None:
    found = {row.key: row for row in rows(DIAGRAM)}
    for m in DIAGRAM.measured:
        assert found[m, 4].fitted <= found[m, 24].fitted
        assert all(found[m, k].fitted <= found[m, k].feasible for k in DIAGRAM.widths)
    assert found[2, 24].fitted == found[4, 24].feasible == 1
    assert found[4, 4].fitted < 0.5
    # With fewer units than unknowns J has no full rank, and these widths are far below the certified one.
    assert all(row.certified == 0 for row in found.values())
    assert all(row.law is None for row in found.values()), "Wendel's law is that of a cone"


def test_wendels_law_stands_beside_softplus_where_it_holds() -> None:
    soft = replace(DIAGRAM, family=PriorFamily(16, "softplus"), draws=40)
    for row in rows(soft):
        assert row.law == wendel(row.measured, row.width)
        assert row.feasible is not None
        # Four standard deviations of a share of 40.
        assert abs(row.feasible - row.law) <= 4 * math.sqrt(row.law * (1 - row.law) / 40) + 1e-6
    paired = replace(soft, family=PriorFamily(16, "softplus", is_centred=True), measured=(4,), draws=4)
    assert all(row.law is None for row in rows(paired)), "pairs of opposite columns are not independent"


def test_training_both_layers_leaves_no_boundary_and_voids_what_is_of_a_fixed_outer_layer() -> None:
    found = rows(replace(DIAGRAM, is_both=True, steps=1200))
    assert all(row.fitted == 1 for row in found)
    assert all(row.feasible is row.certified is row.law is None for row in found)
    assert {g.status for row in found for g in row.guarantees} == {"not applicable"}


def test_wide_networks_are_certified_and_narrow_ones_are_not() -> None:
    found = {row.key: row for row in rows(CERTIFIED)}
    for m in CERTIFIED.measured:
        wide, narrow = found[m, 1024], found[m, 32]
        assert wide.share == 1
        assert wide.radius < wide.ball
        assert narrow.share == 0
        assert narrow.radius >= narrow.ball
        # The law is asymptotic: σ₀ is below C_φ′ at finite width, so more is needed than it says.
        assert wide.formula < 1024


def test_centred_units_have_a_threshold_of_their_own() -> None:
    """Half the columns with a box of twice the size, against linear programmes."""
    family = PriorFamily(40, is_orthonormal=True, is_unit=True, is_centred=True)
    factor = threshold(family.phi, family.power, is_centred=True)
    below, above = (2 * round(share * factor * 8 / 2) for share in (0.75, 1.3))
    found = rows(WidthDiagram(family, (8,), (below, above), draws=40, steps=20))
    assert found[0].feasible < 0.5 < found[1].feasible


# ---------------------------------------------------------------- one width on its way


@pytest.mark.parametrize("rule", ["flow", "gradient descent"])
def test_certified_draws_stay_under_their_envelope(rule: Any) -> None:
    found = rows(replace(RUN, rule=rule, width=4096, steps=240, every=24))
    first, last = found[0], found[-1]
    assert first.certified == first.draws == 6
    assert first.radius is not None
    assert first.radius < first.ball
    name = "R′" if rule == "flow" else "2R′"
    assert first.why == f"{name} < R in all 6 draws"
    assert first.worst_residual is first.worst_moved is None, "at t = 0 there is nothing to compare"
    for row in found[1:]:
        assert row.residual <= row.envelope
        assert row.moved <= first.radius
        assert row.jacobian >= row.half
        for share in (row.worst_residual, row.worst_moved, row.worst_jacobian):
            assert share is not None
            assert share <= 1
    # The way is half of R′ in the wide limit, a quarter of descent's 2R′; the proof gives the rest away.
    assert last.moved < 0.6 * first.radius
    assert last.arrival is not None
    assert last.time > last.arrival
    assert last.worst_clean is not None
    assert last.worst_clean <= 1
    assert last.clean == pytest.approx(last.noise, rel=1e-3), "in the end the noise is fitted exactly"
    lamps = {g.key: g.status for g in panel(found)}
    assert lamps.pop("recovery") == "hypothesis violated", "m < n"
    # Descent may go twice as far: four times the width is asked for, which is not there.
    assert lamps.pop("width") == ("certified" if rule == "flow" else "hypothesis violated")
    assert lamps == dict.fromkeys(("envelope", "radius", "jacobian", "noise", "start"), "certified")


def test_the_shares_are_those_of_the_certificate() -> None:
    draws = RUN.family.draws(6, 4, 1024, torch.float64)
    known = certificate(draws)
    first = rows(RUN)[0]
    assert first.certified == int(known.is_certified.sum())
    assert first.radius in [float(value) for value in known.radius]
    assert first.ball in [float(value) for value in known.ball]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 16}, r"σ_min\(J₀\) = 0: with k = 16 units, in pairs, J₀ cannot have the rank n = 12"),
        ({"width": 64}, r"R′ = \d.* is not below R = 0\.\d"),
        ({"width": 64, "rule": "gradient descent"}, r"2R′ = \d.* is not below R = 0\.\d"),
        ({"family": PriorFamily(4, noise=0.1), "measured": 6}, r"m = 6 > n = 4 noise cannot be fitted"),
    ],
)
def test_what_is_void_says_why(change: dict[str, Any], said: str) -> None:
    found = rows(replace(RUN, **{"steps": 12, "width": 64, **change}))
    assert found[0].certified == 0
    for row in found:
        for guarantee in (g for g in row.guarantees if g.key not in ("width", "start", "recovery")):
            assert guarantee.status == "hypothesis violated"
            assert re.search(said, guarantee.reason)


def test_the_width_bound_says_how_wide_and_holds_with_its_probability() -> None:
    first = rows(replace(RUN, steps=4, width=64))[0]
    wide = {g.key: g for g in first.guarantees}["width"]
    # 256 L₂² n ‖r₀‖²/(σ_A² C⁴), of the draw whose start is farthest; A has orthonormal rows.
    draws = RUN.family.draws(RUN.draws, RUN.measured, 64, torch.float64)
    phi, n = draws.activation, RUN.family.unknowns
    far = float(draws.residual(draws.start).norm(dim=1).max())
    asked = 256 * phi.bend**2 * n * far**2 / phi.slope_power**2
    assert first.needed == pytest.approx(max(asked, first.enough or 0.0), rel=1e-9)
    assert f"k = 64 is below {first.needed:,.0f}" in wide.reason
    broad = {g.key: g for g in rows(replace(RUN, steps=1, width=2 * round(first.needed)))[0].guarantees}
    assert broad["width"].status == broad["start"].status == "certified"
    assert broad["width"].bound == Quantity(1 / n, "share of draws")
    # All six draws at a probability of 1/12 each: no chance.
    failed = replace(first, width=10**9, weak=first.draws)
    assert {g.key: g.status for g in failed.guarantees}["start"] == "violated"


def test_signals_are_recovered_where_a_is_injective() -> None:
    found = rows(PriorRun(PriorFamily(6, "tanh", is_unit=True, is_centred=True), 8, 512, steps=12))
    for row in found:
        recovery = {g.key: g for g in row.guarantees}["recovery"]
        assert recovery.status == "certified"
        assert 0 < row.worst_error <= 1


def test_files_of_0_2_0_have_no_widths(tmp_path) -> None:
    run = replace(RUN, steps=4)
    old = [{k: v for k, v in asdict(row).items() if k in OLD} for row in rows(run)]
    body = {"rows": [{"settings": run.settings, **row} for row in old]}
    (tmp_path / "old.json").write_text(json.dumps(body), encoding="utf-8")
    assert [row.needed for row in read(run, tmp_path / "old.json")] == [None] * len(old)


def test_the_line_of_the_first_kernel_is_no_bound_and_draws_above_it_are_counted() -> None:
    family = PriorFamily(20, "sigmoid", is_orthonormal=True, is_unit=True, noise=0.03)
    narrow = rows(PriorRun(family, 10, 32, "gradient descent", 16, 400, 40))
    assert max(row.above for row in narrow) > 0
    assert max(row.above for row in rows(RUN)) == 0


def test_without_noise_nothing_is_said_of_it() -> None:
    found = rows(replace(RUN, family=replace(CENTRED, noise=0.0), steps=12))
    assert {g.key for g in found[0].guarantees} == {
        "envelope",
        "radius",
        "jacobian",
        "width",
        "start",
        "recovery",
    }
    assert all(row.noise == 0 and row.arrival is None for row in found)


# ---------------------------------------------------------------- recovery and momentum


def test_the_error_is_that_of_null_space_and_noise() -> None:
    found = rows(replace(SPLIT, width=1024, steps=400))
    assert [row.measured for row in found] == sorted({row.measured for row in found})
    assert found[-1].measured == 12
    for row in found:
        assert row.limit == pytest.approx(math.hypot(row.kernel, row.noise), rel=1e-9)
        assert row.landweber == pytest.approx(row.limit, rel=1e-3)
        # A finite width: 5 % at k = 1024.
        assert row.error == pytest.approx(row.limit, rel=0.08)
        (guarantee,) = row.guarantees
        assert guarantee.status == "remark", "a limit of wide networks proves nothing at one width"
    kernels = [row.kernel for row in found]
    assert kernels[0] > 0.7 > kernels[-2]
    assert kernels[-1] < 1e-9


def test_gaussian_rows_may_be_more_than_the_unknowns() -> None:
    assert max(m for (m,) in RecoverySplit(PriorFamily(12)).cells) == 24
    assert max(m for (m,) in SPLIT.cells) == 12


def test_the_wider_the_nearer_to_landweber() -> None:
    found = rows(replace(GAP, widths=(16, 256), steps=100))
    far = [max(row.gap for row in found if row.width == k) for k in (16, 256)]
    assert far[1] < 0.7 * far[0]
    assert all(row.gap == row.error - row.landweber == 0 for row in found if row.number == 0)


def test_momentum_needs_fewer_steps_and_the_certified_step_never_rises() -> None:
    asked = replace(MOMENTUM, tolerance=1e-3, steps=1500)
    found = rows(asked)
    needed = {row.way: row.needed for row in found if row.needed is not None}
    assert set(needed) == {way.name for way in asked.ways}
    assert needed["heavy ball"] < needed["descent, 1/L"] < needed["descent, certified 1/ℓ"]
    assert needed["descent, 1.9/L"] < needed["descent, 1/L"]
    (guarantee,) = panel(found)
    assert guarantee.status == "certified"
    sure = [row for row in found if row.is_sure == "yes"]
    assert max(row.rise for row in sure) <= 1 + 1e-9


def test_a_step_that_is_too_long_rises_first_and_arrives() -> None:
    family = PriorFamily(20, is_unit=True)
    long = PriorMomentum(family, 5, 512, draws=6, ways=ways(3.0)[3:4], steps=400)
    found = rows(long)
    assert max(row.most for row in found) > 1.5
    assert found[-1].needed is not None


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: PriorRun(CENTRED, 4, 0), "a width of 0"),
        (lambda: PriorRun(CENTRED, 13, 64), "cannot be orthonormal: choose m ≤ n"),
        (lambda: PriorRun(CENTRED, 4, 63), "63 is odd"),
        (lambda: PriorRun(CENTRED, 4, 64, steps=0), "at least one draw, one step"),
        (lambda: PriorFamily(activation="relu"), "no activation 'relu'"),
        (lambda: WidthDiagram(CENTRED, (2, 14), (8,)), "cannot be orthonormal"),
        (lambda: WidthDiagram(PriorFamily(8), (2,), (0, 8)), "a width of 0"),
        (lambda: CertifiedWidths(CENTRED, (2,), (255,)), "255 is odd"),
        (lambda: RecoverySplit(CENTRED, 33), "33 is odd"),
        (lambda: LandweberGap(CENTRED, (15,)), "15 is odd"),
        (lambda: LandweberGap(CENTRED, deviation=0.0), "does not fit"),
        (lambda: PriorMomentum(PriorFamily(8), 0), "0 measurements"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_sentence(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        make()
    assert str(refused.value).endswith(".")
