"""Deep image prior: the output of an untrained network, fitted to the data with early stopping."""

import math
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import torch
from torch import Generator, Tensor, nn

from deqviz.core.catalog import METHODS
from deqviz.core.guarantee import Curve, Guarantee, in_letters, quantity
from deqviz.core.records import Evidence, Iterate, Method, Problem, Scalar
from deqviz.core.registry import Options, Range
from deqviz.core.space import Image, Space, norm
from deqviz.methods._base import gap_and_residual
from deqviz.methods._early_stopping import Average, Discrepancy, LeastVariance, Never, Rule, Window
from deqviz.networks.decoder import Decoder
from deqviz.networks.skip import Skip
from deqviz.noises._base import measurements

Network = Literal["skip", "decoder", "deep decoder"]
Stop = Literal["none", "windowed variance", "discrepancy"]
Shown = Literal["current", "average", "kept"]

MISFIT = "data misfit"
"""The scalar ‖Ax_k − y‖/√m over the m measured entries: the noise level is its value at the ground truth."""
VARIANCE = "window variance"
"""The scalar VAR of the last W images, once there are so many."""
KEPT = "kept iteration"
"""The scalar k of what the rule would return now; of a window its end."""

APART = 900_001
"""Between a seed and that of the generator of its network."""

UNCOVERED = (
    "the theorem is about the gradient flow of a wide, fully connected layer with a smooth activation: Adam, "
    "normalisation, leaky ReLU, noise on the input and convolutions are outside its hypotheses"
)
"""Why no theorem on overparametrised networks speaks of this method."""


@METHODS.register("deep_image_prior", title="Deep image prior", family="Untrained")
class DeepImagePrior(Method):
    """The output of an untrained convolutional network that fits the data, on its way from smooth to noisy.

    min ½‖A g(u, θ) − y‖² over the weights θ by Adam, u fixed noise: images are fitted before noise is, so
    the fit must be stopped. Real images end in a sigmoid, complex ones, as two channels, in nothing. The
    gradient comes back through A by A* itself. The residual is ‖x_{k+1} − x_k‖/‖x_{k+1}‖ of the network's
    images x_k = g(u, θ_k), whichever is shown: Adam's steps do not shrink, so it need not go to 0. A rule
    that stops ends the stream, with a last record of what it kept: the image at which the misfit came down
    to the noise, or the mean of the window that varied least, whose last image is late by half a window. A
    start is shown as x₀ and no more: no weights belong to a given image.
    Ulyanov, Vedaldi and Lempitsky, 2018; Wang, Li, Zhuang, Chen, Liang and Sun, 2021, for the windowed
    variance, of which they return the last image; Morozov, 1966, for the discrepancy.
    """

    equation: ClassVar[str] = "min ½‖A g(u, θ) − y‖² over θ, x = g(u, θ)"
    hint: ClassVar[str] = (
        "Try: no stopping rule and some hundred iterations; the PSNR rises and falls again while the data "
        "misfit keeps falling."
    )

    network: Annotated[
        Network,
        Options(
            "Network",
            "Skip: encoder and decoder. Decoder: no encoder. Deep decoder: 1 × 1 convolutions only.",
        ),
    ] = "skip"
    rule: Annotated[
        Stop,
        Options(
            "Stopping rule",
            "Discrepancy principle, or least windowed variance; none: semi-convergence is seen.",
        ),
    ] = "discrepancy"
    shown: Annotated[
        Shown,
        Options("Image shown", "The network's output, its exponential average, or what the rule keeps."),
    ] = "current"
    rate: Annotated[
        float, Range(1e-4, 0.1, "Learning rate", log=True, symbol="η", help="Of Adam; smaller is steadier")
    ] = 0.01
    jitter: Annotated[
        float,
        Range(
            0.0,
            0.1,
            "Input noise",
            help="Std of noise added to u anew in every iteration: a later and flatter peak",
        ),
    ] = 0.0
    width: Annotated[int, Range(4, 128, "Channels", advanced=True, help="Of every level")] = 16
    scales: Annotated[int, Range(1, 6, "Scales", advanced=True, help="Number of downsamplings by 2")] = 3
    weight: Annotated[
        float, Range(0.0, 0.999, "Averaging", advanced=True, help="Decay of the exponential average")
    ] = 0.9
    window: Annotated[
        int, Range(2, 500, "Window", symbol="W", advanced=True, help="Iterates whose variance is taken")
    ] = 30
    patience: Annotated[
        int,
        Range(1, 2000, "Patience", symbol="P", advanced=True, help="Iterations without a smaller variance"),
    ] = 75
    burn_in: Annotated[
        int, Range(0, 2000, "Burn-in", advanced=True, help="First iterations that the variance rule skips")
    ] = 60
    seed: Annotated[int, Range(0, 9999, "Seed", advanced=True, help="Draws the weights and u")] = 0

    def stopping(self, noise: float) -> Rule:
        """The rule, fresh, for data of this noise level."""
        match self.rule:
            case "none":
                return Never()
            case "windowed variance":
                return LeastVariance(self.patience, self.burn_in)
            case "discrepancy":
                return Discrepancy(noise)

    @torch.no_grad()
    def iterates(self, problem: Problem, start: Image | None = None) -> Iterator[Iterate]:
        """One gradient per record; every image of a batch has a network and a rule of its own."""
        A, y = problem.operator, problem.data
        if len(y) == 1:
            yield from self._single(problem, start)
            return
        alone = [Problem(A, y[i : i + 1], problem.noise) for i in range(len(y))]
        first = [None if start is None else start[i : i + 1] for i in range(len(y))]
        streams = [self._single(p, x) for p, x in zip(alone, first, strict=True)]
        now = [next(stream) for stream in streams]
        is_over = False
        while not is_over:
            yield _together(now)
            # Those that have stopped wait with what they kept.
            after = [next(stream, None) for stream in streams]
            is_over = all(new is None for new in after)
            now = [old if new is None else new for old, new in zip(now, after, strict=True)]

    def _single(self, problem: Problem, start: Image | None) -> Iterator[Iterate]:
        A, y = problem.operator, problem.data
        fit = Fit(self, A.image)
        window, average, rule = Window(self.window), Average(self.weight), self.stopping(problem.noise)
        m = measurements(A)
        x, k, kept = fit.picture(), 0, None
        while True:
            r = A(x) - y
            size = norm(r)[0]
            misfit, variance, mean = size / math.sqrt(m), window.push(x), average.push(x)
            verdict = rule.judge(k, variance, misfit)
            fit.step(A.adjoint(r))
            after = fit.picture()
            gap, residual = gap_and_residual(x, after)
            best = mean if self.shown == "average" else x
            scalars: dict[str, Scalar] = {MISFIT: misfit}
            if variance is not None:
                scalars[VARIANCE] = variance
            if verdict.keeps or kept is None:
                scalars[KEPT] = size.new_tensor(k)
                is_mean = self.rule == "windowed variance" and variance is not None
                kept = Iterate(
                    k,
                    window.mean().to(x) if is_mean else best,
                    residual,
                    gap,
                    k + 1,
                    0.5 * size.square(),
                    scalars,
                )
            scalars[KEPT] = kept.scalars[KEPT]
            shown = kept.x if self.shown == "kept" else best
            if k == 0 and start is not None:
                shown = start
            yield Iterate(k, shown, residual, gap, k + 1, 0.5 * size.square(), scalars)
            if verdict.stops:
                # What was shown last may be the kept image already.
                if shown is not kept.x:
                    yield Iterate(k + 1, kept.x, kept.residual, kept.gap, k + 1, kept.objective, kept.scalars)
                return
            x, k = after, k + 1

    def guarantees(self, problem: Problem, evidence: Evidence) -> tuple[Guarantee, ...]:
        """None: what is proved of wide networks, with the reason why it is not about this one."""
        del problem
        marks = [m for m in evidence.marks if m.objective is not None]
        measured = None
        if marks and marks[0].objective:
            first = marks[0].objective
            measured = Curve([m.k for m in marks], [math.sqrt((m.objective or 0.0) / first) for m in marks])
        elsewhere = "another draw of weights and input has another limit; a start is shown and not used"
        rows = (
            Guarantee(
                "envelope",
                "A-priori linear rate",
                "‖Ax_k − y‖/‖Ax₀ − y‖ ≤ exp(−σ_A² σ_0² t/4)",
                "not applicable",
                UNCOVERED,
                value=quantity(measured),
            ),
            Guarantee(
                "noise",
                "Early-stopping bound",
                "‖A(x(t) − x†)‖ ≤ 2‖ε‖ for t ≥ t*",
                "not applicable",
                UNCOVERED,
            ),
            Guarantee("uniqueness", "Unique limit", "‖x − x′‖ = 0", "not applicable", elsewhere),
            Guarantee(
                "stability",
                "Stability",
                "‖x₁ − x₂‖ ≤ C ‖y₁ − y₂‖",
                "not applicable",
                "nothing bounds how much a change of the data changes the path of the weights",
                value=quantity(evidence.probes.get("gain"), "‖y₁ − y₂‖", "lower"),
            ),
        )
        return in_letters("deep inverse prior", rows)


class Fit:
    """One network g(u, ·) and Adam on its weights, from the gradient of a loss in the image.

    Kingma and Ba, 2015, with β = (0.9, 0.999), on one vector that all weights are parts of.
    """

    def __init__(self, method: DeepImagePrior, space: Space) -> None:
        """Draw weights and input; raises ValueError for images too small for the network."""
        # Of the noise's own seed the weights would be drawn from the same numbers.
        self._rng = Generator().manual_seed(method.seed + APART)
        net = _network(method, space, self._rng)
        self._u = net.draw(self._rng).to(space.device, space.real_dtype)
        self._net = net.to(space.device, space.real_dtype)
        self._rate, self._jitter = method.rate, method.jitter
        self._weights = list(self._net.parameters())
        self._theta = nn.utils.parameters_to_vector(self._weights).detach().clone()
        # Views: what Adam does to the vector is done to the network.
        nn.utils.vector_to_parameters(self._theta, self._weights)
        self._mean, self._square = torch.zeros_like(self._theta), torch.zeros_like(self._theta)
        self._count = 0
        self._output: Tensor | None = None

    def picture(self) -> Image:
        """x = g(u + jitter·n, θ), and its graph for `step`."""
        u = self._u
        if self._jitter:
            u = u + self._jitter * torch.randn(u.shape, generator=self._rng).to(u)
        with torch.enable_grad():
            x: Tensor = self._net(u)
        self._output = x
        return x.detach()

    def step(self, gradient: Image) -> None:
        """One step of Adam along Jᵀ∇, `gradient` being that of the loss in the last image."""
        assert self._output is not None
        parts = torch.autograd.grad(self._output, self._weights, gradient)
        self._output = None
        g = torch.cat([part.reshape(-1) for part in parts])
        self._count += 1
        self._mean.lerp_(g, 0.1)
        self._square.mul_(0.999).addcmul_(g, g, value=0.001)
        spread = (self._square / (1 - 0.999**self._count)).sqrt_().add_(1e-8)
        self._theta.addcdiv_(self._mean, spread, value=-self._rate / (1 - 0.9**self._count))


def _network(method: DeepImagePrior, space: Space, rng: Generator) -> Skip | Decoder:
    channels, height, width = space.shape
    shape, is_real = (channels, height, width), channels != 2
    if method.network == "skip":
        return Skip(shape, method.width, method.scales, is_bounded=is_real, rng=rng)
    size = 1 if method.network == "deep decoder" else 3
    return Decoder(shape, method.width, method.scales, size=size, is_bounded=is_real, rng=rng)


def _together(items: list[Iterate]) -> Iterate:
    """One record of a batch: every number is that of the worst image."""
    names = dict.fromkeys(name for item in items for name in item.scalars)

    def worst(values: list[Scalar]) -> Tensor:
        return torch.stack([torch.as_tensor(v) for v in values]).max()

    return Iterate(
        max(item.k for item in items),
        torch.cat([item.x for item in items]),
        worst([item.residual for item in items]),
        worst([item.gap for item in items]),
        max(item.evaluations for item in items),
        worst([item.objective for item in items if item.objective is not None]),
        {n: worst([item.scalars[n] for item in items if n in item.scalars]) for n in names},
    )
