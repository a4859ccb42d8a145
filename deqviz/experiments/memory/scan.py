"""The scans of the memory experiments: slice, volume or dynamic series, and a strict network."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from deqviz import images, volumes
from deqviz.core.records import Map
from deqviz.core.space import Data, Result, Space, in_phase
from deqviz.methods._monotone import DataStep, forward_backward
from deqviz.networks._spectrum import norm_everywhere
from deqviz.networks.monotone import MonotoneCNN
from deqviz.operators._masks import lines_per_frame, phase_encodings
from deqviz.operators._multicoil import Sampled, ring_scan
from deqviz.operators.parallel_mri import sampling_mask

Dimension = Literal["2D", "3D", "2D+time"]
CENTRE = 0.06
"""Share of the mask around zero frequency that is measured without gaps."""
NOISE = 0.005
"""Standard deviation of each real number of the data; the images' largest magnitude is 1."""
_COARSE = {2: 16, 3: 12}
"""Frequencies per axis at which the layers are bounded: few, hence quick, at the cost of a tighter bound."""
MIXING = -2.0
"""logit of the share t = 0.12 of N in H: with more of it random filters contract faster than trained ones."""


@dataclass(frozen=True)
class Scan:
    """One problem and the size of the network for it; equal scans give equal numbers.

    `shape` is (rows, columns), (slices, rows, columns) or (frames, rows, columns). The strict network has
    `layers` convolutions of size 3 with `width` channels between them, and Lip(H) ≤ 1 − m, m = `margin`.
    """

    dimension: Dimension = "2D"
    shape: tuple[int, ...] = (128, 128)
    width: int = 32
    layers: int = 5
    coils: int = 8
    acceleration: float = 4.0
    margin: float = 0.1
    seed: int = 0
    device: str = "cpu"
    is_double: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no scan, with a sentence."""
        axes = 2 if self.dimension == "2D" else 3
        if len(self.shape) != axes or min(self.shape) < 4:
            raise ValueError(f"A {self.dimension} scan has {axes} axes of 4 cells or more, not {self.shape}.")
        if self.width < 1 or self.layers < 2 or self.coils < 1:
            raise ValueError("At least one channel, two layers and one coil are needed.")
        if self.acceleration < 1 or not 0 < self.margin < 1:
            raise ValueError("The acceleration is 1 or more, and the margin m lies between 0 and 1.")

    @property
    def cells(self) -> int:
        """N, the number of complex unknowns."""
        return math.prod(self.shape)

    @property
    def real(self) -> int:
        """Bytes of a real number."""
        return 8 if self.is_double else 4

    @property
    def space(self) -> Space:
        """(2, *shape): real and imaginary part."""
        dtype = torch.float64 if self.is_double else torch.float32
        return Space((2, *self.shape), dtype, self.device)

    def rng(self, stream: int) -> torch.Generator:
        """The generator of one purpose: drawing more for one changes no other."""
        return torch.Generator().manual_seed(1000 * self.seed + stream)

    def operator(self) -> Sampled:
        """Coils on a ring; points in a slice, two phase encodings in a volume, lines per frame in a film."""
        match self.dimension:
            case "2D":
                rows, columns = self.shape
                mask = sampling_mask("points", (rows, columns), self.acceleration, CENTRE, self.rng(1))
            case "3D":
                mask = phase_encodings(self.shape, self.acceleration, CENTRE, self.rng(1))
            case "2D+time":
                mask = lines_per_frame(self.shape, self.acceleration, CENTRE, self.rng(1))
        return ring_scan(self.space, self.coils, mask, 3 if self.dimension == "3D" else 2)

    def truth(self) -> Tensor:
        """1 × 2 × shape: an image whose magnitude is at most 1, times a smooth random phase."""
        match self.dimension:
            case "2D":
                magnitude = _fitted(images.load("brain", torch.float64)[0, 0], self.shape)
            case "3D":
                magnitude = volumes.head(self.shape)
            case "2D+time":
                magnitude = volumes.beating(self.shape)
        # The phase of a film stands still, as that of its coils.
        still = self.shape if self.dimension == "3D" else self.shape[-2:]
        phase = images.smooth_phase(still, self.rng(2))
        return in_phase(magnitude[None], phase).to(self.device, self.space.dtype)

    def data(self, operator: Sampled, truth: Data) -> Result:
        """A x† and white noise on what is measured."""
        clean = operator.apply(truth)
        noise = Space(tuple(clean.shape[1:]), clean.dtype, self.device).random(self.rng(3))
        # A complex normal number has half its variance in each part.
        return clean + NOISE * 2**0.5 * noise * operator.mask

    def network(self) -> MonotoneCNN:
        """Random filters divided by upper bounds of their norms, so that Lip(H) ≤ 1 − m is certified."""
        axes = len(self.shape)
        net = MonotoneCNN(2, self.width, self.layers, 3, axes, self.margin, seed=self.seed)
        net = net.to(self.device, self.space.dtype)
        with torch.no_grad():
            for filters in (p for name, p in net.named_parameters() if name.endswith("filters")):
                # The quotient is rounded; a part in a million pays for it.
                filters.div_(norm_everywhere(filters, _COARSE[axes]) * (1 + 1e-6))
            net.mixing.fill_(MIXING)
        return net


@dataclass(frozen=True, eq=False)
class Iteration:
    """x ↦ T(x) = (A*A + ρ)⁻¹(A*y + ρH(x)) of a scan with ρ = 1/λ, and where it starts."""

    net: MonotoneCNN
    operator: Sampled
    back: Data
    tolerance: float = 1e-6
    max_steps: int = 200

    def map(self) -> Map:
        """T with a graph of its own to ρ: to be made once per backward pass."""
        rho = (-self.net.log_weight).exp()
        return forward_backward(
            self.net, DataStep(self.operator, self.back, rho, self.tolerance, self.max_steps)
        )

    @torch.no_grad()
    def start(self) -> Data:
        """A*y, of the size of the image wherever it is measured."""
        return self.back.clone()

    def constants(self) -> tuple[Tensor, ...]:
        """What is there without any graph: parameters, coil maps, mask and A*y."""
        return (*self.net.parameters(), self.operator.maps, self.operator.mask, self.back)

    def parameters(self) -> tuple[Tensor, ...]:
        """All that is trained."""
        return tuple(self.net.parameters())


def iteration(scan: Scan, tolerance: float = 1e-6, max_steps: int = 200) -> Iteration:
    """The iteration of a scan on its own data, with a strict network."""
    operator = scan.operator()
    back = operator.adjoint(scan.data(operator, scan.truth()))
    return Iteration(scan.network(), operator, back, tolerance, max_steps)


def per_iteration(scan: Scan) -> int:
    """Bytes that autograd keeps of one T: r[(2 + (L − 1)c)P + (L − 1)cN] + 8rN, r bytes for a real number.

    N are the cells and P = ∏(nᵢ + 2) those of the padded grid. Each convolution keeps its padded input, 2 or
    c channels on P. Each of the L − 1 sorts keeps what it compares, two views of one result, c channels on N;
    the padding keeps nothing, and its copy is the next convolution's input. Of two channels on N there are
    four: x and N(x), which the mixing needs for its share t; H(x) − x, by which ρ is multiplied; and the
    correction of x, which the solve needs for ρ. The solve's iterations keep nothing. Scalars are left out.
    """
    padded = math.prod(n + 2 for n in scan.shape)
    hidden = (scan.layers - 1) * scan.width
    return scan.real * ((2 + hidden) * padded + hidden * scan.cells + 8 * scan.cells)


def _fitted(picture: Tensor, shape: Sequence[int]) -> Tensor:
    rows, columns = shape
    return torch.nn.functional.adaptive_avg_pool2d(picture[None, None], (rows, columns))[0, 0]
