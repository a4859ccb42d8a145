"""External denoisers for plug-and-play methods."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from deqviz.core.space import Image


@dataclass(frozen=True)
class Denoiser:
    """D_σ by `apply`(x, σ), a batch of images and the standard deviation of their noise.

    `lipschitz` is a proved bound of Lip(D_σ) for every σ and image size, None where none is known; one
    above 1 gives no guarantee and is refused with ValueError.
    """

    apply: Callable[[Tensor, float], Tensor]
    lipschitz: float | None = None

    def __post_init__(self) -> None:
        """Refuse a constant from which nothing follows."""
        if self.lipschitz is not None and not 0 <= self.lipschitz <= 1:
            raise ValueError(
                f"A Lipschitz constant of {self.lipschitz:g} gives no guarantee: give 0 to 1, or none."
            )

    def __call__(self, x: Image, sigma: float) -> Image:
        """D_σ(x); raises ValueError where the shape or the precision changes."""
        output = self.apply(x, sigma)
        if output.shape != x.shape or output.dtype != x.dtype:
            was, now = ([*u.shape, str(u.dtype).removeprefix("torch.")] for u in (x, output))
            raise ValueError(f"The denoiser turns images of {_dims(was)} into {_dims(now)}.")
        return output


def _dims(parts: list[int | str]) -> str:
    return " × ".join(map(str, parts[:-1])) + f" {parts[-1]}"
