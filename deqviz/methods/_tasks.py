"""The trained network for a degradation."""

from deqviz.core.operator import ForwardModel
from deqviz.operators._multicoil import MultiCoil
from deqviz.operators.inpainting import Inpainting
from deqviz.regularizers.monotone import Task

_FAST = 5.0
"""From this acceleration on the network of R = 6 is nearer."""


def automatic(operator: ForwardModel) -> Task:
    """MRI by the measured share where images are complex, inpainting for missing pixels, else blur."""
    if isinstance(operator, MultiCoil) and operator.is_complex:
        share = float(operator.mask.double().mean())
        return "MRI R = 6" if share * _FAST < 1 else "MRI R = 4"
    return "inpainting" if isinstance(operator, Inpainting) else "blur"
