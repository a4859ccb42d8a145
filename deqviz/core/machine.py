"""The machine: how many torch threads a run gets, and how the allocator behaves. The one place for both."""

import ctypes
import os
import platform
import re
from pathlib import Path

from deqviz.core.quoted import quoted

SMALL = 128
"""Pixels along the longer side up to which one thread is enough."""
MOST = 8
"""Threads beyond this wait for each other longer than they work, at the sizes of this app."""


def cores() -> int:
    """The cores that this process may use; not every system can tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """What the system calls its processor."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return model[1] if model else platform.processor() or platform.machine()


def thread_count(side: int = 256) -> int:
    """The torch threads of a run on images of this longer side: one up to `SMALL`, else all up to `MOST`.

    `deqviz bench speed` prints what this rests on. At 128² and below a second thread gains about a tenth on
    a quiet machine, and doubles the time where its core is lent to others, for each of many short pieces of
    work waits for it. At 256² all are faster on a quiet machine. The size decides alone, so that a run
    repeats to the last bit.
    """
    return 1 if side <= SMALL else min(cores(), MOST)


def device() -> str:
    """ "cuda" where there is a GPU, else "cpu"."""
    # torch takes a second to import, and the command line asks this module before it does.
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def usable(name: str) -> str:
    """Why torch cannot compute on the device of this name, as a sentence; "" where it can."""
    import torch

    try:
        is_there = float(torch.ones((), device=name)) == 1
    except (RuntimeError, AssertionError, NotImplementedError, ValueError):  # torch built without it, too
        is_there = False
    return (
        ""
        if is_there
        else f"there is no device {quoted(name)} here: choose cpu, or cuda where there is a GPU"
    )


def tune_allocator() -> None:
    """Let glibc keep freed blocks of up to 64 MB instead of faulting them in afresh at every iteration.

    A learned iteration allocates the same few megabytes again and again; that costs a tenth to a quarter
    of its time otherwise. Does nothing where the C library is another one.
    """
    mmap_threshold, trim_threshold = -3, -1
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(mmap_threshold, 64 * 2**20)
    mallopt(trim_threshold, 256 * 2**20)


def trim() -> None:
    """Give freed blocks back to the system, which `tune_allocator` has kept; some milliseconds."""
    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    malloc_trim(0)
