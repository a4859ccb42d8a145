"""`deqviz sweep FILE.toml`: every cell of a batch, once, into a Parquet table."""

import argparse
import csv
import io
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from deqviz.core.quoted import clipped, quoted
from deqviz.core.replacement import replacement
from deqviz.core.terminal import Parser, because, say, unheard

if TYPE_CHECKING:
    from deqviz.sweep.journal import Journal
    from deqviz.sweep.row import Cell, Measured
    from deqviz.sweep.sweepfile import Sweep

_ABOUT = """\
Run every image with every degradation, noise, method and seed of FILE and write
a Parquet table, which the page Batch opens. Cells that the table already has
are not run again: after a stop, or with a method more in the file, give the
same command again. docs/sweep.md explains the file.

a small file, 4 cells:
  pictures = ["camera", "coins"]
  size = 64
  iterations = 200
  [[operators]]
  key = "gaussian_blur"
  width = 1.6
  [[noises]]
  key = "gaussian"
  std = [0.01, 0.02]
  [[methods]]
  key = "tv"
  weight = 1e-3
"""


def main(argv: Sequence[str]) -> int:
    """Run the command; 0 when all cells are there, 1 when it could not be begun or lost its workers."""
    parser = Parser(
        prog="deqviz sweep", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", metavar="FILE.toml", type=Path, help="the sweep, a TOML file")
    parser.add_argument(
        "--out", metavar="FILE.parquet", type=Path, help="the table, instead of that of the file"
    )
    parser.add_argument("--backend", choices=("loky", "threading", "dask", "ray"), help="where cells are run")
    parser.add_argument("--workers", metavar="N", type=int, help="cells at a time; 0: one for each core")
    parser.add_argument("--address", help="of the Dask or Ray cluster")
    parser.add_argument("--csv", action="store_true", help="also write the rows as CSV beside the table")
    parser.add_argument("--retry", action="store_true", help="run cells that failed once more")
    args = parser.parse_args(list(argv))
    if args.out is not None and args.out.suffix != ".parquet":
        parser.error(f"--out must end in .parquet, unlike {quoted(str(args.out))}")
    # Only now what takes a second to import.
    from deqviz.sweep.runner import Lost
    from deqviz.sweep.sweepfile import placed, read

    try:
        placed_sweep = placed(
            read(args.file), backend=args.backend, workers=args.workers, address=args.address
        )
        sweep = placed_sweep if args.out is None else replace(placed_sweep, out=args.out)
        return _sweep(sweep, is_csv=args.csv, is_retry=args.retry)
    except (ValueError, Lost) as error:
        say(f"deqviz sweep: {error}")
        return 1
    except OSError as error:  # of a cluster, or of workers that cannot be started
        say(f"deqviz sweep: {because(error)}. What was measured is kept: give the same command again.")
        return 1
    except KeyboardInterrupt:  # before the first cell, or while the table is written: the journal has all
        say("Stopped. To go on, give the same command again.")
        return 130


def _sweep(sweep: "Sweep", *, is_csv: bool, is_retry: bool) -> int:
    from deqviz.sweep.journal import Journal

    # A cluster's queue ends jobs by SIGTERM: what came is folded then too.
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        cells = sweep.cells()
        with Journal(sweep.out) as journal:
            if journal.torn:
                say(f"The last run was killed: {_left_out(journal.torn, 'torn line')}.")
            if journal.damage:
                rows = _left_out(len(journal.damage), "damaged row")
                kept = f" The table as it was is {journal.kept}." if journal.kept else ""
                say(f"{sweep.out}: {journal.damage[0]}; {rows}.{kept}")
            if is_retry:
                journal.forget([cell for cell, row in journal.rows.items() if row.state == "failed"])
            is_whole = _run(sweep, cells, journal)
            own_rows = [journal.rows[cell.id] for cell in cells if cell.id in journal.rows]
            everything = tuple(journal.rows.values())
    finally:
        signal.signal(signal.SIGTERM, before)
    try:
        _tell(sweep, own_rows, everything)
    except OSError as error:
        say(f"deqviz sweep: {unheard(error)} They are in {sweep.out}.")
        return 1
    if is_csv:
        beside = sweep.out.with_suffix(".csv")
        _write_csv(own_rows, beside)
        say(f"The same as CSV: {beside}", is_result=True)
    if not is_whole:
        say(f"Stopped at {len(own_rows)} of {len(cells)} cells. To go on, give the same command again.")
        return 130
    return 0


def _run(sweep: "Sweep", cells: "Sequence[Cell]", journal: "Journal") -> bool:
    """Whether all cells are there now; the table is written however it ends."""
    from deqviz.sweep.runner import run

    todo = [cell for cell in cells if cell.id not in journal.rows]
    stored = len(cells) - len(todo)
    more = f", {stored} of them known" if stored else ""
    say(f"{len(cells)} cells{more}, on {sweep.backend}. Ctrl-C stops and keeps what has come.")
    progress = _Progress(stored, len(cells))
    try:
        for row in run(sweep, todo, journal):
            progress.add(row)
    except KeyboardInterrupt:
        return False
    finally:
        progress.end()
        names = {cell.id: (cell.picture, cell.method) for cell in cells}
        if journal.rows:
            journal.fold(names, [cell.id for cell in cells])
    return True


def _tell(sweep: "Sweep", rows: "Sequence[Measured]", everything: "Sequence[Measured]") -> None:
    from deqviz.sweep.summary import markdown

    lines = [*markdown(rows).splitlines(), "", f"{len(rows)} cells: {sweep.out}"]
    if others := len(everything) - len(rows):
        lines.append(f"{others} more in it are not of this file: they are kept.")
    titles = {method.title for method in sweep.methods}
    called = {row.method for row in everything} - titles
    if apart := sorted(name for name in called if any(name.startswith(f"{title} (") for title in titles)):
        lines.append(
            f"Rows with other settings under the same name are kept apart: {clipped('; '.join(apart), 400)}."
        )
    for line in lines:
        say(line, is_result=True)
    sys.stdout.flush()


def _write_csv(rows: "Sequence[Measured]", path: Path) -> None:
    """The rows as CSV; raises ValueError where the file cannot be written, or is none of this command."""
    plain = [row.plain() for row in rows]
    text = io.StringIO()
    table = csv.DictWriter(text, plain[0] if plain else ["cell"], lineterminator="\n")
    table.writeheader()
    table.writerows(plain)
    try:
        if path.exists():
            if not path.is_file():
                raise ValueError(f"{path} is no file: move it away, then give --csv again.")
            with path.open("rb") as file:
                if not _is_ours(file.readline(2**16)):
                    raise ValueError(f"{path} is no table of a sweep: move it away, then give --csv again.")
        with replacement(path) as file:
            file.write(text.getvalue().encode())
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {because(error)}. The table is there.") from None


def _is_ours(header: bytes) -> bool:
    """Whether a CSV begins as those of this command do, today's and earlier ones, or is empty."""
    names = header.decode(errors="replace").strip().split(",")
    return names in ([""], ["cell"]) or (names[0] == "cell" and {"picture", "method", "seed"} <= set(names))


def _left_out(count: int, what: str) -> str:
    """What becomes of what cannot be read."""
    if count == 1:
        return f"1 {what} left out, its cell is run again"
    return f"{count} {what}s left out, their cells are run again"


class _Progress:
    """One line that is written over on a terminal, a line now and then elsewhere."""

    def __init__(self, done: int, total: int) -> None:
        self._done, self._stored, self._total = done, done, total
        self._begun = self._last_report = time.monotonic()
        self._is_live = sys.stderr.isatty()

    def add(self, row: "Measured") -> None:
        self._done += 1
        if row.state in ("diverged", "refused", "failed"):
            self._clear()
            where = ", ".join((row.picture, row.operator, row.noise, row.method, f"seed {row.seed}"))
            say(f"{row.state}: {where}: {row.reason}")
        now = time.monotonic()
        if self._is_live or now - self._last_report > 10 or self._done == self._total:
            self._last_report = now
            self._say(now)

    def _say(self, now: float) -> None:
        count = self._done - self._stored
        left = (now - self._begun) / count * (self._total - self._done)
        text = f"{self._done} of {self._total} cells{_time_left(left) if self._done < self._total else ''}"
        sys.stderr.write(f"\r\x1b[K{text}" if self._is_live else f"{text}\n")
        sys.stderr.flush()

    def _clear(self) -> None:
        if self._is_live:
            sys.stderr.write("\r\x1b[K")

    def end(self) -> None:
        if self._is_live:
            sys.stderr.write("\n")


def _time_left(seconds: float) -> str:
    if seconds < 90:
        return f", about {max(1, round(seconds))} s left"
    return (
        f", about {seconds / 60:.0f} min left" if seconds < 5400 else f", about {seconds / 3600:.1f} h left"
    )


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
