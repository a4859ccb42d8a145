"""Files of a sweep, settings and cards with some bytes changed, read in a process with little memory.

`python -m benchmarks.damaged SEED NUMBER …` reads one for each number and prints a line of JSON.
"""

import json
import random
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.hostile import TEXTS, mutated, random_of, rows
from deqviz.io import settings
from deqviz.io.budget import FileError
from deqviz.networks import _weights
from deqviz.networks._weights import PRETRAINED
from deqviz.scenario import Scenario
from deqviz.sweep import sweepfile, table
from deqviz.sweep.journal import Journal

MEMORY = 2 * 2**30
"""Bytes beyond those of the libraries."""
SECONDS = 20
"""Of one file."""
SWEEP = """
size = 32
iterations = 20
tolerance = 1e-6
seeds = [0, 1, 2]
out = "s.parquet"
backend = "threading"
workers = 1
operators = ["denoising", { key = "blur", sigma = [1.0, 2.0] }]
noises = [{ key = "gaussian", std = 0.01 }]
methods = ["baseline", { key = "tv", weight = [0.1, 0.2], title = "T" }]
"""
CARD = "contractive"


def _sweep(draw: random.Random, folder: Path) -> str:
    path = folder / "s.toml"
    text = SWEEP
    for value in draw.sample(
        ("32", "20", "1e-6", "[0, 1, 2]", '"denoising"', '"T"', "0.01"), draw.randrange(3)
    ):
        text = text.replace(
            value, draw.choice((json.dumps(draw.choice(TEXTS)), "9" * 400, "[[1]]", "nan", "{}"))
        )
    path.write_bytes(mutated(text.encode(), draw) if draw.random() < 0.7 else text.encode())
    sweepfile.read(path).cells()
    return ""


def _journal(draw: random.Random, folder: Path) -> str:
    path = folder / "s.parquet"
    lines = [b"deqviz.sweep journal 1", *(json.dumps(row.plain()).encode() for row in rows())]
    path.with_name("s.parquet.journal").write_bytes(mutated(b"\n".join(lines) + b"\n", draw))
    with Journal(path) as journal:
        return f"{journal.torn} torn lines left out." if journal.torn else ""


def _settings(draw: random.Random, _: Path) -> str:
    plain = json.loads(Scenario().to_json())
    for name in draw.sample(sorted(plain), draw.randrange(4)):
        plain[name] = draw.choice(
            (*TEXTS, None, [], {}, -1, 10**400, float("nan"), {"key": "tv"}, True, {"key": "tv", "params": 3})
        )
    data = json.dumps(plain).encode()
    Scenario.from_settings(settings.read(mutated(data, draw) if draw.random() < 0.7 else data))
    return ""


def _table(draw: random.Random, _: Path) -> str:
    table.opened(mutated(table.to_bytes(rows()), draw), draw.choice(TEXTS))
    return ""


def _card(draw: random.Random, folder: Path) -> str:
    for suffix in (".json", ".safetensors"):
        shutil.copy(PRETRAINED / f"{CARD}{suffix}", folder)
    path = folder / f"{CARD}{draw.choice(('.json', '.json', '.safetensors'))}"
    data = mutated(path.read_bytes(), draw)
    path.write_bytes(data)
    if path.suffix == ".json" and draw.random() < 0.5:  # with a seal that is right again
        try:
            _weights.seal(path)
        except (ValueError, TypeError, RecursionError):
            path.write_bytes(data)
    _weights.read(CARD, folder)
    return ""


KINDS: tuple[Callable[[random.Random, Path], str], ...] = (_sweep, _journal, _settings, _table, _card)


def outcome(seed: int, number: int) -> dict[str, object]:
    """What reading the file of this number did: refused or accepted, or the error that escaped."""
    draw = random_of(seed, "damage", number)
    kind = draw.choice(KINDS)
    signal.alarm(SECONDS)
    try:
        with tempfile.TemporaryDirectory() as folder:
            text = kind(draw, Path(folder)).replace(folder, "")
        what = "refused" if text else "accepted"
    except (ValueError, _weights.WeightsError) as error:
        what, text = "refused", str(error)
        if type(error) not in (ValueError, FileError, _weights.WeightsError):
            what = f"escaped as {type(error).__name__}"
    except BaseException as error:
        what, text = f"escaped as {type(error).__name__}", str(error)
    finally:
        signal.alarm(0)
    return {"number": number, "kind": kind.__name__.strip("_"), "what": what, "text": text[:1000]}


def _late(*_: object) -> None:
    raise TimeoutError(f"not read within {SECONDS} s")


def main(seed: int, numbers: list[int]) -> None:
    """Read them all, within the memory that is left."""
    rows()
    _weights.read(CARD, PRETRAINED)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    signal.signal(signal.SIGALRM, _late)
    for number in numbers:
        sys.stdout.write(json.dumps(outcome(seed, number)) + "\n")
        sys.stdout.flush()
    sys.stdout.write(json.dumps({"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(word) for word in sys.argv[2:]])
