"""The resident memory of this process while it trains.

Called as python -m deqviz.experiments.memory._process SCAN KIND N.

SCAN is a JSON object of `Scan`, KIND "unrolled" or "equilibrium", N numbers of iterations in ascending order,
with commas between them. Each line of the answer is a number and the bytes by which the process has grown.
"""

import json
import re
import resource
import sys
from pathlib import Path

import torch
from torch import Tensor

from deqviz.core.records import Map
from deqviz.experiments.memory.activation_memory import solved
from deqviz.experiments.memory.scan import Scan, iteration

_STATUS = Path("/proc/self/status")


def resident() -> tuple[int, int]:
    """Bytes of memory that this process has now and had at most.

    Linux counts the high-water mark of `getrusage` on through exec: a child starts from its parent's, so that
    `VmHWM` is read instead, which starts anew. Elsewhere both numbers are that of `getrusage`.
    """
    if _STATUS.is_file():
        sizes = dict(re.findall(r"^Vm(RSS|HWM):\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE))
        return 1024 * int(sizes["RSS"]), 1024 * int(sizes["HWM"])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    most *= 1 if sys.platform == "darwin" else 1024
    return most, most


def main(scan: Scan, kind: str, counts: tuple[int, ...]) -> None:
    """Train and tell; what libraries load at their first use is there before the first number."""
    torch.set_num_threads(1)
    step = iteration(scan)
    with torch.no_grad():
        step.map()(step.start())
    before, _ = resident()
    if kind == "unrolled":
        f, x = step.map(), step.start()
        for k in range(1, max(counts) + 1):
            x = f(x)
            if k in counts:
                _tell(k, before)
    else:
        for n in counts:
            for _ in solved(step, n, _through):
                pass
            _tell(n, before)


def _through(f: Map, x: Tensor) -> Tensor:
    return f(x)


def _tell(count: int, before: int) -> None:
    sys.stdout.write(f"{count} {resident()[1] - before}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    settings["shape"] = tuple(settings["shape"])
    main(Scan(**settings), sys.argv[2], tuple(int(n) for n in sys.argv[3].split(",")))
