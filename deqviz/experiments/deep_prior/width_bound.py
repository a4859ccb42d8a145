"""How wide is wide enough, explicitly and with its probability: the width bound of the deep inverse prior.

After Buskulic, Fadili and Quéau, 2023, who leave the constants open; these are derived for signs in V. With
C = √E φ′(X)², matrix Chernoff gives σ_min(J₀) ≥ C/2 with probability 1 − 1/n where k ≥ (64/9) L₁² n log n/C²,
and then R′ < R where k > 256 L₂² n ‖r₀‖²/(σ_A² C⁴).
"""

import math

from scipy.stats import beta
from torch import Tensor

from deqviz.experiments.deep_prior.two_layer import Certificate, Draws

SURE = 1e-6
"""The risk that a share of a few draws is judged too large by chance."""


def chernoff_width(draws: Draws, *, is_centred: bool) -> float:
    """The k from which σ_min(J₀) ≥ C/2 has probability 1 − 1/n: twice that for units in pairs."""
    phi, n = draws.activation, draws.outer.shape[1]
    width = 64 / 9 * phi.steepest**2 * n * math.log(n) / phi.slope_power
    return (2 if is_centred else 1) * width


def factor(*, is_flow: bool) -> int:
    """What stands before L₂² n ‖r₀‖²/(σ_A² C⁴); descent may go twice as far."""
    return 256 if is_flow else 1024


def ball_width(draws: Draws, certificate: Certificate, *, is_flow: bool) -> Tensor:
    """The k from which R′ < R, or 2R′ < R for descent, where σ_min(J₀) ≥ C/2: one number for each draw."""
    phi, n = draws.activation, draws.outer.shape[1]
    size = (certificate.misfit / certificate.sensitivity).square()
    return factor(is_flow=is_flow) * phi.bend**2 * n * size / phi.slope_power**2


def weak(draws: Draws, certificate: Certificate) -> int:
    """How many draws have σ_min(J₀) < C/2."""
    return int((certificate.jacobian < math.sqrt(draws.activation.slope_power) / 2).sum())


def least_share(count: int, draws: int) -> float:
    """A lower limit of the probability of what `count` of `draws` did, at risk SURE (Clopper and Pearson)."""
    return 0.0 if count == 0 else float(beta.ppf(SURE, count, draws - count + 1))
