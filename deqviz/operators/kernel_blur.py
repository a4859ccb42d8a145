"""Convolution with a kernel of one's own."""

import math
import re
from typing import Annotated, Literal

import torch
from torch import Tensor

from deqviz.core.catalog import OPERATORS
from deqviz.core.numbers import number
from deqviz.core.quoted import clipped, quoted
from deqviz.core.registry import Options, Text
from deqviz.operators._base import Convolution

LARGEST_SIDE = 31
LARGEST_ENTRY = 1000.0
LEAST_NORM = 1e-15
"""Of A: single precision loses A*A x below."""
_DISK = "0 1 1 1 0; 1 1 1 1 1; 1 1 1 1 1; 1 1 1 1 1; 0 1 1 1 0"


def _number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise ValueError(f"The kernel contains {quoted(word)}, which is not a number.") from None
    if not math.isfinite(value) or abs(value) > LARGEST_ENTRY:
        raise ValueError(
            f"The kernel contains {clipped(word)}; "
            f"entries lie between -{LARGEST_ENTRY:g} and {LARGEST_ENTRY:g}."
        )
    return value


def parse_kernel(text: str) -> tuple[tuple[float, ...], ...]:
    """The rows of a kernel written as "0 1 0; 1 4 1; 0 1 0".

    Rows end at ";" or a new line, numbers at spaces or commas. Raises ValueError with a sentence.
    """
    lines = [line.strip(" ,\t\r") for line in re.split(r"[;\n]", text)]
    rows = tuple(tuple(_number(word) for word in re.split(r"[\s,]+", line)) for line in lines if line)
    if not rows:
        raise ValueError("The kernel is empty; write rows of numbers such as 0 1 0; 1 4 1; 0 1 0.")
    widths = [len(row) for row in rows]
    if len(set(widths)) > 1:
        odd = next(k for k, n in enumerate(widths) if n != widths[0])
        raise ValueError(
            f"The kernel's rows differ in length: row 1 has {widths[0]} numbers, "
            f"row {odd + 1} has {widths[odd]}."
        )
    if max(len(rows), widths[0]) > LARGEST_SIDE:
        raise ValueError(
            f"The kernel is {len(rows)} × {widths[0]}; at most {LARGEST_SIDE} × {LARGEST_SIDE} is allowed."
        )
    if not any(value for row in rows for value in row):
        raise ValueError("The kernel is zero everywhere.")
    return rows


@OPERATORS.register("kernel_blur", title="Custom kernel", family="Deblurring")
class KernelBlur(Convolution):
    """Periodic convolution A x = h ∗ x with a given kernel h, centred on its middle entry.

    The middle of a side of n entries is entry ⌊n/2⌋ counted from 0. ‖A‖ = max |ĥ| and σ_min(A) = min |ĥ|
    are exact on the image's own grid; with unit sum and no negative entry ‖A‖ = 1.
    """

    kernel: Annotated[
        str,
        Text(
            parse_kernel,
            "Kernel",
            "Rows end at ; or a new line, numbers at spaces or commas; at most 31 × 31.",
            max_length=20_000,  # 31 × 31 numbers of 18 digits
        ),
    ] = _DISK
    scaling: Annotated[
        Literal["unit sum", "as given"],
        Options("Scaling", "Divide the kernel by its sum, so that the mean is kept, or use it as given."),
    ] = "unit sum"

    def __post_init__(self) -> None:
        """Refuse a kernel that cannot be divided by its sum, or that leaves nothing."""
        rows = parse_kernel(self.kernel)
        total = math.fsum(value for row in rows for value in row)
        size = math.fsum(abs(value) for row in rows for value in row)
        if self.scaling == "unit sum" and abs(total) < 1e-3 * size:
            raise ValueError("The kernel sums to zero, so it cannot be scaled to unit sum; use it as given.")
        if self.norm().value < LEAST_NORM:
            raise ValueError(
                "The kernel leaves nothing of an image: its largest frequency response is "
                f"{number(self.norm().value)}, at least {number(LEAST_NORM)} is needed. Use larger entries."
            )

    def spectrum(self) -> Tensor:
        """The transform of the kernel with its middle at the origin."""
        h, w = self.image.shape[-2:]
        kernel = torch.tensor(parse_kernel(self.kernel), dtype=torch.float64)
        if self.scaling == "unit sum":
            kernel = kernel / kernel.sum()
        m, n = kernel.shape
        rows = (torch.arange(m) - m // 2) % h
        columns = (torch.arange(n) - n // 2) % w
        # Accumulated: on an image smaller than the kernel, entries fold onto each other.
        on_grid = torch.zeros(h, w, dtype=torch.float64)
        on_grid.index_put_((rows[:, None].expand(m, n), columns.expand(m, n)), kernel, accumulate=True)
        return torch.fft.rfft2(on_grid)
