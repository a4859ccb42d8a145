"""The process that reads a file: whatever becomes of it, the server has a result or one sentence."""

import io
import resource
import subprocess
import sys
import threading

import h5py
import numpy as np
import pytest
from PIL import Image as Pillow

from deqviz.io import image_formats, kspace_formats, reader
from deqviz.io.budget import FileError
from tests.io.here import image, scan
from tests.io.malformed import BOTTOMLESS, GREY, KSPACE, dataset, encoded, npy
from tests.places import until


def instead(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """A reader that does something else."""
    reader._end_waiting()
    monkeypatch.setattr(reader, "COMMAND", (sys.executable, "-P", "-c", code))


@pytest.fixture(autouse=True)
def none_waits_afterwards():
    yield
    reader._end_waiting()


def test_it_gives_what_reading_here_gives() -> None:
    data = encoded(Pillow.fromarray(GREY), "PNG")
    pixels, about = image_formats.unpack(data, 256)
    upload = image("a.png", data)
    np.testing.assert_array_equal(upload.pixels, pixels)
    assert (upload.size, upload.notes) == (about["size"], ())
    scans = np.stack([KSPACE, 2 * KSPACE])
    samples, _ = kspace_formats.unpack(npy(scans), 2)
    found = scan(npy(scans), 2)
    np.testing.assert_array_equal(found.samples, samples)
    assert (found.number, found.slices, found.size) == (2, 2, (40, 48))


def test_what_a_reader_refuses_is_its_own_sentence() -> None:
    with pytest.raises(FileError, match="not an image that can be read here"):
        image("a", b"hello, I am no picture")
    with pytest.raises(FileError, match="no data set named kspace but signal"):
        scan(dataset(KSPACE).replace(b"kspace", b"signal"))


def test_one_is_always_waiting_and_none_reads_twice() -> None:
    reader.warm()
    (first,) = reader._waiting
    image("a", npy(GREY))
    assert first.returncode is not None
    (second,) = reader._waiting
    assert second is not first
    second.kill()
    second.wait()
    image("a", npy(GREY))  # with a third one


def test_bombs_are_one_sentence_and_the_server_stays_small() -> None:
    names = ("bomb-tile.tif", "bomb-header.npz", "bomb-chunks.h5", "bomb-long-chunk.h5")
    files = {name: BOTTOMLESS[name]() for name in names}
    image("a", npy(GREY))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, data in files.items():
        with pytest.raises(FileError):
            scan(data) if kspace_formats.is_kspace(data) else image(name, data)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 100


def test_the_largest_that_is_allowed_fits() -> None:
    white = np.full((4096, 4096, 4), 255, np.uint8)
    white[:100] = 0
    assert image("a", encoded(Pillow.fromarray(white), "PNG", compress_level=1), 512).size == (
        4096,
        4096,
    )

    def fill(file: h5py.File) -> None:
        one_chunk = {"chunks": (8, 1024, 1024), "compression": "gzip", "compression_opts": 1, "shuffle": True}
        samples = np.zeros((8, 1024, 1024), np.complex128)
        samples[:, 512, 512] = 1
        file.create_dataset("kspace", data=samples, **one_chunk)

    file = io.BytesIO()
    with h5py.File(file, "w") as archive:
        fill(archive)
    assert scan(file.getvalue()).samples.shape == (8, 1024, 1024)


BREAKS = {
    "a crash in a library": "import os; os.kill(os.getpid(), 11)",
    "an end before the file was taken": "",
    "an end before the answer": "import sys; sys.stdin.buffer.read(1000)",
    "half an answer": "print('{\"shape\": [1, 9, 9]}\\n12345')",
    "an answer that is too long": "print('{\"shape\": [1, 90000, 90000]}')",
    "a shape that is none": "print('{\"shape\": [-1, 40, 40]}')",
    "an answer that is none": "print('[]' * 9)",
    "no memory": "from deqviz.io import reader; reader.bound(); bytearray(3 << 30)",
}


@pytest.mark.parametrize("code", BREAKS.values(), ids=BREAKS)
def test_a_reader_that_breaks_is_one_sentence(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, code)
    with pytest.raises(FileError, match="damaged, or too much for this server"):
        image("a", b"x" * 2**20)
    monkeypatch.undo()
    reader._end_waiting()
    assert image("a", npy(GREY)).size == (64, 48), "the next one is read"


def test_a_reader_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    # Deaf to everything but the clock: it ignores SIGTERM and takes nothing in.
    instead(monkeypatch, "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)")
    monkeypatch.setattr(reader, "SECONDS", 0.5)
    with pytest.raises(FileError, match="takes longer than"):
        image("a", b"x" * 2**20)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows bounds the clock alone")
def test_a_reader_that_computes_for_ever_is_ended_before_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = "from deqviz.io import reader; reader.PROCESSOR = 1; reader.bound()\nwhile True: pass"
    instead(monkeypatch, busy)
    with pytest.raises(FileError, match=f"takes longer than {reader.PROCESSOR} s"):
        image("a", b"x")


def test_whoever_comes_while_all_are_busy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "SECONDS", 0.1)
    monkeypatch.setattr(reader, "_free", threading.BoundedSemaphore(1))
    with reader._free, pytest.raises(FileError, match="try again in a minute"):
        image("a", npy(GREY))


def test_a_machine_without_processes_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    reader._end_waiting()
    monkeypatch.setattr(reader, "COMMAND", ("/nowhere/python",))
    with pytest.raises(FileError, match="cannot read files now"):
        image("a", npy(GREY))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems bound less")
def test_its_limits() -> None:
    code = (
        "import json, resource as r, sys; from deqviz.io import reader; reader.bound();"
        "print(json.dumps([r.getrlimit(k) for k in (r.RLIMIT_CPU, r.RLIMIT_CORE, r.RLIMIT_FSIZE)]),"
        "open('/proc/self/oom_score_adj').read().strip(),"
        "sorted({'torch', 'streamlit', 'pyarrow'} & {*sys.modules}));"
        "block = bytearray(reader.MEMORY // 2); del block\n"
        "try: bytearray(2 * reader.MEMORY)\n"
        "except MemoryError: print('no more')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[[10, 11], [0, 0], [0, 0]] 1000 []", "no more"]


def test_a_reader_ends_with_its_server() -> None:
    code = (
        "import os, sys; from deqviz.io import reader; reader.warm();"
        "print(reader._waiting[0].pid, flush=True); os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    def is_gone() -> bool:
        try:
            with open(f"/proc/{int(done.stdout)}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    until(is_gone, "the end of the reader")
