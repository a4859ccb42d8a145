"""Plug-and-play forward-backward splitting."""

import math
from typing import Annotated, ClassVar, Literal

import torch

from deqviz.core.catalog import METHODS
from deqviz.core.denoiser import Denoiser
from deqviz.core.guarantee import Guarantee
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Evidence, Map, Problem, Solver
from deqviz.core.registry import Options, Pick, Range
from deqviz.core.space import Image, norm
from deqviz.methods import _ball, _denoisers, _guarantees, _theory
from deqviz.methods._ball import Ball
from deqviz.methods._base import FixedPointMethod
from deqviz.solvers.picard import Picard


@METHODS.register("pnp_fbs", title="Plug-and-play (forward-backward)", family="Plug-and-play")
class PnpFbs(FixedPointMethod):
    """A gradient step on the data, then a denoiser in the place of a proximal map.

    x ← D(x − τA*(Ax − y)), D = (1 − λ)Id + λD_σ with the denoiser of level σ_d. With the 1-Lipschitz one
    and τ ≤ 2/‖A‖² the map does not expand, and for λ < 1 it is averaged: the iteration converges wherever
    there is a fixed point. With the unconstrained denoiser nothing is known and it may diverge.
    Venkatakrishnan, Bouman and Wohlberg, 2013; Ryu et al., 2019.
    """

    equation: ClassVar[str] = "x = D_σ(x − τA*(Ax − y))"
    hint: ClassVar[str] = (
        "Try: swap in the unconstrained denoiser. The image may get better, the guarantee is gone."
    )

    solver: Annotated[Solver, Pick("solver", "Solver")] = Picard()
    denoiser: Annotated[
        Literal["contractive", "unconstrained"],
        Options("Denoiser", "1-Lipschitz by construction, or unconstrained: better, without a guarantee"),
    ] = "contractive"
    sigma: Annotated[
        float,
        Range(
            0.2 / 255,
            50 / 255,
            "Denoiser level",
            log=True,
            symbol="σ_d",
            help="Noise std removed per step",
        ),
    ] = 1 / 255
    step: Annotated[
        float,
        Range(
            0.05,
            1.5,
            "Step size",
            symbol="τ",
            help="As a share of 2/‖A‖²; above 1 there is no guarantee",
            advanced=True,
        ),
    ] = 0.9
    relaxation: Annotated[
        float,
        Range(0.1, 1.0, "Relaxation", symbol="λ", help="Below 1 the map is averaged", advanced=True),
    ] = 0.95
    plugged: Denoiser | None = None
    """Of somebody else, in the place of `denoiser`: no parameter, given to `build` beside them."""

    def weights(self, operator: ForwardModel) -> str:
        """Those of the denoiser, unless somebody plugged in another."""
        del operator
        return self.denoiser if self.plugged is None else ""

    def map(self, problem: Problem) -> Map:
        """T."""
        A = problem.operator
        back, tau = A.adjoint(problem.data), self.step * 2 / _theory.bounds(A).top
        D = _denoisers.relaxed(
            self.denoiser, self.sigma, self.relaxation, A.image.dtype, A.image.device, self.plugged
        )

        def f(x: Image) -> Image:
            return D(torch.sub(x, A.gram(x) - back, alpha=tau))

        return f

    def enclosure(self, problem: Problem, x: Ball) -> Ball | None:
        """T(x), with the denoiser that is certified."""
        if not _denoisers.is_certified(self.denoiser, self.plugged):
            return None
        tau = self.step * 2 / _theory.bounds(problem.operator).top
        z = x - tau * _ball.gradient(problem, x)
        return _denoisers.enclosed(self.sigma, self.relaxation, z)

    def theory(self, problem: Problem) -> _theory.Theory:
        """κ = Lip(D_σ) max|1 − τλ| over the spectrum of A*A."""
        bound = _theory.bounds(problem.operator)
        limit = _denoisers.relaxed_lipschitz(self.denoiser, self.relaxation, self.plugged)
        tau = self.step * 2 / bound.top
        if limit is None:
            return _theory.Theory(
                None,
                None,
                None,
                False,
                bound.rounding,
                "",
                obstacle=_denoisers.UNKNOWN,
                void="not verifiable",
                noun="fixed point",
            )
        kappa = limit * max(abs(1 - tau * bound.bottom), 2 * self.step - 1)
        margin = _theory.significant(1 - kappa)
        error = 1 / margin if margin > 0 else None
        too_long = (
            f"the step size τ = {tau:.3g} exceeds 2/‖A‖² = {2 / bound.top:.3g}" if self.step > 1 else ""
        )
        return _theory.Theory(
            margin,
            error,
            limit * tau * math.sqrt(bound.top) * error if error is not None else None,
            is_averaged=self.relaxation < 1 and self.step < 1 and margin >= -_theory.ROUNDING,
            floor=bound.rounding * (1 + tau * bound.top) + bound.learned,
            bias=bound.resolution,
            offset=bound.gradient_error(tau, float(norm(problem.data).max())),
            resolution=bound.resolution,
            because=f"Lip(D_σ) ≤ {limit:.4g}, κ = Lip(D_σ) max|1 − τλ| = {kappa:.5g} for τ = {tau:.3g}",
            obstacle=too_long or "A (nearly) has a null space, and Lip(D_σ) ≤ 1 is not below 1",
            gain_statement="‖x₁ − x₂‖ ≤ τ‖A‖ Lip(D_σ)/(1 − κ) ‖y₁ − y₂‖",
            noun="fixed point",
            claim=_denoisers.claim(self.plugged),
            unproved=_theory.OF_A_NETWORK,
        )

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """The panel of the map."""
        return _guarantees.table(self.theory(problem), self.solver, evidence)
