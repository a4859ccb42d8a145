"""The charts of the Robustness page, from the rows of its study; pure, no Streamlit."""

from collections.abc import Iterator, Sequence
from typing import get_args

from deqviz.core.numbers import number
from deqviz.experiments.robustness.attack import RobustnessRow
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import Axis, Chart, Role, Series, gaps
from deqviz.ui.pages.robustness.setting import Setting

_COLOURS: tuple[Role, ...] = tuple(role for role in get_args(Role) if role.startswith("start-"))
GAIN = "gain ‖Δx‖ / ‖δ‖"
_INVERSE = {"m/λ": "λ/m", "αc": "1/(αc)", "α": "1/α"}
UNSETTLED = 5e-6
"""A residual above this is told: single precision gets to a tenth of it."""


def charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """All cards in their order; each of them is there from the start and fills as rows come."""
    rows = {key: tuple(r for r in snapshot.of("rows") if r.method == key) for key in setting.methods}
    axis = size_axis(setting)
    yield _compared(setting, rows, axis)
    yield _quality(setting, rows, axis)
    for key in setting.methods:
        trained = setting.use(key)
        outside = f" {trained.sentence}" if trained is not None and trained.is_outside else ""
        yield _one(setting, key, rows[key], axis, outside)


def size_axis(setting: Setting) -> Axis:
    """The whole range from the start, so that the axis stands still while rows arrive."""
    sizes = setting.sizes
    return Axis(
        "relative perturbation size ε = ‖δ‖/‖y‖", log=True, low=sizes[0] / 1.25, high=sizes[-1] * 1.25
    )


def _compared(setting: Setting, rows: dict[str, tuple[RobustnessRow, ...]], axis: Axis) -> Chart:
    """The largest gain of each method, with what is proved of it."""
    lines: list[Series] = []
    for key, colour in zip(setting.methods, _COLOURS, strict=False):
        own = rows[key]
        lines.append(Series(setting.title(key), _x(own), [r.attack for r in own], colour))
        if own and own[0].bound is not None and own[0].status == "certified":
            lines.append(Series("", _ends(axis), [own[0].bound] * 2, colour, "dashed"))
    sentence = "Largest gain ‖Δx‖/‖δ‖ found per perturbation size: a lower bound of the Lipschitz constant."
    largest = [_largest(own) for own in rows.values() if own]
    if len(largest) > 1:
        most, least = max(largest, key=lambda r: r.attack), min(largest, key=lambda r: r.attack)
        sentence = (
            f"Largest gain found: {setting.title(most.method)}, {number(most.attack)}; smallest: "
            f"{setting.title(least.method)}, {number(least.attack)}, each over all sizes ε."
        )
    return Chart(
        "compared",
        "Largest gain found (adversarial)",
        axis,
        Axis(GAIN, log=True),
        tuple(lines),
        note="dashed: certified bound",
        formula="max ‖x(y + δ) − x(y)‖ / ‖δ‖, lower bound",
        sentence=sentence,
    )


def _quality(setting: Setting, rows: dict[str, tuple[RobustnessRow, ...]], axis: Axis) -> Chart:
    lines: list[Series] = []
    clean: list[str] = []
    for key, colour in zip(setting.methods, _COLOURS, strict=False):
        own = rows[key]
        lines.append(Series(setting.title(key), _x(own), gaps(r.psnr_attack for r in own), colour))
        if own:
            lines.append(Series("", _x(own), gaps(r.psnr_random for r in own), colour, "dotted"))
            if own[0].psnr_clean is not None:
                clean.append(f"{setting.title(key)} {own[0].psnr_clean:.1f}")
    sentence = (
        f"PSNR (dB) on clean data: {', '.join(clean)}."
        if clean
        else "PSNR of the reconstructions from perturbed data."
    )
    return Chart(
        "psnr",
        "PSNR under attack",
        axis,
        Axis("PSNR (dB)"),
        tuple(lines),
        note="dotted: random perturbation",
        formula="of x(y + δ) against the ground truth",
        sentence=sentence,
    )


def _one(setting: Setting, key: str, rows: Sequence[RobustnessRow], axis: Axis, outside: str) -> Chart:
    """One method: attack, draws and local gain below what is proved."""
    x = _x(rows)
    lines: list[Series] = []
    first = rows[0] if rows else None
    if first is not None and first.bound is not None:
        name = "certified" if first.status == "certified" else "estimated"
        lines.append(Series(name, _ends(axis), [first.bound] * 2, "predicted", "dashed"))
    if first is not None and first.paper is not None:
        name = _INVERSE[setting.modulus(key)]
        lines.append(Series(name, _ends(axis), [first.paper] * 2, "predicted", "dotted"))
    lines.append(Series("largest gain found", x, [r.attack for r in rows], "error"))
    if first is not None and first.local is not None:
        lines.append(Series("local Lipschitz constant", _ends(axis), [first.local] * 2, "truth", "dotted"))
    lines.append(Series("random perturbation", x, [r.random for r in rows], "measured"))
    return Chart(
        f"gain-{key}",
        setting.title(key),
        axis,
        Axis(GAIN, log=True),
        tuple(lines),
        note=_note(first),
        formula=first.statement if first is not None and first.bound is not None else "",
        sentence=_caption(rows) + outside,
    )


def _note(row: RobustnessRow | None) -> str:
    if row is None:
        return ""
    if row.bound is None:
        return "no bound"
    return f"{row.status} {number(row.bound)}"


def _caption(rows: Sequence[RobustnessRow]) -> str:
    if not rows:
        return "Computed in turn with the other methods."
    most = _largest(rows)
    methods = {
        "implicit": "through the equilibrium",
        "through all steps": "through all iterations",
        "none": "by random search only (no derivative), hence weak",
    }
    text = (
        f"Ascent {methods[most.derivative]} finds the gain {number(most.attack)}, random perturbations "
        f"{number(max(r.random for r in rows))}."
    )
    if (worst := max(r.residual for r in rows)) > UNSETTLED:
        text += f" Its reconstructions have a residual of up to {number(worst)}."
    if most.bound is not None and most.status == "certified":
        text += f" That is {100 * most.attack / most.bound:.0f} % of the bound."
    elif most.bound is None:
        text += f" No certified bound: {most.reason}."
    else:
        text += f" The bound is estimated: {most.reason}."
    return text


def _largest(rows: Sequence[RobustnessRow]) -> RobustnessRow:
    """The row of the largest gain of a method, over all sizes: what every caption speaks of."""
    return max(rows, key=lambda r: r.attack)


def _x(rows: Sequence[RobustnessRow]) -> list[float]:
    return [row.level for row in rows]


def _ends(axis: Axis) -> list[float]:
    assert axis.low is not None
    assert axis.high is not None
    return [axis.low, axis.high]
