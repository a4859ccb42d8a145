"""Write the measured tables of docs/benchmarks.md from benchmarks/results/*.json.

python benchmarks/tables.py          writes them
python benchmarks/tables.py --check  says whether the page is what the results say
"""

import json
import re
import sys
from pathlib import Path

from deqviz.core.numbers import power_of_ten

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "benchmarks" / "results"
LONG = 60
"""Rows of a result beyond which its table shows only those that were to meet a target."""


def table(name: str) -> str:
    """When and where a result was measured, and its rows as Markdown tables."""
    result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    rows = result["rows"]
    special = {"mri": by_method, "unrolled": by_network, "dip": by_activation, "attack": by_group}.get(name)
    parts = [provenance(result)]
    if special is not None:
        parts.append(special(rows))
    if name == "attack":
        rows = [row for row in rows if ": " not in row["name"]]
    elif special is not None or len(rows) > LONG:
        rows = [row for row in rows if row.get("target") is not None]
    return "\n\n".join([*parts, listed(rows)])


def provenance(result: dict) -> str:
    """Date, commit and, where it was recorded, the machine."""
    machine = f", on {result['machine']}" if "machine" in result else "; the machine was not recorded"
    return f"Measured {result['date']}, commit {result['commit']}{machine}."


def by_method(rows: list[dict]) -> str:
    """Mean ± standard deviation, a line per method: "R = 4, head, SENSE, PSNR" and its three companions."""
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        match = re.fullmatch(r"(R = \d+, \w+), (.+?), (PSNR|SSIM)(, standard deviation)?", row["name"])
        if match:
            column, method, kind, spread = match.groups()
            scores.setdefault(method, {}).setdefault(column, {})[kind + (spread or "")] = row["value"]
    columns = list(dict.fromkeys(column for cells in scores.values() for column in cells))
    lines = [f"| PSNR in dB, SSIM | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for method, cells in scores.items():
        lines.append(f"| {method} | {' | '.join(score(cells.get(column)) for column in columns)} |")
    return "\n".join(lines)


def by_network(rows: list[dict]) -> str:
    """A line per network: its distance to the code after all layers, clean, under noise, on other signals."""
    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        match = re.fullmatch(r"(.+?), ([\w-]+): distance after 10", row["name"])
        if match:
            scores.setdefault(match[2], {})[match[1].replace("layers", "clean")] = row["value"]
    columns = list(dict.fromkeys(column for cells in scores.values() for column in cells))
    lines = [f"| E‖y₁₀ − y\\*‖ | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for network, cells in scores.items():
        values = (f"{cells[column]:.3g}" if column in cells else "" for column in columns)
        lines.append(f"| {network} | {' | '.join(values)} |")
    return "\n".join(lines)


def by_activation(rows: list[dict]) -> str:
    """A line per activation: the width at which half of the draws reach the data, in units of m."""
    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        match = re.fullmatch(r"half-success width over m, (\w+), m = (\d+)", row["name"])
        if match:
            scores.setdefault(match[1], {})[match[2]] = row["value"]
    columns = list(dict.fromkeys(m for cells in scores.values() for m in cells))
    heads = " | ".join(f"m = {m}" for m in columns)
    lines = [f"| half-success width over m | {heads} |", "|---|" + "---:|" * len(columns)]
    for name, cells in scores.items():
        lines.append(f"| {name} | {' | '.join(f'{cells[m]:.2f}' for m in columns)} |")
    return "\n".join(lines)


def by_group(rows: list[dict]) -> str:
    """A line per group of tries: "addresses: refused" and its companions."""
    cells: dict[str, dict[str, str]] = {}
    for row in rows:
        group, colon, what = row["name"].partition(": ")
        if colon:
            cells.setdefault(group, {})[what] = f"{number(row['value'])} {row['unit']}".rstrip()
    columns = list(dict.fromkeys(what for line in cells.values() for what in line))
    lines = [f"| tries | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    lines += [
        f"| {group} | {' | '.join(line.get(c, '') for c in columns)} |" for group, line in cells.items()
    ]
    return "\n".join(lines)


def score(cell: dict[str, float] | None) -> str:
    """Both measures as mean ± standard deviation."""
    if cell is None:
        return ""
    spread = ", standard deviation"
    return (
        f"{cell['PSNR']:.2f} ± {cell['PSNR' + spread]:.2f}, {cell['SSIM']:.3f} ± {cell['SSIM' + spread]:.3f}"
    )


def listed(rows: list[dict]) -> str:
    """A line per row: what, measured, target."""
    lines = ["| what | measured | target | |", "|---|---:|---:|---|"]
    for row in rows:
        target = row.get("target")
        sign = "≤" if row.get("direction") == "at most" else "≥"
        aim = "" if target is None else f"{sign} {number(target)} {row['unit']}".rstrip()
        mark = {True: "holds", False: "**missed**", None: ""}[row.get("holds")]
        value = f"{number(row['value'])} {row['unit']}".rstrip()
        lines.append(f"| {row['name']} | {value} | {aim} | {mark} |")
    return "\n".join(lines)


def number(value: float) -> str:
    """Four digits, and powers of ten as on the app's pages: 3.9·10⁻⁷."""
    digits, e, power = f"{value:.4g}".partition("e")
    factor = "" if digits == "1" else f"{digits}·"
    return factor + power_of_ten(int(power)) if e else digits


def rendered(text: str) -> str:
    """`text` with every block between <!-- table NAME --> and <!-- end --> replaced by its table."""
    return re.sub(
        r"(<!-- table (\w+) -->\n).*?(<!-- end -->)",
        lambda m: f"{m[1]}\n{table(m[2])}\n\n{m[3]}",
        text,
        flags=re.DOTALL,
    )


def main() -> int:
    text = PAGE.read_text(encoding="utf-8")
    fresh = rendered(text)
    if "--check" in sys.argv:
        return int(fresh != text)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
