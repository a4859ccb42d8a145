"""From a study of the Robustness page to its board; pure, no Streamlit."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from deqviz import domain
from deqviz.core.numbers import decibels, number
from deqviz.core.space import Image, magnitude
from deqviz.experiments._rows import panel
from deqviz.experiments.robustness.attack import RobustnessRow
from deqviz.experiments.robustness.comparison import robustness_against_strict
from deqviz.runtime.logbook import to_bytes
from deqviz.runtime.study import RowImage, Study, StudySnapshot
from deqviz.ui.components.board.records import Board, Explanation, Row, Tile
from deqviz.ui.components.guarantees import verdict
from deqviz.ui.pages.robustness.charts import charts
from deqviz.ui.pages.robustness.setting import APPROXIMATE, STRICT, Setting
from deqviz.ui.shell.study_board import study_board

GAIN = 5
"""By which a difference is multiplied to be seen."""


def board(study: Study, setting: Setting) -> Board:
    """The study as it is now."""
    snapshot = study.snapshot()
    return study_board(
        study,
        snapshot,
        preparing="computing the operator norm and the constants",
        doing=_doing(setting, snapshot),
        charts=charts(setting, snapshot),
        tiles=_tiles(setting, snapshot),
        guarantees=_guarantees(setting, snapshot),
        explanation=_explanation(setting, snapshot),
    )


def _doing(setting: Setting, snapshot: StudySnapshot) -> str:
    """Whose turn it is, for rows that take long."""
    if snapshot.state != "running" or snapshot.done == snapshot.total:
        return ""
    return setting.title(setting.methods[snapshot.done % len(setting.methods)])


def _tiles(setting: Setting, snapshot: StudySnapshot) -> Iterator[Tile]:
    """Of each method what was done to it, at the size that is asked for, or the newest before that comes."""
    rows: dict[tuple[str, float], RobustnessRow] = {(r.method, r.level): r for r in snapshot.of("rows")}
    for key in setting.methods:
        views = _seen(setting, snapshot, key)
        if len(views) < 4:
            continue
        level = float(next(iter(views.values())).row[1])
        result, name = rows[key, level], setting.short(key)
        clean, damaged, random = (views[view].image for view in ("clean", "damaged", "random"))
        share, change = f"{100 * level:.2g} % ‖y‖", _scaled(views["perturbation"].image)
        yield Tile(f"{key}.clean", f"{name}: clean", to_bytes(clean), _decibels(result.psnr_clean))
        yield Tile(f"{key}.random", f"{name}: random", to_bytes(random), _decibels(result.psnr_random))
        yield Tile(f"{key}.change", f"{name}: A*δ", to_bytes(change), share)
        yield Tile(f"{key}.damaged", f"{name}: attacked", to_bytes(damaged), _decibels(result.psnr_attack))
        change_image = magnitude(damaged - clean) if damaged.shape[1] == 2 else (damaged - clean).abs()
        note = f"gain {number(result.attack)}"
        yield Tile(f"{key}.damage", f"{name}: |Δx| × {GAIN}", to_bytes(GAIN * change_image), note)


def _seen(setting: Setting, snapshot: StudySnapshot, key: str) -> dict[str, RowImage]:
    """The pictures of one row of a method."""
    views = [v for v in snapshot.views if v.row[0] == key]
    own_views = [v for v in views if v.row[1] == setting.shown_size]
    row = own_views[-1].row if own_views else views[-1].row if views else None
    return {v.name: v for v in views if v.row == row}


def _scaled(change: Image) -> Image:
    size = magnitude(change) if change.shape[1] == 2 else change.abs()
    return size / size.max().clamp_min(1e-12)


def _decibels(value: float | None) -> str:
    return "" if value is None else decibels(value, 1)


def _guarantees(setting: Setting, snapshot: StudySnapshot) -> Iterator[Row]:
    """The bound of each method; what is asked of all of them together in one line each."""
    rows: Sequence[RobustnessRow] = snapshot.of("rows")
    for key in setting.methods:
        own = [row for row in rows if row.method == key]
        for guarantee in panel(own):
            if guarantee.key == "bound":
                yield verdict(replace(guarantee, name=setting.title(key)))
    for key in ("local", "back", "seen"):
        speaking = [r for r in rows if any(g.key == key and g.claim == "certified" for g in r.guarantees)]
        for guarantee in panel(speaking):
            if guarantee.key == key:
                keys = tuple(dict.fromkeys(r.method for r in speaking))
                names = ", ".join(setting.title(k) for k in keys)
                if key == "back":
                    # In the letters of each method: a Tikhonov has no λ and no m.
                    letters = ", ".join(f"{setting.modulus(k)} of {setting.title(k)}" for k in keys)
                    yield verdict(replace(guarantee, statement="‖Δx‖ ≤ ‖A*δ‖/s", reason=f"s is {letters}"))
                else:
                    yield verdict(replace(guarantee, reason=f"of {names}"))
    for guarantee in panel(rows):
        if guarantee.key == "order":
            yield verdict(guarantee)
    approximate = [row for row in rows if row.method == APPROXIMATE]
    for key in setting.methods if APPROXIMATE in setting.methods else ():
        if key in STRICT:
            strict = [row for row in rows if row.method == key]
            name = f"Robustness: {setting.title(APPROXIMATE)} against {setting.title(key)}"
            yield verdict(replace(robustness_against_strict(approximate, strict), name=name))


def _explanation(setting: Setting, snapshot: StudySnapshot) -> Explanation:
    rows: Sequence[RobustnessRow] = snapshot.of("rows")
    spent = sum(row.evaluations for row in rows)
    budget = setting.budget
    parts = [
        "The data are perturbed by δ on measured entries, with ‖δ‖ fixed, and projected gradient ascent "
        "maximises ‖Δx‖: through an equilibrium by implicit differentiation, through an unrolled network by "
        "backpropagation. The largest gain found is a lower bound of the Lipschitz constant.",
        f"Budget for each size and method: {budget.restarts} restarts, {budget.steps} ascent steps, "
        f"{budget.draws} random perturbations; {spent} evaluations so far, each on all restarts at once.",
    ]
    has_mol = any(setting.modulus(key) == "m/λ" for key in setting.methods)
    if has_mol:
        parts.append(
            "Where F is monotone with m, λA*(Ax − y) + F(x) = 0 gives m‖Δx‖² + λ‖AΔx‖² ≤ λ⟨AΔx, δ⟩, so that "
            "‖Δx‖ ≤ ½√(λ/m) ‖δ‖, and through ‖A*δ‖ only ‖Δx‖ ≤ (λ/m) ‖δ‖. The first bound is sharp, attained "
            "by H = (1 − m)Id."
        )
    parts.append(domain.sentences((setting.title(key), setting.use(key)) for key in setting.methods))
    estimated = [r for r in rows if r.status == "estimated"]
    if estimated:
        parts.append("An estimated bound takes m from one image, and may be exceeded.")
    return Explanation(
        "max ‖x(y + δ) − x(y)‖ over ‖δ‖ = ε‖y‖",
        " ".join(parts),
        "compare MOL with m = 0.02 and m = 0.3: a better bound costs PSNR on clean data."
        if has_mol
        else "add a method: of which is the largest gain found near its certified bound?",
    )
