"""From a study on monotone operator learning to its board on the Convergence page; pure, no Streamlit."""

from collections.abc import Iterator
from dataclasses import replace

from deqviz import domain
from deqviz.core.catalog import METHODS
from deqviz.core.guarantee import Guarantee
from deqviz.core.numbers import decibels
from deqviz.core.registry import Choice
from deqviz.core.space import Image
from deqviz.experiments._rows import panel
from deqviz.experiments.monotone.beyond_depth import TRAINED, BeyondDepth, DepthRow
from deqviz.experiments.monotone.comparison import convergence_against_strict
from deqviz.experiments.monotone.lipschitz_estimates import LipschitzEstimates, LipschitzRow
from deqviz.experiments.monotone.uniqueness_counterexample import Counterexample, CounterexampleRow
from deqviz.runtime.logbook import to_bytes
from deqviz.runtime.study import Study, StudySnapshot
from deqviz.scenario import Scenario
from deqviz.ui.components.board.records import Board, Chart, Explanation, Row, Tile
from deqviz.ui.components.guarantees import row, verdict
from deqviz.ui.pages.monotone.charts import counterexample_charts, depth_charts, lipschitz_charts, step_charts
from deqviz.ui.pages.monotone.setting import MolSetting
from deqviz.ui.shell.study_board import cells_done, study_board


def mol_board(study: Study, setting: MolSetting) -> Board:
    """The study as it is now."""
    snapshot = study.snapshot()
    return study_board(
        study,
        snapshot,
        unit="steps",
        progress=cells_done(snapshot),
        preparing="computing the constants of the networks",
        charts=_charts(setting, snapshot),
        tiles=_tiles(snapshot),
        guarantees=_guarantees(snapshot),
        explanation=_explanation(setting),
    )


def _charts(setting: MolSetting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """All cards in their order; each of them is there from the start and fills as rows come."""
    if setting.is_steps:
        yield from step_charts(snapshot)
    if setting.is_depth:
        yield from depth_charts(snapshot)
    if setting.is_breaker:
        yield from counterexample_charts(snapshot)
    if setting.is_panel:
        yield from lipschitz_charts(snapshot)


def _tiles(snapshot: StudySnapshot) -> Iterator[Tile]:
    """The pair with its data, of every F that has one; then pictures at the trained depth and at the end."""
    breaker: Counterexample | None = snapshot.experiment("breaker")
    rows: tuple[CounterexampleRow, ...] = snapshot.of("breaker")
    for contender in () if breaker is None else breaker.contenders:
        if not any(r.contender == contender.key and r.is_joined == "yes" for r in rows):
            continue
        for name, title, note in (
            ("first", "x", "solves"),
            ("second", "z", "solution too"),
            ("data", "b", "data"),
        ):
            image = _view(snapshot, "breaker", contender.key, name)
            if image is not None:
                yield Tile(f"{contender.key}-{name}", f"{title}: {contender.title}", to_bytes(image), note)
    yield from _depths(snapshot)


def _depths(snapshot: StudySnapshot) -> Iterator[Tile]:
    experiment: BeyondDepth | None = snapshot.experiment("depth")
    if experiment is None:
        return
    yield Tile("truth", "Ground truth", to_bytes(experiment.truth), "not used by any method")
    rows: tuple[DepthRow, ...] = snapshot.of("depth")
    qualities = {(row.method, row.k): row.psnr for row in rows}
    for runner in experiment.runners:
        for name, k in (("trained", TRAINED), ("end", experiment.depth)):
            image, value = _view(snapshot, "depth", runner.key, name), qualities.get((runner.key, k))
            if image is not None and value is not None:
                yield Tile(
                    f"{runner.key}-{name}", f"{runner.title}, k = {k}", to_bytes(image), decibels(value)
                )


def _view(snapshot: StudySnapshot, part: str, key: str, name: str) -> Image | None:
    """The newest picture of this name that came with a row of this key."""
    images = (v.image for v in reversed(snapshot.views) if (v.part, v.row[0], v.name) == (part, key, name))
    return next(images, None)


def _guarantees(snapshot: StudySnapshot) -> Iterator[Row]:
    """What was tested on the rows of all parts, named by the F, network or method that it is about."""
    names: dict[str, str] = {}
    breaker: Counterexample | None = snapshot.experiment("breaker")
    experiment: LipschitzEstimates | None = snapshot.experiment("panel")
    depth: BeyondDepth | None = snapshot.experiment("depth")
    names |= {c.key: c.title for c in (() if breaker is None else breaker.contenders)}
    names |= {n.key: n.title for n in (() if experiment is None else experiment.networks)}
    for part in ("steps", "breaker"):
        for guarantee in panel(snapshot.of(part)):
            yield verdict(_named(guarantee, names))
    names |= {r.key: r.title for r in (() if depth is None else depth.runners)}
    rows: tuple[DepthRow, ...] = snapshot.of("depth")
    for guarantee in panel(rows):
        yield verdict(_named(guarantee, names))
    if depth is not None:
        approximate, strict = ([r for r in rows if r.method == key] for key in ("approximate", "strict"))
        name = f"Convergence: {names['approximate']} against {names['strict']}"
        yield verdict(replace(convergence_against_strict(approximate, strict), name=name))
    yield from _margins(snapshot.of("panel"), names)


def _margins(rows: tuple[LipschitzRow, ...], names: dict[str, str]) -> Iterator[Row]:
    """The order of all numbers, and of every network the number that comes nearest to 1 − m."""
    nearest: dict[str, LipschitzRow] = {}
    for estimate in rows:
        for guarantee in estimate.guarantees:
            before = nearest.get(guarantee.key)
            if guarantee.key != "order" and (before is None or estimate.value > before.value):
                nearest[guarantee.key] = estimate
    for guarantee in panel(rows):
        if guarantee.key == "order":
            yield verdict(guarantee)
    for key, estimate in nearest.items():
        yield from (row(_named(g, names)) for g in estimate.guarantees if g.key == key)


def _named(guarantee: Guarantee, names: dict[str, str]) -> Guarantee:
    title = names.get(guarantee.key.partition(".")[2])
    if title is None:
        return guarantee
    return replace(guarantee, name=f"{title}: {guarantee.name[:1].lower()}{guarantee.name[1:]}")


def _explanation(setting: MolSetting) -> Explanation:
    parts = [
        "MOL solves for the image at which the data-fidelity term and F = Id − H balance, with a learned H. "
        "If Lip(H) ≤ 1 − m, F is m-monotone: the solution is unique, the map contracts for every "
        "α < 2/(2 − m), and the norm of the residual over m bounds the distance to the solution. That is "
        "sufficient, not necessary."
    ]
    hint = "choose the unconstrained network, and see which guarantees remain."
    if setting.is_breaker:
        parts.append(
            "Where F is not monotone between two images, some A and b have both as solutions, so that no "
            "guarantee of a unique solution for all problems is possible without monotonicity."
        )
        hint = "lower L to 1: the example becomes monotone, and its solution unique."
    parts.append(_trained(setting))
    if setting.is_depth:
        parts.append("An unrolled network is trained for its 8th iterate only.")
    return Explanation("λA*(Ax − y) + x − H(x) = 0", " ".join(parts), hint)


def _trained(setting: MolSetting) -> str:
    """What the networks were trained for, those beyond the depth too."""
    operator = Choice("parallel_mri", {"acceleration": setting.acceleration, "coils": setting.coils})
    methods = [Choice("mol", {"version": setting.version})]
    if setting.is_depth:
        methods += [Choice("modl"), Choice("admm_net")]
    scenarios = (Scenario(setting.image, 64, operator, method=method) for method in methods)
    return domain.sentences((METHODS[s.method.key].title, domain.use(s)) for s in scenarios)
