"""The charts and pictures of a network that is fitted to one picture; pure, no Streamlit."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from deqviz.experiments.deep_prior.image_prior import TARGETS, Hump, HumpRow, Impedance, ImpedanceRow
from deqviz.runtime.logbook import to_bytes
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import Axis, Chart, Picture, Role, Series, Tile
from deqviz.ui.components.text import pretty
from deqviz.ui.pages.deep_prior.plan import hump
from deqviz.ui.pages.deep_prior.setting import Setting

FALL = 12.0
"""Decibels below the best that are shown: the first pictures of a network would flatten the rest."""
_TARGETS: Mapping[str, Role] = dict(zip(TARGETS, ("iterate", "start-3", "measured", "error"), strict=True))


def picture_charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """The hump, what the two rules look at, and the impedance."""
    rows: tuple[HumpRow, ...] = snapshot.of("hump")
    yield _hump(setting, rows)
    yield _variance(setting, rows)
    yield _misfit(setting, rows)
    if setting.is_impedance:
        yield _impedance(setting, snapshot.of("impedance"))


def _marks(rows: Sequence[HumpRow]) -> Iterator[tuple[str, int, float, Role]]:
    """What each rule keeps, where, and the best by the truth."""
    if not rows:
        return
    known, last = {row.k: row for row in rows}, rows[-1]
    if last.stopped is not None and last.kept is not None:
        yield "variance rule", last.kept, last.kept_psnr, "start-3"
    if last.discrepancy is not None:
        yield "discrepancy principle", last.discrepancy, known[last.discrepancy].psnr, "measured"
    yield "oracle (uses the ground truth)", last.oracle, known[last.oracle].psnr, "error"


def _hump(setting: Setting, rows: Sequence[HumpRow]) -> Chart:
    x = [row.k for row in rows]
    top = max((max(row.psnr, row.average_psnr) for row in rows), default=30.0)
    drawn = [
        Series("network", x, [row.psnr for row in rows], "iterate", "line"),
        Series("running average", x, [row.average_psnr for row in rows], "predicted", "dashed"),
    ]
    drawn += [Series(name, [k], [psnr], role, "points") for name, k, psnr, role in _marks(rows)]
    return Chart(
        "hump",
        "PSNR against iteration (semiconvergence)",
        Axis("iteration", low=0.0, high=float(setting.iterations)),
        Axis("PSNR (dB)", low=top - FALL, high=top + 0.6),
        tuple(drawn),
        note=f"σ = {pretty(setting.sigma)}, not covered by the theorem",
        formula="min ½‖A g(u, θ) − y‖² over θ, random initialisation",
        sentence=_told(rows),
    )


def _told(rows: Sequence[HumpRow]) -> str:
    if len(rows) < 2:
        return "The image is fitted before the noise: early stopping is needed."
    known, last = {row.k: row for row in rows}, rows[-1]
    best = known[last.oracle].psnr
    told = [f"oracle {best:.1f} dB at iteration {last.oracle}"]
    if last.stopped is not None and last.kept is not None:
        lost = _signed(last.kept_psnr - best)
        told.append(f"the variance rule stops at {last.stopped} and keeps {last.kept}: {lost} dB")
    if last.discrepancy is not None:
        lost = _signed(known[last.discrepancy].psnr - best)
        told.append(f"the discrepancy principle stops at {last.discrepancy}: {lost} dB")
    told.append(f"iterate {last.k}: {last.psnr:.1f} dB")
    text = "; ".join(told)
    return f"{text[:1].upper()}{text[1:]}."


def _signed(value: float) -> str:
    return "±0.0" if abs(value) < 0.05 else f"{value:+.1f}".replace("-", "−")


def _variance(setting: Setting, rows: Sequence[HumpRow]) -> Chart:
    own = [(row.k, row.variance) for row in rows if row.variance is not None]
    drawn = [
        Series(f"last {setting.window} iterates", [k for k, _ in own], [v for _, v in own], "iterate", "line")
    ]
    last = rows[-1] if rows else None
    known = dict(own)
    if last is not None and last.stopped is not None and last.kept in known:
        drawn.append(Series("kept", [last.kept], [known[last.kept]], "start-3", "points"))
        ends = (min(known.values()), max(known.values()))
        drawn.append(Series("stops", [last.stopped] * 2, ends, "truth", "dotted"))
    return Chart(
        "variance",
        "Stopping rule 1: smallest variance",
        Axis("iteration", low=0.0, high=float(setting.iterations)),
        Axis("variance over the window", log=True),
        tuple(drawn),
        note=f"W = {setting.window}, P = {setting.patience}",
        formula="VAR = mean ‖x_{i} − x̄‖² over the last W iterates",
        sentence="The mean of the window with the smallest variance is kept; the rule stops after "
        "P iterations without a smaller one. It uses neither σ nor the ground truth.",
    )


def _misfit(setting: Setting, rows: Sequence[HumpRow]) -> Chart:
    last = rows[-1] if rows else None
    known = {row.k: row.misfit for row in rows}
    drawn = [Series("‖Ax − y‖/√m", list(known), list(known.values()), "iterate", "line")]
    drawn.append(Series("noise std σ", [0, setting.iterations], [setting.sigma] * 2, "predicted", "dashed"))
    if last is not None and last.discrepancy is not None:
        at = last.discrepancy
        drawn.append(Series("stops", [at], [known[at]], "measured", "points"))
    return Chart(
        "misfit",
        "Stopping rule 2: discrepancy principle",
        Axis("iteration", low=0.0, high=float(setting.iterations)),
        Axis("residual ‖Ax − y‖/√m", log=True),
        tuple(drawn),
        note="needs σ",
        formula="stop where ‖Ax − y‖/√m ≤ σ",
        sentence="Below σ the network fits the noise. The rule needs σ.",
    )


def _impedance(setting: Setting, rows: Sequence[ImpedanceRow]) -> Chart:
    drawn: list[Series] = []
    told: list[str] = []
    for name, role in _TARGETS.items():
        mine = [row for row in rows if row.target == name]
        drawn.append(Series(name, [row.k for row in mine], [row.loss for row in mine], role, "line"))
        half = next((row.k for row in mine if row.loss <= 0.1), None)
        if half is not None:
            told.append(f"{name} {half}")
    return Chart(
        "impedance",
        "Spectral bias: loss by target",
        Axis("iteration", low=0.0, high=float(setting.iterations)),
        Axis("relative loss", log=True),
        tuple(drawn),
        note="one network, four targets",
        formula="‖x_{k} − t‖²/‖t − mean‖²",
        sentence=f"Iterations to a loss of 0.1: {', '.join(told)}."
        if told
        else "The wide two-layer network of the theorem would fit all four alike: its kernel is isotropic.",
    )


@lru_cache(maxsize=16)
def _data(setting: Setting) -> Picture:
    """The data as a picture; made once, for the board is drawn many times."""
    problem = hump(setting).problem
    return to_bytes(problem.operator.baseline(problem.data))


def picture_tiles(setting: Setting, snapshot: StudySnapshot) -> Iterator[Tile]:
    """Truth and data, the network's picture now, what each rule kept, the best by the truth, two targets."""
    asked: Hump | None = snapshot.experiment("hump")
    if asked is None:
        return
    yield Tile("truth", "Ground truth", to_bytes(asked.picture), "not used by the network")
    yield Tile("data", "Measurements", _data(setting), "fitted by the network")
    rows: tuple[HumpRow, ...] = snapshot.of("hump")
    known = {row.k: row for row in rows}
    seen = [view for view in snapshot.views if view.part == "hump"]
    newest = {view.name: view for view in seen}
    if "current" in newest:
        k = int(newest["current"].row[0])
        note = f"{known[k].psnr:.2f} dB" if k in known else ""
        yield Tile("current", f"Network, iteration {k}", to_bytes(newest["current"].image), note)
        note = f"{known[k].average_psnr:.2f} dB" if k in known else ""
        yield Tile("average", "Running average", to_bytes(newest["average"].image), note)
    for name, title in (
        ("kept", "Variance rule"),
        ("discrepancy", "Discrepancy"),
        ("oracle", "Oracle"),
    ):
        k = None if name not in newest else _picked(name, known.get(int(newest[name].row[0])))
        if k in known:
            value = rows[-1].kept_psnr if name == "kept" else known[k].psnr
            note = f"{value:.2f} dB"
            yield Tile(name, f"{title}, {k}", to_bytes(newest[name].image), note)
    yield from _targets(snapshot)


def _picked(name: str, row: HumpRow | None) -> int | None:
    """The iteration of a picture that came with this row; None while its rule may still change it."""
    if row is None or (name == "kept" and row.stopped is None):
        return None
    return {"kept": row.kept, "discrepancy": row.discrepancy, "oracle": row.oracle}[name]


def _targets(snapshot: StudySnapshot) -> Iterator[Tile]:
    asked: Impedance | None = snapshot.experiment("impedance")
    if asked is None:
        return
    for view in snapshot.views:
        if view.part == "impedance" and view.row[1] in TARGETS[2:]:
            name = str(view.row[1])
            yield Tile(f"target-{name}", f"Target: {name}", to_bytes(view.image))
