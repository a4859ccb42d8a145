"""Unrolled networks for sparse coding: LISTA, with coupled weights, and with two scalars a layer."""

import math
from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn


def soft(v: Tensor, threshold: Tensor) -> Tensor:
    """sign(v)·max(|v| − θ, 0), for θ ≥ 0 the proximal map of θ‖·‖₁.

    Training may find a θ < 0, which pushes away from 0. Cut off at 0, thresholds that once got there would
    stay: there is no gradient on that side.
    """
    return v.sign() * (v.abs() - threshold).clamp_min(0)


class UnrolledSparseCoder(nn.Module):
    """y_ℓ = Φ_ℓ(y_{ℓ−1}, x) for ℓ = 1 … K: codes y (b × `atoms`) of signals x (b × `rows`)."""

    def __init__(self, rows: int, atoms: int, layers: int) -> None:
        """Raises ValueError for less than one of anything."""
        super().__init__()
        if min(rows, atoms, layers) < 1:
            raise ValueError(f"No network has {rows} rows, {atoms} atoms and {layers} layers.")
        self.rows, self.atoms, self.depth = rows, atoms, layers

    @abstractmethod
    def layer(self, number: int, y: Tensor, x: Tensor) -> Tensor:
        """Φ_ℓ(y, x) for ℓ = `number`, counted from 1."""

    def states(self, y: Tensor, x: Tensor) -> Iterator[Tensor]:
        """y₀ as given, then the output of every layer."""
        yield y
        for number in range(1, self.depth + 1):
            y = self.layer(number, y, x)
            yield y

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        """y_K."""
        *_, last = self.states(y, x)
        return last


class Lista(UnrolledSparseCoder):
    """y_ℓ = S(W₁y_{ℓ−1} + W₂x, θ) with matrices and thresholds of its own in every layer.

    Gregor and LeCun, 2010. Begins with small random matrices, as in Hadou, NaderiAlizadeh and Ribeiro, 2024,
    unless `begin_at` puts the step of ISTA in their place.
    """

    def __init__(self, rows: int, atoms: int, layers: int = 10, *, seed: int = 0) -> None:
        """Small random weights from the seed."""
        super().__init__(rows, atoms, layers)
        rng = torch.Generator().manual_seed(seed)
        spread = 0.35 / math.sqrt(atoms)
        self.codes = nn.Parameter(spread * torch.randn(layers, atoms, atoms, generator=rng))
        self.signals = nn.Parameter(spread * torch.randn(layers, atoms, rows, generator=rng))
        self.thresholds = nn.Parameter(0.01 * torch.randn(layers, atoms, generator=rng).abs())

    @torch.no_grad()
    def begin_at(self, dictionary: Tensor, weight: float, lipschitz: float) -> None:
        """Every layer the step of ISTA: W₁ = Id − D*D/‖D‖², W₂ = D*/‖D‖², θ = α/‖D‖²."""
        gram = dictionary.mT @ dictionary
        self.codes.copy_((torch.eye(self.atoms) - gram / lipschitz).expand_as(self.codes))
        self.signals.copy_((dictionary.mT / lipschitz).expand_as(self.signals))
        self.thresholds.fill_(weight / lipschitz)

    def layer(self, number: int, y: Tensor, x: Tensor) -> Tensor:
        """S(W₁y + W₂x, θ)."""
        n = number - 1
        return soft(y @ self.codes[n].mT + x @ self.signals[n].mT, self.thresholds[n])


class ListaCP(UnrolledSparseCoder):
    """y_ℓ = S(y_{ℓ−1} + W(x − Dy_{ℓ−1}), θ): LISTA whose matrices are coupled by the dictionary D.

    Chen, Liu, Wang and Yin, 2018. D is part of the weights.
    """

    def __init__(self, rows: int, atoms: int, layers: int = 10) -> None:
        """Zeros until `begin_at` is called or weights are read."""
        super().__init__(rows, atoms, layers)
        self.register_buffer("dictionary", torch.zeros(rows, atoms))
        self.signals = nn.Parameter(torch.zeros(layers, atoms, rows))
        self.thresholds = nn.Parameter(torch.zeros(layers, 1))

    @torch.no_grad()
    def begin_at(self, dictionary: Tensor, weight: float, lipschitz: float) -> None:
        """W = D*/‖D‖² and θ = α/‖D‖² in every layer."""
        assert isinstance(self.dictionary, Tensor)
        self.dictionary.copy_(dictionary)
        self.signals.copy_((dictionary.mT / lipschitz).expand_as(self.signals))
        self.thresholds.fill_(weight / lipschitz)

    def layer(self, number: int, y: Tensor, x: Tensor) -> Tensor:
        """S(y + W(x − Dy), θ)."""
        assert isinstance(self.dictionary, Tensor)
        n = number - 1
        return soft(y + (x - y @ self.dictionary.mT) @ self.signals[n].mT, self.thresholds[n])


class Alista(UnrolledSparseCoder):
    """y_ℓ = S(y_{ℓ−1} + γW*(x − Dy_{ℓ−1}), θ) with two numbers γ and θ a layer; W is computed, not trained.

    W minimises ‖W*D‖_F among the matrices whose columns have inner product 1 with those of D. Liu, Chen, Wang
    and Yin, 2019.
    """

    def __init__(self, rows: int, atoms: int, layers: int = 10) -> None:
        """Zeros until `begin_at` is called or weights are read."""
        super().__init__(rows, atoms, layers)
        self.register_buffer("dictionary", torch.zeros(rows, atoms))
        self.register_buffer("analysis", torch.zeros(rows, atoms))
        self.steps = nn.Parameter(torch.zeros(layers))
        self.thresholds = nn.Parameter(torch.zeros(layers, 1))

    @torch.no_grad()
    def begin_at(self, dictionary: Tensor, weight: float, lipschitz: float) -> None:
        """γ = 1/‖D‖² and θ = α/‖D‖² in every layer."""
        assert isinstance(self.dictionary, Tensor)
        assert isinstance(self.analysis, Tensor)
        self.dictionary.copy_(dictionary)
        self.analysis.copy_(least_coherent(dictionary))
        self.steps.fill_(1 / lipschitz)
        self.thresholds.fill_(weight / lipschitz)

    def layer(self, number: int, y: Tensor, x: Tensor) -> Tensor:
        """S(y + γW*(x − Dy), θ)."""
        assert isinstance(self.dictionary, Tensor)
        assert isinstance(self.analysis, Tensor)
        n = number - 1
        return soft(y + self.steps[n] * ((x - y @ self.dictionary.mT) @ self.analysis), self.thresholds[n])


def least_coherent(dictionary: Tensor) -> Tensor:
    """argmin ‖W*D‖_F over N × M matrices W with ⟨w_i, d_i⟩ = 1, column by column in closed form.

    w_i = G⁻¹d_i/⟨d_i, G⁻¹d_i⟩ with G = DD*, by Lagrange's multiplier. Raises ValueError where the atoms do
    not span all signals: then there is more than one.
    """
    D = dictionary.double()
    gram = D @ D.mT
    if torch.linalg.matrix_rank(gram) < len(gram):
        raise ValueError("The atoms do not span the signals: the least coherent matrix is not unique.")
    W = torch.linalg.solve(gram, D)
    return (W / (W * D).sum(0)).to(dictionary.dtype)
