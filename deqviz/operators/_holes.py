"""Random inpainting masks: squares, boxes, strokes of a thick pen, single pixels."""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Generator, Tensor

Hole = Literal["centre", "boxes", "strokes", "pixels"]
HOLES: tuple[Hole, ...] = get_args(Hole)
Mask = Float[Tensor, "1 h w"]


def holes(kind: Hole, height: int, width: int, rng: Generator) -> Mask:
    """Random masks: 1 where a pixel is known, 0 where it is missing; some pixels are always known.

    centre: a square of ⅜ of the shorter side. boxes: one to three of ⅛ to ½ of the sides. strokes: one to
    four bent lines, 1/16 to 1/6 of the shorter side thick. pixels: 30 to 70 % of all.
    """
    mask = torch.ones(1, height, width)
    match kind:
        case "centre":
            side = max(1, round(3 * min(height, width) / 8))
            top, left = (height - side) // 2, (width - side) // 2
            mask[:, top : top + side, left : left + side] = 0
        case "boxes":
            for _ in range(_below(3, rng) + 1):
                h, w = (max(1, round(n * _uniform(1 / 8, 1 / 2, rng))) for n in (height, width))
                top, left = _below(height - h + 1, rng), _below(width - w + 1, rng)
                mask[:, top : top + h, left : left + w] = 0
        case "strokes":
            for _ in range(_below(4, rng) + 1):
                mask[_stroke(height, width, rng)] = 0
        case "pixels":
            lost = _uniform(0.3, 0.7, rng)
            mask[torch.rand(mask.shape, generator=rng) < lost] = 0
    if not bool(mask.any()):
        mask[:, 0, 0] = 1
    return mask


def _stroke(height: int, width: int, rng: Generator) -> Tensor:
    """Where a line through three or four points, with the thickness of a pen, covers a pixel."""
    shorter = min(height, width)
    pen = shorter * _uniform(1 / 32, 1 / 12, rng)
    down, right = torch.arange(height)[:, None] + 0.5, torch.arange(width) + 0.5
    covered = torch.zeros(1, height, width, dtype=torch.bool)
    y, x = _uniform(0, height, rng), _uniform(0, width, rng)
    angle = _uniform(0, 2 * math.pi, rng)
    for _ in range(2 + _below(2, rng)):
        length = shorter * _uniform(1 / 6, 1 / 2, rng)
        angle += _uniform(-1, 1, rng)
        dy, dx = length * math.sin(angle), length * math.cos(angle)
        # The nearest point of the segment.
        along = (((down - y) * dy + (right - x) * dx) / length**2).clamp(0, 1)
        covered |= torch.hypot(down - y - along * dy, right - x - along * dx) < pen
        y, x = y + dy, x + dx
    return covered


def _uniform(low: float, high: float, rng: Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng))


def _below(high: int, rng: Generator) -> int:
    return int(torch.randint(high, (), generator=rng))
