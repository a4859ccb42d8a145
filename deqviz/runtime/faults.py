"""Messages of the pages about exceptions."""

import torch

from deqviz.core.quoted import clipped


def sentence(error: Exception, where: str, *, own: tuple[type[Exception], ...] = (ValueError,)) -> str:
    """One sentence about a failed run; `where` begins it; errors of the kinds in `own` speak themselves."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "The device ran out of memory: choose a smaller image, or close other runs."
    if isinstance(error, own):
        text = str(error)
        return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
    return f"{where} ({type(error).__name__}: {clipped(str(error), 400)})."
