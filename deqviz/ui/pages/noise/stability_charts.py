"""The two charts of stability on the Noise page, from the rows of its study; pure, no Streamlit."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from deqviz.experiments._rows import Fit, fit
from deqviz.experiments.equilibrium.stability import StabilityRow
from deqviz.ui.components.board.records import Axis, Chart, Series
from deqviz.ui.components.run.protocol import number
from deqviz.ui.components.text import pretty

QUARTER = 0.25
"""What αD/‖Δy‖² cannot exceed, for any R."""

Form = Literal["σ", "c", "none"]
"""What the bound of the picture's change comes from: c > 0 alone, σ_min(A) too, or nothing."""


def stability_charts(rows: Sequence[StabilityRow]) -> Iterator[Chart]:
    """The distance and the picture, each against α; both cards are there before the first row."""
    weight = Axis("regularisation parameter α", log=True, low=6e-7, high=1.6)
    yield _distance(rows, weight)
    yield _picture(rows, weight)


def _distance(rows: Sequence[StabilityRow], weight: Axis) -> Chart:
    most = max(rows, key=lambda row: row.ratio, default=None)
    # The axis grows with a ratio above ¼, which must be seen.
    high = 1.08 * max(QUARTER, 0.0 if most is None else most.ratio)
    if most is None:
        sentence = "Computed after the two-sided error bounds."
    else:
        kept, kind = (
            sum(row.ratio <= QUARTER for row in rows),
            "a random" if _is_random(most) else "an adversarial",
        )
        sentence = (
            f"{kept} of {len(rows)} perturbations satisfy the bound ¼; tightest ratio {number(most.ratio)} "
            f"at α = {pretty(most.weight)} in {kind} direction."
        )
    return Chart(
        "stability",
        "Stability in the Bregman distance",
        weight,
        Axis("αD/‖Δy‖²", low=min([0.0, *(1.08 * row.ratio for row in rows)]), high=high),
        (
            Series("bound ¼", [weight.low or 0.0, weight.high or 0.0], [QUARTER] * 2, "predicted", "dashed"),
            *_lines(rows, lambda row: row.ratio),
        ),
        note="" if most is None else f"max. {number(most.ratio)}",
        formula="αD/‖Δy‖² ≤ ¼,  D = ⟨R(x_{2}) − R(x_{1}), x_{2} − x_{1}⟩",
        sentence=sentence,
    )


def _picture(rows: Sequence[StabilityRow], weight: Axis) -> Chart:
    lines = list(_lines(rows, lambda row: row.gain))
    bounds = {row.weight: row.gain_bound for row in rows if row.gain_bound is not None}
    if bounds or not rows:
        lines.insert(0, Series("bound", list(bounds), list(bounds.values()), "predicted", "dashed"))
    form, found = _form(rows), fit(_worst(rows, lambda row: row.gain))
    return Chart(
        "gain",
        "Stability in the norm",
        weight,
        Axis("‖Δx‖/‖Δy‖", log=True),
        tuple(lines),
        note=_note(form, found),
        formula={
            "c": "‖Δx‖/‖Δy‖ ≤ 1/(2√(αc))",
            "σ": "‖Δx‖/‖Δy‖ ≤ σ/(σ² + αc) or 1/(2√(αc)),  σ = σ_{min}(A)",
            "none": "‖Δx‖/‖Δy‖",
        }[form],
        sentence=_sentence(rows, form, found),
    )


def _form(rows: Sequence[StabilityRow]) -> Form:
    if any(row.gain_bound is None for row in rows):
        return "none"
    plain = all(
        row.gain_bound is not None
        and row.monotonicity > 0
        and math.isclose(row.gain_bound, 1 / (2 * math.sqrt(row.weight * row.monotonicity)), rel_tol=1e-6)
        for row in rows
    )
    return "c" if plain else "σ"


def _note(form: Form, found: Fit | None) -> str:
    if found is None:
        return ""
    return f"order {_signed(found.slope)}{' · bound −½' if form == 'c' else ''}"


def _sentence(rows: Sequence[StabilityRow], form: Form, found: Fit | None) -> str:
    if not rows:
        return "Gain ‖Δx‖/‖Δy‖ of the equilibrium; it decreases with α."
    shares = [(row.gain / row.gain_bound, row) for row in rows if row.gain_bound]
    text = "No bound is proved here: neither is R known to be strongly monotone nor A to be injective."
    if shares:
        share, row = max(shares, key=lambda pair: pair[0])
        text = (
            f"Tightest ratio gain/bound {number(share)} at α = {pretty(row.weight)}, where a perturbation of "
            f"the data has the gain {number(row.gain)}."
        )
    if found is not None:
        text += f" The largest gain found grows like α^{{{_signed(found.slope)}}}"
        text += ", the bound like α^{−½}." if form == "c" else "."
    return text


def _lines(rows: Sequence[StabilityRow], value: Callable[[StabilityRow], float]) -> Iterator[Series]:
    """The largest of the worst directions, and the random ones."""
    worst = _worst(rows, value)
    yield Series("largest found (adversarial)", [a for a, _ in worst], [v for _, v in worst], "iterate")
    random = [row for row in rows if _is_random(row)]
    yield Series("random", [row.weight for row in random], [value(row) for row in random], "measured")


def _worst(rows: Sequence[StabilityRow], value: Callable[[StabilityRow], float]) -> list[tuple[float, float]]:
    """The largest value over the directions that are no random ones, for each α in its order."""
    found: dict[float, float] = {}
    for row in rows:
        if not _is_random(row):
            found[row.weight] = max(value(row), found.get(row.weight, -math.inf))
    return list(found.items())


def _is_random(row: StabilityRow) -> bool:
    return row.direction == "random"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
