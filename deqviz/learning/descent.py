"""Descending constraints: required decrease per layer in three forms, and their consequences."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from deqviz.learning.sparse_coding import SparseCoding

Merit = Literal["distance", "gradient", "prox-gradient", "objective"]
"""‖y − y*‖, ‖∇f(y)‖ of the smooth part, the length of the proximal gradient, or f(y)."""
Form = Literal["difference of means", "mean of ratios", "ratio of means"]
"""E m_ℓ − (1 − ε)E m_{ℓ−1}, E[m_ℓ/m_{ℓ−1}] − (1 − ε), or E m_ℓ/E m_{ℓ−1} − (1 − ε).

The first and the last hold together; neither follows from the mean of ratios, nor that from them.
"""
TINY = 1e-8
"""Below it a merit counts as this: at a solution there is nothing left to divide by."""


def merits(problem: SparseCoding, merit: Merit, states: list[Tensor], x: Tensor, solution: Tensor) -> Tensor:
    """m_ℓ per item: (K + 1) × b for the states y₀ … y_K."""
    match merit:
        case "distance":
            values = [torch.linalg.vector_norm(y - solution, dim=-1) for y in states]
        case "gradient":
            values = [torch.linalg.vector_norm(problem.gradient(y, x), dim=-1) for y in states]
        case "prox-gradient":
            values = [torch.linalg.vector_norm(problem.prox_gradient(y, x), dim=-1) for y in states]
        case "objective":
            values = [problem.objective(y, x) for y in states]
    return torch.stack(values)


def ratios(merit: Tensor, form: Form) -> Tensor:
    """What is compared with 1 − ε, layer by layer: K numbers from (K + 1) × b merits."""
    if form == "mean of ratios":
        return (merit[1:] / merit[:-1].clamp_min(TINY)).mean(1)
    means = merit.mean(1)
    return means[1:] / means[:-1].clamp_min(TINY)


@dataclass(frozen=True, slots=True)
class Descent:
    """The constraint c_ℓ ≤ 0 on the layers from `first` on: on average each takes `rate` ε of the merit away.

    Hadou, NaderiAlizadeh and Ribeiro, 2024. Raises ValueError where ε is not between 0 and 1.
    """

    merit: Merit = "distance"
    form: Form = "difference of means"
    rate: float = 0.2
    first: int = 1

    def __post_init__(self) -> None:
        """Refuse rates at which nothing, or everything, is asked."""
        if not 0 < self.rate < 1:
            raise ValueError(f"A layer can take a share between 0 and 1 away, not {self.rate}.")
        if self.first < 1:
            raise ValueError("Layers are counted from 1.")

    def slacks(self, merit: Tensor) -> Tensor:
        """c_ℓ for ℓ = first … K, from (K + 1) × b merits; differentiable."""
        kept = merit[self.first - 1 :]
        if self.form == "difference of means":
            means = kept.mean(1)
            return means[1:] - (1 - self.rate) * means[:-1]
        return ratios(kept, self.form) - (1 - self.rate)


def steepest(first: float, last: float, layers: int) -> float:
    """ε_max = 1 − (m*/m₀)^{1/K}: with more, K layers would have to end below the least merit there is."""
    if not 0 <= last <= first or first <= 0:
        raise ValueError(f"The merit falls from a positive value, not from {first} to {last}.")
    return 1 - (last / first) ** (1 / layers)


def envelope(first: float, rate: float, excess: float, layers: int) -> Tensor:
    """(1 − ε)^ℓ E m₀ + ζ(1 − (1 − ε)^ℓ)/ε for ℓ = 0 … K, ζ = `excess`: no mean merit is above it.

    Where all c_ℓ ≤ ζ, c_ℓ being differences of means: E m_ℓ ≤ (1 − ε)E m_{ℓ−1} + ζ, summed up. True of every
    network with its own ζ, so that ζ is the evidence and not the line.
    """
    left = (1 - rate) ** torch.arange(layers + 1, dtype=torch.float64)
    return left * first + max(excess, 0.0) * (1 - left) / rate


def stationarity(first: float, rate: float, excess: float, risk: float, bound: float, layers: int) -> Tensor:
    """ρ^ℓ E‖∇f(y₀)‖ + ((1 − δ)ζ + δM)(1 − ρ^ℓ)/(1 − ρ) with ρ = (1 − δ)(1 − ε), for ℓ = 0 … K.

    What follows where each constraint holds up to ζ = `excess` with probability 1 − δ, δ = `risk`, and
    ‖∇f‖ ≤ M = `bound`; its limit is at most (ζ + δM/(1 − δ))/ε. After Hadou, NaderiAlizadeh and Ribeiro,
    2024. Raises ValueError where δ is no probability below 1.
    """
    if not 0 <= risk < 1:
        raise ValueError(f"A probability below 1 is needed, not {risk}.")
    rho = (1 - risk) * (1 - rate)
    left = rho ** torch.arange(layers + 1, dtype=torch.float64)
    return left * first + ((1 - risk) * excess + risk * bound) * (1 - left) / (1 - rho)
