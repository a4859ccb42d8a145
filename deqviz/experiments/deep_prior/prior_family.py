"""The problems and networks of the deep prior's experiments, drawn from a seed."""

from dataclasses import dataclass

import torch

from deqviz.experiments.deep_prior.two_layer import ACTIVATIONS, Activation, Draws, draw


@dataclass(frozen=True)
class PriorFamily:
    """y = Ax† + ε in ℝᵐ for x† ∈ ℝⁿ, n = `unknowns`, and a two-layer network of width k; see `draw`.

    Raises ValueError for an activation that is not known; sizes that do not fit are refused by `draws`.
    """

    unknowns: int = 40
    activation: str = "tanh"
    is_orthonormal: bool = False
    is_unit: bool = False
    is_centred: bool = False
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an activation that is not known."""
        if self.activation not in ACTIVATIONS:
            names = ", ".join(ACTIVATIONS)
            raise ValueError(f"There is no activation {self.activation!r} here; known are {names}.")

    @property
    def phi(self) -> Activation:
        """The activation."""
        return ACTIVATIONS[self.activation]

    @property
    def power(self) -> float:
        """E x†ᵢ²."""
        return 1 / self.unknowns if self.is_unit else 1.0

    def check(self, measured: int, width: int) -> None:
        """Raise ValueError, with a sentence, where there is no such problem or network."""
        self.draws(1, measured, width)

    def draws(
        self, count: int, measured: int, width: int, dtype: torch.dtype = torch.float32, stream: int = 0
    ) -> Draws:
        """So many draws, always the same: A and x† do not depend on the width, all depends on `stream`."""
        rng = torch.Generator().manual_seed((self.seed * 101 + stream) * 20_011 + measured)
        return draw(
            count,
            measured,
            self.unknowns,
            width,
            self.phi,
            rng,
            is_orthonormal=self.is_orthonormal,
            is_unit=self.is_unit,
            is_centred=self.is_centred,
            noise=self.noise,
            dtype=dtype,
        )
