"""Plug-and-play half-quadratic splitting."""

from typing import Annotated, ClassVar, Literal

from deqviz.core.catalog import METHODS
from deqviz.core.denoiser import Denoiser
from deqviz.core.guarantee import Guarantee
from deqviz.core.operator import ForwardModel
from deqviz.core.records import Evidence, Map, Problem, Solver
from deqviz.core.registry import Options, Pick, Range
from deqviz.core.space import norm
from deqviz.methods import _ball, _denoisers, _guarantees, _theory
from deqviz.methods._ball import Ball
from deqviz.methods._base import FixedPointMethod
from deqviz.methods._resolvent import tikhonov_step
from deqviz.solvers.picard import Picard


@METHODS.register("pnp_hqs", title="Plug-and-play (half-quadratic)", family="Plug-and-play")
class PnpHqs(FixedPointMethod):
    """A Tikhonov step towards the data, then a denoiser, with no step size.

    x ← D(z), z = (A*A + ρ)⁻¹(A*y + ρx), D = (1 − λ)Id + λD_σ with the denoiser of level σ_d, at
    one fixed ρ. The Tikhonov step is firmly nonexpansive, so with the 1-Lipschitz denoiser T does not expand;
    for λ < 1 it is averaged. With the unconstrained denoiser nothing is known and it may diverge.
    Geman and Yang, 1995; Zhang, Zuo, Gu and Zhang, 2017.
    """

    equation: ClassVar[str] = "x = D_σ((A*A + ρ)⁻¹(A*y + ρx))"
    hint: ClassVar[str] = (
        "Try: swap in the unconstrained denoiser and raise its level until the run no longer converges."
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
    ] = 5 / 255
    penalty: Annotated[
        float,
        Range(
            1e-4,
            10.0,
            "Penalty parameter ρ",
            log=True,
            symbol="ρ",
            help="Larger keeps each step nearer to the last image",
        ),
    ] = 0.1
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
        A, solve = problem.operator, tikhonov_step(problem, self.penalty)
        D = _denoisers.relaxed(
            self.denoiser, self.sigma, self.relaxation, A.image.dtype, A.image.device, self.plugged
        )

        return lambda x: D(solve(x, x))

    def enclosure(self, problem: Problem, x: Ball) -> Ball | None:
        """T(x), with the denoiser that is certified."""
        if not _denoisers.is_certified(self.denoiser, self.plugged):
            return None
        return _denoisers.enclosed(self.sigma, self.relaxation, _ball.tikhonov(problem, self.penalty, x))

    def theory(self, problem: Problem) -> _theory.Theory:
        """κ = Lip(D_σ) ρ/(σ_min² + ρ)."""
        bound, rho = _theory.bounds(problem.operator), self.penalty
        limit = _denoisers.relaxed_lipschitz(self.denoiser, self.relaxation, self.plugged)
        floor = bound.step_error(rho) + bound.learned
        if limit is None:
            return _theory.Theory(
                None,
                None,
                None,
                False,
                floor,
                "",
                obstacle=_denoisers.UNKNOWN,
                void="not verifiable",
                noun="fixed point",
            )
        margin = _theory.significant((bound.bottom + rho * (1 - limit)) / (bound.bottom + rho))
        error = 1 / margin if margin > 0 else None
        ground = "by construction" if self.plugged is None else "as stated of what was plugged in"
        step_gain = _theory.equilibrium_gain(bound, rho, 1.0)
        return _theory.Theory(
            margin,
            error,
            limit * step_gain * error if error is not None and step_gain is not None else None,
            is_averaged=self.relaxation < 1 and margin >= -_theory.ROUNDING,
            floor=floor,
            bias=bound.resolution,
            offset=bound.solve_error(rho, float(norm(problem.data).max())),
            resolution=bound.step_resolution(rho),
            because=f"Lip(D_σ) ≤ {limit:.4g} {ground}, κ = Lip(D_σ) ρ/(σ_min² + ρ) = {1 - margin:.5g}",
            obstacle="A (nearly) has a null space, and Lip(D_σ) ≤ 1 is not below 1",
            gain_statement="‖x₁ − x₂‖ ≤ Lip(D_σ) ‖(A*A + ρ)⁻¹A*‖/(1 − κ) ‖y₁ − y₂‖",
            noun="fixed point",
            claim=_denoisers.claim(self.plugged),
            unproved=_theory.OF_A_NETWORK,
        )

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """The panel of the map."""
        return _guarantees.table(self.theory(problem), self.solver, evidence)
