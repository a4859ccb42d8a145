"""Rows of a benchmark: printed as they come, and written as JSON that says when and where."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from deqviz.core.machine import cores, processor


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number and what it was meant to be; `target` None marks a number for information."""

    name: str
    value: float
    unit: str
    target: float | None = None
    direction: Literal["at least", "at most"] = "at least"

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.direction == "at least" else self.value <= self.target


def provenance() -> dict[str, str]:
    """When, at which commit and on which machine; without a repository the commit is "unknown"."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    return {"date": f"{date.today()}", "commit": commit, "machine": f"{processor()}, {cores()} cores"}


def report(rows: Iterator[Row], file: Path | None) -> int:
    """Print each row as it arrives, write all of them to `file`; 1 when a target is missed, else 0."""
    done: list[Row] = []
    head = provenance()
    for row in rows:
        done.append(row)
        sign = "≥" if row.direction == "at least" else "≤"
        aim = "" if row.target is None else f"{sign} {row.target:g}"
        mark = {True: "holds", False: "MISSED", None: ""}[row.holds]
        sys.stdout.write(f"{row.name:<62} {row.value:>10.4g} {row.unit:<8} {aim:<10} {mark}\n")
        sys.stdout.flush()
        if file is not None:
            plain = {**head, "rows": [{**asdict(r), "holds": r.holds} for r in done]}
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
    return int(any(row.holds is False for row in done))
