"""The charts of what a deep prior recovers, and of its step and momentum; pure, no Streamlit."""

from collections.abc import Iterator, Sequence

from deqviz.experiments.deep_prior.momentum import MomentumRow, PriorMomentum
from deqviz.experiments.deep_prior.recovery import GapRow, LandweberGap, RecoveryRow
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import COLOURS, Axis, Chart, Series
from deqviz.ui.components.run.protocol import number
from deqviz.ui.pages.deep_prior.setting import Setting


def recovery_charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """The error by m/n, the way beside Landweber's, and the distance to it by width."""
    yield _split(setting, snapshot.of("split"))
    asked: LandweberGap | None = snapshot.experiment("gap")
    rows: tuple[GapRow, ...] = snapshot.of("gap")
    widths = () if asked is None else asked.widths
    yield _way(asked, widths, rows)
    yield _gap(widths, rows)


def _split(setting: Setting, rows: Sequence[RecoveryRow]) -> Chart:
    x = [row.measured / row.unknowns for row in rows]
    drawn = (
        Series("null-space part", x, [row.kernel for row in rows], "truth", "dotted"),
        Series("noise", x, [row.noise for row in rows], "measured", "dotted"),
        Series("both parts: infinite-width limit", x, [row.limit for row in rows], "predicted", "dashed"),
        Series("Landweber", x, [row.landweber for row in rows], "start-3", "line"),
        Series("network", x, [row.error for row in rows], "iterate", "points"),
    )
    width = rows[0].width if rows else 1024
    return Chart(
        "split",
        "Recovery error split",
        Axis("sampling ratio m/n", low=0.0, high=1.05 if setting.is_orthonormal else 2.1),
        Axis("‖x − x†‖/‖x†‖", low=0.0, high=_roof(rows)),
        drawn,
        note=f"n = {setting.unknowns}, k = {width:,}",
        formula="‖x(∞) − x†‖² = ‖P_{ker A}(g_{0} − x†)‖² + ‖A^{†}ε‖²",
        sentence="Wide two-layer networks are no prior: the null-space component stays at its initial value.",
    )


def _roof(rows: Sequence[RecoveryRow]) -> float:
    """A square Gaussian A has a limit of its own order, which nothing reaches in time."""
    seen = [max(row.error, row.landweber, row.kernel) for row in rows]
    return 1.15 * max(seen, default=1.0)


def _way(asked: LandweberGap | None, widths: Sequence[int], rows: Sequence[GapRow]) -> Chart:
    drawn: list[Series] = []
    for colour, k in zip(COLOURS, widths, strict=False):
        mine = [row for row in rows if row.width == k and row.number]
        x, y = [row.number for row in mine], [row.error for row in mine]
        drawn.append(Series(f"k = {k:,}", x, y, colour, "line"))
    widest = max((row.width for row in rows), default=0)
    best = [row for row in rows if row.width == widest and row.number]
    x, y = [row.number for row in best], [row.landweber for row in best]
    drawn.append(Series("Landweber", x, y, "predicted", "dashed"))
    return Chart(
        "way",
        "Landweber trajectory",
        Axis("steps", log=True),
        Axis("‖x − x†‖/‖x†‖"),
        tuple(drawn),
        note="" if asked is None else f"blur width w = {asked.deviation:g} samples, m = n",
        formula="ẋ = −C_{φ′}²A*(Ax − y) in the infinite-width limit",
        sentence=_hump(rows, widths),
    )


def _hump(rows: Sequence[GapRow], widths: Sequence[int]) -> str:
    mine = [row for row in rows if widths and row.width == widths[-1]]
    if len(mine) < 2 or mine[-1].number < 0.9 * max(row.number for row in rows):
        return "Semiconvergence: with noise the error of both first decreases, then increases again."
    best, end = min(mine, key=lambda row: row.error), mine[-1]
    if best.number > 0.8 * end.number:
        return (
            f"k = {end.width:,}: {number(end.error)} after {end.number} steps, and Landweber at "
            f"{number(end.landweber)}: no semiconvergence at this noise level yet."
        )
    return (
        f"k = {end.width:,}: {number(best.error)} at step {best.number}, {number(end.error)} after "
        f"{end.number}; Landweber ends at {number(end.landweber)}. The noise is fitted last."
    )


def _gap(widths: Sequence[int], rows: Sequence[GapRow]) -> Chart:
    found = [(k, max((row.gap for row in rows if row.width == k), default=0.0)) for k in widths]
    found = [(k, gap) for k, gap in found if gap > 0]
    drawn = [Series("max. distance", [k for k, _ in found], [gap for _, gap in found], "iterate")]
    if found:
        k, gap = found[0]
        line = [gap * (k / v) ** 0.5 for v, _ in found]
        drawn.append(Series("slope −½", [v for v, _ in found], line, "predicted", "dashed"))
    told = ", ".join(f"{number(gap)} at k = {k:,}" for k, gap in found)
    return Chart(
        "gap",
        "Distance to the Landweber trajectory",
        Axis("width k", log=True),
        Axis("max_{t} ‖x(t) − x_{L}(t)‖/‖x†‖", log=True),
        tuple(drawn),
        note="mean of 4 draws",
        formula="JJ* → C_{φ′}² Id as k → ∞",
        sentence=f"{told}." if told else "The network converges to the Landweber iteration as k → ∞.",
    )


def momentum_charts(snapshot: StudySnapshot) -> Iterator[Chart]:
    """The residual of every way against its steps."""
    asked: PriorMomentum | None = snapshot.experiment("momentum")
    rows: tuple[MomentumRow, ...] = snapshot.of("momentum")
    names = () if asked is None else tuple(way.name for way in asked.ways)
    drawn: list[Series] = []
    for colour, name in zip(COLOURS, names, strict=False):
        mine = [row for row in rows if row.way == name]
        drawn.append(Series(name, [r.number for r in mine], [r.residual for r in mine], colour, "line"))
    if rows and asked is not None:
        ends = [1, max(row.number for row in rows)]
        drawn.append(Series("", ends, [asked.tolerance] * 2, "truth", "dotted"))
    note = "" if asked is None else f"m = {asked.measured}, n = 20, k = {asked.width}"
    yield Chart(
        "momentum",
        "Step size and momentum",
        Axis("steps", log=True),
        Axis("‖r‖/‖r_{0}‖, median", log=True),
        tuple(drawn),
        note=f"{note}, κ = {number(rows[0].condition)}" if rows else note,
        formula="κ(K_{0}) steps by descent, √κ by momentum",
        sentence=_needed(rows, names),
    )
    yield _peaks(rows, names)


def _needed(rows: Sequence[MomentumRow], names: Sequence[str]) -> str:
    known = {row.way: row.needed for row in rows if row.needed is not None}
    told = "; ".join(f"{name} {known[name]}" for name in names if name in known)
    return f"Steps to 10⁻⁴, median: {told}." if told else "The same draws for every optimiser."


def _peaks(rows: Sequence[MomentumRow], names: Sequence[str]) -> Chart:
    """The early steps of the worst draw: what rises before it falls."""
    drawn: list[Series] = []
    told: list[str] = []
    for colour, name in zip(COLOURS, names, strict=False):
        mine = [row for row in rows if row.way == name]
        early = [row for row in mine if row.number <= 40]
        drawn.append(Series(name, [r.number for r in early], [r.most for r in early], colour, "line"))
        peak = max((row.most for row in mine), default=0.0)
        if peak > 1.001:
            told.append(f"{name} {number(peak)}")
    return Chart(
        "peaks",
        "Largest residual (catapult)",
        Axis("steps", low=0.0, high=40.0),
        Axis("‖r‖/‖r_{0}‖, largest", log=True),
        tuple(drawn),
        note="worst of all draws",
        formula="‖r_{τ + 1}‖ ≤ ‖r_{τ}‖ is certified for γ ≤ 1/ℓ only",
        sentence=f"Largest ‖r‖/‖r_{{0}}‖: {'; '.join(told)}."
        if told
        else "No residual exceeds its initial value.",
    )
