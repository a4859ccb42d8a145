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
from deqviz.core.terminal import because, say, unheard
from deqviz.networks._weights import WeightsError


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
    """Print each row as it arrives, write all of them to `file`; 1 when a target is missed, else 0.

    2 where there is no row, what it needs cannot be read, or the file cannot be written: the first row finds
    that out, and a file that fails later costs no row.
    """
    done: list[Row] = []
    head, is_kept = provenance(), True
    try:
        for row in rows:
            done.append(row)
            if (problem := _printed(row)) is not None:
                say(f"deqviz bench: {problem}")
                if file is None:
                    return 2
            if file is not None and is_kept:
                is_kept = _written(file, head, done)
    except OSError as error:
        # One that was raised here has a sentence and no file.
        where = f"{error.filename} cannot be read: " if error.filename else ""
        say(f"deqviz bench: {where}{because(error)}.")
        return 2
    except (ValueError, WeightsError) as error:
        say(f"deqviz bench: {error}")
        return 2
    if not done:
        say("deqviz bench: no row has this text in its name: give another --only, or none.")
    return 2 if not done or not is_kept else int(any(row.holds is False for row in done))


def _printed(row: Row) -> str | None:
    """Print a row; why that could not be done."""
    sign = "≥" if row.direction == "at least" else "≤"
    aim = "" if row.target is None else f"{sign} {row.target:g}"
    mark = {True: "holds", False: "MISSED", None: ""}[row.holds]
    try:
        sys.stdout.write(f"{row.name:<62} {row.value:>10.4g} {row.unit:<8} {aim:<10} {mark}\n")
        sys.stdout.flush()
    except OSError as error:
        return unheard(error)
    return None


def _written(file: Path, head: dict[str, str], rows: list[Row]) -> bool:
    """Whether the file is there."""
    plain = {**head, "rows": [{**asdict(r), "holds": r.holds} for r in rows]}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        say(f"deqviz bench: {file} cannot be written: {because(error)}. The rows are printed only.")
        return False
    return True
