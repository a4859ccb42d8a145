"""What reading files that nobody should upload costs: the slowest of them, and all together.

    python benchmarks/uploads.py [--json FILE]

The files are those of `tests/io/malformed.py`, read in a process of their own as the page reads them.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.measure import ROOT, run
from deqviz.bench.rows import Row
from tests.io.malformed import files


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files():
            (Path(folder) / name).write_bytes(data)
        count = len(list(Path(folder).iterdir()))
        begun = time.perf_counter()
        command = [sys.executable, "-m", "tests.io.malformed", folder]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        whole = time.perf_counter() - begun
    slowest = max(json.loads(line)["seconds"] for line in done.stdout.splitlines())
    yield Row(f"uploads, {count} bad files: all of them", whole, "s", 60.0, "at most")
    yield Row(f"uploads, {count} bad files: the slowest", slowest, "s", 10.0, "at most")


if __name__ == "__main__":
    raise SystemExit(run(rows, __doc__))
