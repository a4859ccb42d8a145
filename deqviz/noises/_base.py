"""White noise on measured entries."""

from torch import Generator

from deqviz.core.operator import ForwardModel
from deqviz.core.space import Data, Space


def white(clean: Data, operator: ForwardModel, rng: Generator) -> Data:
    """Standard normal noise, 0 where nothing is measured; E|n|² = 1 per entry, complex ones too."""
    # Drawn on the CPU in the precision at hand, so that a seed means the same on every device.
    noise = Space(tuple(clean.shape[1:]), clean.dtype).random(rng, len(clean)).to(clean.device)
    return noise if operator.measured is None else noise * operator.measured


def measurements(operator: ForwardModel) -> int:
    """The number of measured entries of one batch item."""
    return operator.codomain.size if operator.measured is None else int(operator.measured.sum())
