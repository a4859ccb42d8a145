"""Colour for one-channel networks: channels become batch items and come back."""

from collections.abc import Callable

from deqviz.core.space import Batch, Image


def per_channel(f: Callable[[Image], Image], x: Image) -> Image:
    """f on every channel of x as an image of its own, so that f's constants hold for x too."""
    if x.shape[1] == 1:
        return f(x)
    b, c, h, w = x.shape
    return f(x.reshape(b * c, 1, h, w)).reshape(b, c, h, w)


def sum_over_channels(f: Callable[[Image], Batch], x: Image) -> Batch:
    """Σ f over the channels of every batch item."""
    b, c, h, w = x.shape
    return f(x.reshape(b * c, 1, h, w)).reshape(b, c).sum(1)
