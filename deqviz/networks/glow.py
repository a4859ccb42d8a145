"""A small normalising flow on images: an exactly invertible network with the latents of every scale."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from deqviz.core.space import Batch

Pixels = Float[Tensor, "b c h w"]
BOUND = 1.0
"""The coupling scales by e^{−BOUND} to e^{BOUND}: rounding cannot grow without limit on the way back."""


class ActNorm(nn.Module):
    """x ↦ e^s (x + t), one s and t per channel; `begin` makes a first batch standard.

    Kingma and Dhariwal, 2018.
    """

    def __init__(self, channels: int) -> None:
        """The identity."""
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(channels, 1, 1))

    @torch.no_grad()
    def begin(self, x: Pixels) -> None:
        """Mean 0 and deviation 1 of every channel of x; what hardly varies is scaled by e² at most."""
        self.offset.copy_(-x.mean((0, 2, 3)).view_as(self.offset))
        deviation = x.std((0, 2, 3)).view_as(self.log_scale)
        self.log_scale.copy_(-(deviation + 1e-3).log().clamp(-2, 2))

    def forward(self, x: Pixels) -> tuple[Pixels, Tensor]:
        """The image and log |det| of one pixel."""
        return self.log_scale.exp() * (x + self.offset), self.log_scale.sum()

    def inverse(self, z: Pixels) -> Pixels:
        """e^{−s} z − t."""
        return (-self.log_scale).exp() * z - self.offset


class Mixing(nn.Module):
    """W = PLU across channels, the same for every pixel; P and the signs of the diagonal stay as they begin.

    log |det W| is the sum of the stored logarithms, and W is inverted by two triangular solves. Kingma and
    Dhariwal, 2018.
    """

    order: Tensor
    signs: Tensor
    identity: Tensor

    def __init__(self, start: Float[Tensor, "c c"]) -> None:
        """Raises RuntimeError where `start` has no inverse."""
        super().__init__()
        P, L, U = torch.linalg.lu(start.double())
        torch.linalg.inv(start.double())
        # As places and not as a matrix: c numbers of a file instead of c².
        self.register_buffer("order", P.argmax(1))
        self.register_buffer("signs", U.diagonal().sign().float())
        self.register_buffer("identity", torch.eye(len(start)), persistent=False)
        self.lower = nn.Parameter(L.tril(-1).float())
        self.upper = nn.Parameter(U.triu(1).float())
        self.log_diagonal = nn.Parameter(U.diagonal().abs().log().float())

    def _factors(self) -> tuple[Tensor, Tensor]:
        lower = self.lower.tril(-1) + self.identity
        return lower, self.upper.triu(1) + (self.signs * self.log_diagonal.exp()).diag()

    def forward(self, x: Pixels) -> tuple[Pixels, Tensor]:
        """W x and log |det W|."""
        lower, upper = self._factors()
        return F.conv2d(x, (lower @ upper)[self.order][:, :, None, None]), self.log_diagonal.sum()

    def inverse(self, z: Pixels) -> Pixels:
        """W⁻¹ z = U⁻¹L⁻¹Pᵀ z."""
        lower, upper = self._factors()
        back = torch.linalg.solve_triangular(lower, self.identity, upper=False, unitriangular=True)
        back = torch.linalg.solve_triangular(upper, back, upper=True)
        return F.conv2d(z, back[:, self.order][:, :, None, None])


class Coupling(nn.Module):
    """(a, b) ↦ (a, e^{s(a)} b + t(a)) with |s| < `BOUND`; s and t by three convolutions.

    Dinh, Sohl-Dickstein and Bengio, 2017.
    """

    def __init__(self, channels: int, hidden: int, rng: torch.Generator) -> None:
        """The identity: the last convolution begins at 0."""
        super().__init__()
        self.left = channels // 2
        shapes = ((hidden, self.left, 3), (hidden, hidden, 1), (2 * (channels - self.left), hidden, 3))
        self.filters = nn.ParameterList()
        self.offsets = nn.ParameterList()
        for place, (outputs, inputs, k) in enumerate(shapes):
            spread = (2 / (inputs * k * k)) ** 0.5 if place < 2 else 0.0
            self.filters.append(nn.Parameter(spread * torch.randn(outputs, inputs, k, k, generator=rng)))
            self.offsets.append(nn.Parameter(torch.zeros(outputs)))

    def _scale_and_shift(self, a: Pixels) -> tuple[Tensor, Tensor]:
        for place, (filters, offset) in enumerate(zip(self.filters, self.offsets, strict=True)):
            a = F.conv2d(a if place == 0 else a.relu(), filters, offset, padding=filters.shape[-1] // 2)
        s, t = a.chunk(2, 1)
        return BOUND * torch.tanh(s), t

    def forward(self, x: Pixels) -> tuple[Pixels, Batch]:
        """The pair and log |det|."""
        a, b = x[:, : self.left], x[:, self.left :]
        s, t = self._scale_and_shift(a)
        return torch.cat([a, s.exp() * b + t], 1), s.flatten(1).sum(1)

    def inverse(self, z: Pixels) -> Pixels:
        """(a, e^{−s(a)}(b − t(a)))."""
        a, b = z[:, : self.left], z[:, self.left :]
        s, t = self._scale_and_shift(a)
        return torch.cat([a, (-s).exp() * (b - t)], 1)


class FlowStep(nn.Module):
    """One step of the flow: normalise, mix the channels, couple one half to the other."""

    def __init__(self, start: Float[Tensor, "c c"], hidden: int, rng: torch.Generator) -> None:
        """With `start` as the mixing, and nothing else."""
        super().__init__()
        self.norm = ActNorm(len(start))
        self.mixing = Mixing(start)
        self.coupling = Coupling(len(start), hidden, rng)

    def forward(self, x: Pixels) -> tuple[Pixels, Batch]:
        """The step and log |det|."""
        x, one = self.norm(x)
        x, other = self.mixing(x)
        x, third = self.coupling(x)
        return x, x.shape[-2] * x.shape[-1] * (one + other) + third

    def inverse(self, z: Pixels) -> Pixels:
        """The way back."""
        return self.norm.inverse(self.mixing.inverse(self.coupling.inverse(z)))


class Flow(nn.Module):
    """f: images ↔ latents, from fine to coarse; each level squeezes 2 × 2 pixels and takes `steps`.

    Of the 4c channels of a level c go on to the next and 3c are its latents, so that every level has the same
    number of channels and costs as many weights. The first mixing of a level begins at Haar's averages and
    differences, the averages go on; later ones begin by exchanging the halves that a coupling treats
    differently. After Kingma and Dhariwal, 2018, who keep half of the channels and begin at random rotations.

    Own blocks, as no maintained library has them: zuko has no convolutional flow, normflows, nflows and FrEIA
    had their last release in 2023, 2020 and 2022, and draw their starts from the global generator.
    """

    def __init__(self, channels: int, levels: int, steps: int, hidden: int, rng: torch.Generator) -> None:
        """Raises ValueError for less than one of anything."""
        super().__init__()
        if min(channels, levels, steps, hidden) < 1:
            raise ValueError(f"No flow has {levels} levels of {steps} steps with {hidden} hidden channels.")
        self.channels, self.factor = channels, 2**levels
        self.levels = nn.ModuleList()
        for _ in range(levels):
            first = haar(channels)
            swap = torch.eye(4 * channels).roll(2 * channels, 0)
            # An odd number of exchanges would leave the averages in the half that does not go on.
            starts = [first if steps % 2 else swap @ first, *[swap] * (steps - 1)]
            self.levels.append(nn.ModuleList(FlowStep(start, hidden, rng) for start in starts))

    def forward(self, x: Pixels) -> tuple[list[Tensor], Batch]:
        """The latents of every level, from fine to coarse, and log |det f′(x)|.

        Raises ValueError where a side is no multiple of 2^levels.
        """
        h, w = x.shape[-2:]
        if h % self.factor or w % self.factor:
            raise ValueError(f"{h} × {w} pixels: both sides must be multiples of {self.factor}. Pad it.")
        latents: list[Tensor] = []
        total = x.new_zeros(len(x))
        for level in self._levels():
            x = F.pixel_unshuffle(x, 2)
            for step in level:
                x, log_det = step(x)
                total = total + log_det
            latents.append(x[:, self.channels :])
            x = x[:, : self.channels]
        latents[-1] = torch.cat([x, latents[-1]], 1)
        return latents, total

    def inverse(self, latents: list[Tensor]) -> Pixels:
        """f⁻¹, exact up to rounding."""
        x = latents[-1][:, : self.channels]
        details = [*latents[:-1], latents[-1][:, self.channels :]]
        for level, detail in zip(self._levels()[::-1], details[::-1], strict=True):
            x = torch.cat([x, detail], 1)
            for step in level[::-1]:
                x = step.inverse(x)
            x = F.pixel_shuffle(x, 2)
        return x

    @torch.no_grad()
    def begin(self, x: Pixels) -> None:
        """Let every normalisation begin at the statistics of a first batch, one after the other."""
        for level in self._levels():
            x = F.pixel_unshuffle(x, 2)
            for step in level:
                step.norm.begin(x)
                x, _ = step(x)
            x = x[:, : self.channels]

    def _levels(self) -> list[list[FlowStep]]:
        return [[step for step in level.children() if isinstance(step, FlowStep)] for level in self.levels]


def haar(channels: int) -> Tensor:
    """The orthogonal matrix from 2 × 2 blocks, channel by channel, to the averages, then the differences."""
    one = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    # Squeezing puts the four pixels of a channel side by side; here they come kind by kind.
    spread = one[:, None, None, :] * torch.eye(channels)[:, :, None]
    return spread.reshape(4 * channels, 4 * channels)
