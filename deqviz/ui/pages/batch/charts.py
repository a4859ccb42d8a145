"""The charts and the table of means of the Batch page, from rows alone; pure, no Streamlit."""

import html
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from deqviz.core.numbers import pretty
from deqviz.sweep.row import Measured
from deqviz.sweep.summary import Group, Mean, groups, mean, mean_text
from deqviz.ui.components.board.records import Axis, Chart, Role, Series

# The second has the colour of the data, which are drawn too: it comes last.
ROLES: tuple[Role, ...] = ("start-1", "start-3", "start-4", "start-5", "start-6", "start-2")
WIDE = 20.0
"""Noise levels further apart than this ratio have a logarithmic axis; below it has a single label."""


@dataclass(frozen=True)
class Line:
    """One method on one degradation with one kind of noise, its groups from little noise to much."""

    name: str
    role: Role
    groups: tuple[Group, ...]


def lines(rows: Sequence[Measured], operator: str) -> tuple[Line, ...]:
    """The methods in the order in which they came, the six best of them where there are more."""
    own_rows = [row for row in rows if row.operator == operator]
    kinds = {_kind(row.noise) for row in own_rows}
    by_name: dict[str, list[Group]] = {}
    for group in groups(own_rows):
        name = group.method if len(kinds) == 1 else f"{group.method}, {_kind(group.noise)}"
        by_name.setdefault(name, []).append(group)
    kept = list(by_name)
    if len(kept) > len(ROLES):
        best = sorted(kept, key=lambda name: _overall(by_name[name]), reverse=True)[: len(ROLES)]
        kept = [name for name in kept if name in best]
    return tuple(
        Line(
            name,
            role,
            tuple(sorted(by_name[name], key=lambda g: g.level if g.level is not None else math.inf)),
        )
        for name, role in zip(kept, ROLES, strict=False)
    )


def hidden(rows: Sequence[Measured], operator: str) -> int:
    """How many methods of this degradation are not drawn."""
    own_rows = [row for row in rows if row.operator == operator]
    return max(0, len({(row.method, _kind(row.noise)) for row in own_rows}) - len(ROLES))


def _kind(noise: str) -> str:
    return noise.split(" (")[0]


def _overall(line_groups: Sequence[Group]) -> float:
    values = [m.value for g in line_groups if (m := g.mean(lambda row: row.psnr)) is not None]
    return sum(values) / len(values) if values else -math.inf


def charts(drawn: Sequence[Line]) -> Iterator[Chart]:
    """Quality, gain over the data, similarity, time and iterations against the noise."""
    levels = [g.level for line in drawn for g in line.groups if g.level is not None]
    axis = Axis("noise std σ", log=_is_wide(levels))
    whisker = "mean ± standard deviation"
    yield Chart(
        "psnr",
        "PSNR against noise",
        axis,
        Axis("PSNR (dB)"),
        (*_drawn(drawn, lambda row: row.psnr), *_data(drawn)),
        note=whisker,
        formula="over images and seeds",
        sentence=_best(drawn),
    )
    yield Chart(
        "gain",
        "PSNR gain over direct inversion",
        axis,
        Axis("PSNR gain (dB)"),
        tuple(_drawn(drawn, lambda row: row.gain)),
        note=whisker,
        formula="PSNR(x) − PSNR(direct inversion), cell by cell",
        sentence="Each cell is compared with the direct inversion of its own measurements.",
    )
    yield Chart(
        "ssim",
        "SSIM against noise",
        axis,
        Axis("SSIM", high=1),
        tuple(_drawn(drawn, lambda row: row.ssim)),
        note=whisker,
        formula="window 7 × 7",
    )
    yield Chart(
        "seconds",
        "Computing time",
        axis,
        Axis("time per image (s)", log=True),
        tuple(_drawn(drawn, lambda row: row.seconds or None, is_plain=True)),
        note="mean",
        formula="iterations only, without preparation",
        sentence="Wall-clock time of the run: other work on the machine is included.",
    )
    yield Chart(
        "iterations",
        "Iterations",
        axis,
        Axis("iterations", log=True),
        tuple(_drawn(drawn, lambda row: row.iterations or None, is_plain=True)),
        note="mean",
        sentence=_unfinished(drawn),
    )


def _drawn(
    drawn: Sequence[Line], value: Callable[[Measured], float | None], *, is_plain: bool = False
) -> Iterator[Series]:
    """The means, and through each of them a whisker as long as the spread in both directions."""
    aside = _aside(drawn)
    for n, line in enumerate(drawn):
        at = [(g.level, g.mean(value)) for g in line.groups if g.level is not None]
        points = [(x, m) for x, m in at if m is not None]
        yield Series(line.name, [x for x, _ in points], [m.value for _, m in points], line.role)
        if not is_plain:
            yield from _whiskers(line.role, points, (n - (len(drawn) - 1) / 2) * aside)


def _aside(drawn: Sequence[Line]) -> float:
    """How far whiskers stand beside each other: in front of each other only the last would be seen."""
    levels = [g.level for line in drawn for g in line.groups if g.level is not None]
    return 0.008 * (max(levels) - min(levels)) if levels and not _is_wide(levels) else 0.0


def _is_wide(levels: Sequence[float]) -> bool:
    return bool(levels) and 0 < WIDE * min(levels) < max(levels)


def _whiskers(role: Role, points: Sequence[tuple[float, Mean]], aside: float) -> Iterator[Series]:
    xs: list[float] = []
    ys: list[float] = []
    for at, m in points:
        if m.spread is not None:
            x = at + aside
            xs += [x, x, math.nan]
            ys += [m.value - m.spread, m.value + m.spread, math.nan]
    if xs:
        yield Series("", xs, ys, role, "line")


def _data(drawn: Sequence[Line]) -> Iterator[Series]:
    """What the data look like before any method: the same for all of them."""
    by_level: dict[float, list[Measured]] = {}
    for group in (g for line in drawn for g in line.groups):
        if group.level is not None:
            by_level.setdefault(group.level, []).extend(group.rows)
    xs = sorted(by_level)
    ys: list[float] = []
    for x in xs:
        qualities = {(row.picture, row.noise, row.seed): row.data_psnr for row in by_level[x]}
        values = [v for v in qualities.values() if v is not None]
        ys.append(sum(values) / len(values) if values else math.nan)
    if xs:
        yield Series("direct inversion", xs, ys, "measured", "dashed")


def _best(drawn: Sequence[Line]) -> str:
    """Who is ahead at the least and at the most noise, by how much, and in how many cells."""
    levels = sorted({g.level for line in drawn for g in line.groups if g.level is not None})
    parts = (
        [text for level in dict.fromkeys((levels[0], levels[-1])) if (text := _ahead(drawn, level))]
        if levels
        else []
    )
    return " ".join(parts) or "One point is the mean over all images and seeds at one noise level."


def _ahead(drawn: Sequence[Line], level: float) -> str:
    """The two best at one noise, compared on the cells that both have: same picture, same data."""
    pairs = [(line.name, g) for line in drawn for g in line.groups if g.level == level]
    ranked = sorted(
        ((m.value, name, g) for name, g in pairs if (m := g.mean(lambda row: row.psnr)) is not None),
        key=lambda entry: -entry[0],
    )
    if len(ranked) < 2:
        return ""
    (_, first, a), (_, second, b) = ranked[:2]
    ahead = _differences(a, b)
    if (lead := mean(ahead)) is None:
        return ""
    if lead.value < 0:  # the means were over other cells than those that both have
        first, second, ahead = second, first, _differences(b, a)
        lead = replace(lead, value=-lead.value)
    wins = sum(d > 0 for d in ahead)
    cells = (
        f"in {wins} of {lead.count} cells" if lead.count > 1 else "in one cell, of which no spread is known"
    )
    return (
        f"At {pretty(level)}: {first} is {mean_text(lead, 2)} dB ahead of {second}, "
        f"{cells}{'' if lead.spread is None or _is_clear(lead) else ': within the spread'}."
    )


def _differences(a: Group, b: Group) -> list[float]:
    """PSNR of a less that of b, image by image and seed by seed: their own spread is shared and cancels."""
    other = {(row.picture, row.noise, row.seed): row.psnr for row in b.counted}
    pairs = ((row.psnr, other.get((row.picture, row.noise, row.seed))) for row in a.counted)
    return [ours - theirs for ours, theirs in pairs if ours is not None and theirs is not None]


def _is_clear(lead: Mean) -> bool:
    """Whether a mean difference is more than its spread; of one pair no spread is known."""
    return lead.spread is not None and lead.value > lead.spread


def _unfinished(drawn: Sequence[Line]) -> str:
    rows = [row for line in drawn for g in line.groups for row in g.rows]
    parts = [
        f"{sum(row.state == state for row in rows)} {word}"
        for state, word in (
            ("arrived", "converged to the tolerance"),
            ("ended", "of direct methods"),
            ("limit", "not converged (max. iterations)"),
            ("diverged", "diverged"),
            ("refused", "rejected"),
            ("failed", "failed"),
        )
        if any(row.state == state for row in rows)
    ]
    if not parts:
        return ""
    reasons = (
        ": the reasons are in the CSV" if any(row.state not in ("arrived", "ended") for row in rows) else ""
    )
    return f"Of {len(rows)} finished cells {', '.join(parts)}{reasons}."


def means(drawn: Sequence[Line]) -> str:
    """The means of the PSNR as an HTML table, methods down, noise across, the best of a column marked."""
    levels = sorted({g.level for line in drawn for g in line.groups if g.level is not None})
    table = {
        (line.name, g.level): m
        for line in drawn
        for g in line.groups
        if g.level is not None and (m := g.mean(lambda row: row.psnr)) is not None
    }
    best = {x: _winner(drawn, x) for x in levels}
    head = "".join(f'<th scope="col">σ = {pretty(x)}</th>' for x in levels)
    body = "".join(
        f'<tr><th scope="row">{html.escape(line.name)}</th>'
        + "".join(_cell(table.get((line.name, x)), is_best=line.name == best[x]) for x in levels)
        + "</tr>"
        for line in drawn
    )
    return f'<table><thead><tr><th scope="col">Method</th>{head}</tr></thead><tbody>{body}</tbody></table>'


def _winner(drawn: Sequence[Line], level: float) -> str | None:
    """The method that leads every other by more than the spread, once all have the same finished cells."""
    at = {line.name: group for line in drawn for group in line.groups if group.level == level}
    cells = {frozenset((row.picture, row.noise, row.seed) for row in group.rows) for group in at.values()}
    if len(at) < max(2, len(drawn)) or len(cells) > 1:
        return None
    for name, group in at.items():
        leads = [mean(_differences(group, other)) for key, other in at.items() if key != name]
        if all(lead is not None and _is_clear(lead) for lead in leads):
            return name
    return None


def _cell(m: Mean | None, *, is_best: bool) -> str:
    if m is None:
        return "<td>–</td>"
    text = mean_text(m, 2)
    # Bold and a mark with a name: never a colour alone.
    return (
        f'<td class="best"><b>{text}</b> <span title="best by more than the spread">★</span></td>'
        if is_best
        else f"<td>{text}</td>"
    )
