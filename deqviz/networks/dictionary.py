"""A dictionary for sparse coding, as weights."""

import torch
from torch import Tensor, nn


class Dictionary(nn.Module):
    """`atoms` (rows × count), columns of length 1, for codes with α = `weight`."""

    def __init__(self, rows: int, count: int, weight: float) -> None:
        """Zeros until weights are read."""
        super().__init__()
        self.weight = weight
        self.atoms = nn.Parameter(torch.zeros(rows, count))

    def normed(self) -> Tensor:
        """The atoms, made to have length 1."""
        return self.atoms / self.atoms.norm(dim=0)
