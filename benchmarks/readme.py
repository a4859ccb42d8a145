"""Write the measured tables of README.md from benchmarks/results/*.json.

python benchmarks/readme.py          writes them
python benchmarks/readme.py --check  says whether README.md is what the results say
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"
LONG = 60
"""Rows of a result beyond which its table shows only those that were to meet a target."""


def table(name: str) -> str:
    """The rows of one result file as a Markdown table."""
    rows = json.loads((RESULTS / f"{name}.json").read_text())
    if name == "mri":
        return f"{by_method(rows)}\n\n{listed([row for row in rows if row.get('target') is not None])}"
    if name == "unrolled":
        return f"{by_network(rows)}\n\n{listed([row for row in rows if row.get('target') is not None])}"
    if name == "dip":
        return f"{by_activation(rows)}\n\n{listed([row for row in rows if row.get('target') is not None])}"
    if len(rows) > LONG:
        rows = [row for row in rows if row.get("target") is not None]
    return listed(rows)


def by_method(rows: list[dict]) -> str:
    """Mean ± standard deviation, a line per method: "R = 4, head, SENSE, PSNR" and its three companions."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        match = re.fullmatch(r"(R = \d+, \w+), (.+?), (PSNR|SSIM)(, standard deviation)?", row["name"])
        if match:
            column, method, kind, spread = match.groups()
            found.setdefault(method, {}).setdefault(column, {})[kind + (spread or "")] = row["value"]
    columns = list(dict.fromkeys(column for cells in found.values() for column in cells))
    lines = [f"| PSNR in dB, SSIM | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for method, cells in found.items():
        lines.append(f"| {method} | {' | '.join(score(cells.get(column)) for column in columns)} |")
    return "\n".join(lines)


def by_network(rows: list[dict]) -> str:
    """A line per network: its distance to the code after all layers, clean, under noise, on other signals."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        match = re.fullmatch(r"(.+?), ([\w-]+): distance after 10", row["name"])
        if match:
            found.setdefault(match[2], {})[match[1].replace("layers", "clean")] = row["value"]
    columns = list(dict.fromkeys(column for cells in found.values() for column in cells))
    lines = [f"| E‖y₁₀ − y\\*‖ | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for network, cells in found.items():
        values = (f"{cells[column]:.3g}" if column in cells else "" for column in columns)
        lines.append(f"| {network} | {' | '.join(values)} |")
    return "\n".join(lines)


def by_activation(rows: list[dict]) -> str:
    """A line per activation: the width at which half of the draws reach the data, in units of m."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        match = re.fullmatch(r"half-success width over m, (\w+), m = (\d+)", row["name"])
        if match:
            found.setdefault(match[1], {})[match[2]] = row["value"]
    columns = list(dict.fromkeys(m for cells in found.values() for m in cells))
    heads = " | ".join(f"m = {m}" for m in columns)
    lines = [f"| half-success width over m | {heads} |", "|---|" + "---:|" * len(columns)]
    for name, cells in found.items():
        lines.append(f"| {name} | {' | '.join(f'{cells[m]:.2f}' for m in columns)} |")
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
        aim = "" if target is None else f"{sign} {target:.4g} {row['unit']}"
        mark = {True: "holds", False: "**missed**", None: ""}[row.get("holds")]
        lines.append(f"| {row['name']} | {row['value']:.4g} {row['unit']} | {aim} | {mark} |")
    return "\n".join(lines)


def rendered(text: str) -> str:
    """`text` with every block between <!-- table NAME --> and <!-- end --> replaced by its table."""
    return re.sub(
        r"(<!-- table (\w+) -->\n).*?(<!-- end -->)",
        lambda m: f"{m[1]}{table(m[2])}\n{m[3]}",
        text,
        flags=re.DOTALL,
    )


def main() -> int:
    text = README.read_text()
    fresh = rendered(text)
    if "--check" in sys.argv:
        return int(fresh != text)
    README.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
