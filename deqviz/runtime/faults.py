"""Messages of the pages about exceptions."""

import torch

from deqviz.core.quoted import capitalised, clipped, text_of
from deqviz.networks._weights import WeightsError


def sentence(error: BaseException, where: str, *, own: tuple[type[Exception], ...] = (ValueError,)) -> str:
    """One sentence about a failed run; `where` begins it; errors of the kinds in `own` speak themselves.

    So do those of weights that are missing or damaged: they say what to do.
    The error may be of a plug-in's own kind, so nothing is taken for granted of it; never raises.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "The device ran out of memory: choose a smaller image, or close other runs."
    text = text_of(error)
    if isinstance(error, (WeightsError, *own)) and text:
        return f"{capitalised(text)}{'' if text.endswith('.') else '.'}"
    name = type(error).__name__
    return f"{where} ({name}: {clipped(text, 400)})." if text else f"{where} ({name})."
