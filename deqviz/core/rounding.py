"""A-priori bounds of what rounding does, counted in roundings one after the other."""

import math
from dataclasses import dataclass

import torch

from deqviz.core.space import Batch, Image, norm


def accumulated(roundings: float, dtype: torch.dtype) -> float:
    """γ_n = nu/(1 − nu) for n = `roundings` and the unit u of `dtype`. Higham, 2002, lemma 3.1.

    A sum of n products is off by at most γ_n Σ|a_i||x_i|, in whichever order it is summed, so that a matrix
    product is off by γ_n‖|A|‖‖x‖.
    """
    lost = roundings * torch.finfo(dtype).eps / 2
    return lost / (1 - lost) if lost < 1 else math.inf


@dataclass(frozen=True, slots=True)
class RoundingBound:
    """What a map f of images loses in double precision: ‖fl(f(x)) − f(x)‖ ≤ `relative` ‖x‖ + `offset` √n.

    n counts the entries of x. The numbers that f is made of, weights and thresholds, are exact as they stand
    in double precision.
    """

    relative: float
    offset: float = 0.0

    def at(self, x: Image) -> Batch:
        """The bound for each item of a batch."""
        return self.relative * norm(x) + self.offset * math.sqrt(x[0].numel())


def transform(*sides: int) -> float:
    """n with ‖fl(Fx) − Fx‖ ≤ γ_n‖Fx‖ for the fast Fourier transform F along axes of these lengths.

    A stage of order 2 multiplies by a root of unity, which is itself rounded, and adds: √5 + 1 + 1 (Higham,
    2002, theorem 24.2, with the complex product of Brent, Percival and Zimmermann, 2007). One of a prime
    order p adds p products with two rounded roots each, relative to √p times the result.
    """
    return sum(4.24 if p == 2 else math.sqrt(p) * (p + 6) for n in sides for p in _primes(n))


def _primes(n: int) -> list[int]:
    factors, p = list[int](), 2
    while p * p <= n:
        if n % p:
            p += 1
        else:
            factors.append(p)
            n //= p
    return [*factors, n] if n > 1 else factors
