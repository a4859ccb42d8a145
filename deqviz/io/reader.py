"""The reader: a process of its own for every uploaded file, with little memory and little time.

The next file that a library cannot bear breaks this process and nothing else, and nothing of a file outlives
it. One reader is always waiting, so that nobody waits for Python to start; it imports neither torch nor
Streamlit. What goes in and out is a line of JSON and raw numbers: a reader that was taken over cannot make
the server run anything.

Linux bounds memory and time; macOS and Windows time alone.
"""

import atexit
import contextlib
import io
import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from deqviz.io import image_formats, kspace_formats
from deqviz.io.budget import MAX_LINES, MAX_UNPACKED, FileError

MEMORY = 1024 * 2**20
"""Bytes that a reader may take beyond those of its libraries: a file, a slice, and what unpacking takes."""
SECONDS = 30.0
"""Of one file, from its first byte to its last pixel, also where the machine has other things to do."""
PROCESSOR = 10
"""Seconds of computing among them: the largest k-space takes three."""
MOST = 2
"""Readers at work; whoever comes later waits."""
LINE = 2**16
_SPENT = -signal.SIGXCPU if hasattr(signal, "SIGXCPU") else None  # Windows has no such limit

Facts = dict[str, Any]


def _file(
    data: bytes, *, side: int, pixels: int, most: int, window: Any, number: int | None, is_scaled: bool
) -> tuple[np.ndarray, Facts]:
    """An image or k-space, told by the content; an image's file may have `most` bytes."""
    if kspace_formats.is_kspace(data):
        values, facts = kspace_formats.unpack(data, number, is_scaled=is_scaled)
        return values, {"what": "kspace", **facts}
    if len(data) > most:
        raise FileError(
            f"The file has {len(data) / 2**20:.1f} MB and the limit is {most >> 20} MB: "
            "make it smaller or compress it."
        )
    values, facts = image_formats.unpack(data, side, pixels, window if is_scaled else (0.0, 1.0))
    return values, {"what": "image", **facts}


def _table(data: bytes, **options: Any) -> tuple[np.ndarray, Facts]:
    from deqviz.io import table_formats  # Arrow, for which images need not wait

    return table_formats.unpack(data, **options)


READERS: dict[str, Callable[..., tuple[np.ndarray, Facts]]] = {
    "file": _file,
    "table": _table,
}
"""What a reader can be told to do with the bytes of a file."""
KINDS = {"file": (("float32", "complex64"), MAX_UNPACKED), "table": (("uint8",), MAX_LINES)}
"""And of what numbers its answer is, and of how many bytes at most."""

COMMAND = (sys.executable, "-P", "-c", "from deqviz.io.reader import main; main()")

_lock = threading.Lock()
_free = threading.BoundedSemaphore(MOST)
_waiting: list[subprocess.Popen[bytes]] = []


# ---------------------------------------------------------------- in the server


def apart(kind: str, data: bytes, **options: object) -> tuple[np.ndarray, Facts]:
    """What READERS[kind] makes of the bytes, in a process of its own.

    Raises FileError, and nothing else, whatever the bytes do there.
    """
    if not _free.acquire(timeout=SECONDS):
        raise FileError("Other files are being read here: try again in a minute.")
    try:
        return _asked(_taken(), kind, data, options)
    except (OSError, MemoryError):  # no process to be had, or no memory
        raise FileError("The server cannot read files now: try again in a minute.") from None
    finally:
        _free.release()
        warm()


def warm() -> None:
    """Have a reader waiting; returns at once."""
    with _lock, contextlib.suppress(OSError):
        if not _waiting:
            _waiting.append(_started())


def _taken() -> subprocess.Popen[bytes]:
    with _lock:
        while _waiting:
            if (process := _waiting.pop()).poll() is None:
                return process
            _end(process)
    return _started()


def _started() -> subprocess.Popen[bytes]:
    # One thread each: those of linear algebra would take memory for every core and have nothing to do.
    path = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
    # Arrow has its memory from where its limit is, and not a gigabyte in advance.
    own = {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    own |= {"ARROW_DEFAULT_MEMORY_POOL": "system", "ARROW_IO_THREADS": "1"}
    pipe, none = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.Popen(COMMAND, stdin=pipe, stdout=pipe, stderr=none, env=os.environ | own)


def _asked(
    process: subprocess.Popen[bytes], kind: str, data: bytes, options: Facts
) -> tuple[np.ndarray, Facts]:
    assert process.stdin is not None
    assert isinstance(process.stdout, io.BufferedIOBase)
    late = threading.Event()
    clock = threading.Timer(SECONDS, lambda: (late.set(), process.kill()))
    clock.daemon = True
    clock.start()
    try:
        request = json.dumps({"kind": kind, "length": len(data), "options": options})
        with contextlib.suppress(OSError):  # it ended first
            process.stdin.write(request.encode() + b"\n")
            process.stdin.write(data)
            process.stdin.flush()
        answer = _answer(process.stdout, *KINDS[kind])
        if answer is None:  # give one that ended by itself the time to say how
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
    finally:
        clock.cancel()
        _end(process)
    if answer is not None:
        return answer
    if late.is_set() or process.returncode == _SPENT:
        spent = SECONDS if late.is_set() else PROCESSOR
        raise FileError(f"Reading the file takes longer than {spent:g} s: make it smaller and try again.")
    raise FileError("The file is damaged, or too much for this server: save it again, or make it smaller.")


def _answer(stream: io.BufferedIOBase, kinds: tuple[str, ...], most: int) -> tuple[np.ndarray, Facts] | None:
    """What came back, None if that is no whole answer; raises FileError with the reader's own sentence."""
    try:
        facts = json.loads(stream.readline(LINE))
        if "error" in facts:
            raise FileError(str(facts["error"]))
        shape, kind = tuple(int(n) for n in facts.pop("shape")), facts.pop("kind")
        if kind not in kinds or math.prod(shape) * np.dtype(kind).itemsize > most or min(shape) < 1:
            return None
        values = np.empty(shape, kind)
        room, at = values.data.cast("B"), 0
        while at < len(room) and (count := stream.readinto(room[at:])):
            at += count
    except FileError:
        raise
    except (ValueError, TypeError, KeyError):  # the line of a reader that broke
        return None
    return (values, facts) if at == len(room) else None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        # What it did not read is written once more when the stream is closed.
        with contextlib.suppress(OSError):
            stream.close()  # type: ignore[union-attr]
    process.wait()


@atexit.register
def _end_waiting() -> None:
    with _lock:
        while _waiting:
            _end(_waiting.pop())


# ---------------------------------------------------------------- in the reader


def main() -> None:
    """Read one file and end; without its server a reader ends by itself, for its input does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a library prints must not stand in the answer.
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    bound()
    line = sys.stdin.buffer.readline(LINE)
    if not line:
        return
    request = json.loads(line)
    values, facts = None, {}
    try:
        data = sys.stdin.buffer.read(request["length"])
        values, facts = READERS[request["kind"]](data, **request["options"])
    except FileError as error:
        facts = {"error": str(error)}
    except MemoryError:
        facts = {"error": "The file is too large to unpack here: make it smaller and try again."}
    else:
        facts |= {"shape": values.shape, "kind": str(values.dtype)}
    answer.write(json.dumps(facts).encode() + b"\n")
    if values is not None:
        answer.write(values.data.cast("B"))
    answer.flush()


def bound() -> None:
    """Lower what this process may take, as far as the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return

    def lower(kind: int, most: int, spare: int = 0) -> None:
        # A limit from outside may be lower still; macOS has none for memory.
        hard = resource.getrlimit(kind)[1]
        top = most + spare if hard == resource.RLIM_INFINITY else min(most + spare, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (min(most, top), top))

    with contextlib.suppress(OSError):
        # Where memory runs out all the same, the system ends a reader before the server.
        Path("/proc/self/oom_score_adj").write_text("1000")
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        lower(resource.RLIMIT_AS, pages * resource.getpagesize() + MEMORY)
    lower(resource.RLIMIT_CPU, PROCESSOR, 1)  # in the last second it is ended in a way that says why
    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_FSIZE, 0)
