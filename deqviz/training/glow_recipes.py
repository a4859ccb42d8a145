"""GLOW-Prox for inpainting: one network and one budget, with and without descending constraints and noise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deqviz.core.space import norm
from deqviz.learning.descent import Descent
from deqviz.learning.inpainting import gradients, hole_psnr, latent_norms
from deqviz.networks._domain import Domain
from deqviz.networks.glow_prox import GlowProx
from deqviz.operators._holes import HOLES, Hole, holes
from deqviz.training._recipe import Recipe
from deqviz.training.data import pixels
from deqviz.training.samples import Sample

TEST, VALIDATION = 24, 16
"""Images that no training sees: the last ones of the folder are for tables, those before for watching."""
SIDE = 64


@dataclass(frozen=True, kw_only=True)
class HoleSample(Sample):
    """Patches with a mask each, b × 1 × h × w, and the seed of the noise that their layers see."""

    mask: Tensor
    seed: int

    def to(self, device: str) -> "HoleSample":
        """The same sample on another device."""
        clean, y, sigma, mask = (v.to(device) for v in (self.clean, self.y, self.sigma, self.mask))
        return HoleSample(clean, y, sigma, mask=mask, seed=self.seed)

    def pull(self, x: Tensor) -> Tensor:
        """A*(y − Ax) = m·(y − x)."""
        return self.mask * (self.y - x)


class GlowPupil(nn.Module):
    """A network while it trains, with the duals of its constraints: two kinds by L − 1 layers.

    Buffers, so that a checkpoint goes on with them.
    """

    duals: Tensor
    begun: Tensor

    def __init__(self, net: GlowProx) -> None:
        """Duals at 0."""
        super().__init__()
        self.net = net
        self.register_buffer("duals", torch.zeros(2, net.depth - 1))
        self.register_buffer("begun", torch.zeros(()))


@dataclass(frozen=True)
class GlowRecipe(Recipe):
    """min_W max_{ν ≥ 0} E‖x_K − x‖² + Σ ν c, c_ℓ = E[m_ℓ/m_{ℓ−1}] − (1 − ε) for ℓ = 2 … K and two merits m.

    m is the norm of the objective's gradient in x or in z (see `learning.inpainting`), from layer 2 on: that
    in x is 0 at the start. `descent` None is training without constraints; `noise` times a direction of norm
    1/ℓ disturbs the input of layer ℓ. Hadou, NaderiAlizadeh and Ribeiro, 2024.
    """

    stored: ClassVar[torch.dtype] = torch.float16

    batch: int = 8
    patch: int = SIDE
    validation: int = VALIDATION
    layers: int = 5
    levels: int = 4
    flow_steps: int = 2
    hidden: int = 24
    noise: float = 0.0
    descent: Descent | None = None
    dual_rate: float = 1e-2
    error: float = 50.0  # what the objective is divided by; the loop's gradients are cut off at norm 1
    kinds: tuple[Hole, ...] = field(default=HOLES)

    @property
    def data(self) -> str:
        """The rule of the held-out images."""
        excluded = f"the last {TEST} (test) and the {self.validation} before them (validation)"
        patch = f"{self.patch} × {self.patch} pixels at 1 to ¼ of the size"
        return f"train/bsds_color, all pictures but {excluded}; {patch}"

    @property
    def domain(self) -> Domain:
        """Holes in small photographs, without noise."""
        return Domain(
            f"inpainting of colour photographs of {self.patch} × {self.patch} px without noise",
            {"inpainting": {}},
            ("photograph",),
            0.01,
        )

    @property
    def arguments(self) -> dict[str, Any]:
        """Of `GlowProx`."""
        return {
            "layers": self.layers,
            "levels": self.levels,
            "steps": self.flow_steps,
            "hidden": self.hidden,
        }

    def source(self, folder: Path) -> tuple[list[Tensor], list[Tensor]]:
        """Colour images of `folder`/train/bsds_color as bytes, and the middles of the watched ones."""
        training, watched, _ = colour(folder, self.validation)
        return training, [middle(picture, self.patch) for picture in watched]

    def build(self) -> GlowPupil:
        """The network before any flow has seen an image, and duals of 0."""
        return GlowPupil(GlowProx(**self.arguments))

    def sample(self, source: list[Tensor], rng: torch.Generator) -> HoleSample:
        """Patches of random scale, some of them grey, each with its own holes."""
        clean = torch.stack([_patch(source, self.patch, rng) for _ in range(self.batch)])
        drawn = torch.randint(len(self.kinds), (self.batch,), generator=rng).tolist()
        mask = torch.stack([holes(self.kinds[n], self.patch, self.patch, rng) for n in drawn])
        seed = int(torch.randint(2**31, (), generator=rng))
        return HoleSample(clean, mask * clean, clean.new_zeros(len(clean)), mask=mask, seed=seed)

    def loss(self, net: nn.Module, sample: Sample) -> Tensor:
        """The Lagrangian over `error`; the duals of `net` take their step."""
        assert isinstance(net, GlowPupil)
        assert isinstance(sample, HoleSample)
        if not bool(net.begun):
            net.net.begin(sample.y, sample.pull)
            net.begun.fill_(1)
        rng = torch.Generator().manual_seed(sample.seed)
        states = list(net.net.states(sample.y, sample.pull, noise=self.noise, rng=rng))
        total = norm(states[-1].x - sample.clean).square().mean()
        if self.descent is not None:
            merits = gradients(states, sample.pull), latent_norms(states)
            slacks = torch.stack([self.descent.slacks(merit) for merit in merits])
            total = total + (net.duals.clone() * slacks).sum()
            net.duals.copy_((net.duals + self.dual_rate * slacks.detach()).clamp_min(0))
        return total / self.error

    @torch.no_grad()
    def score(self, net: nn.Module, clean: Tensor, seed: int) -> dict[str, float]:
        """PSNR inside the holes, by their kind."""
        assert isinstance(net, GlowProx)
        scores = {}
        for kind in self.kinds:
            height, width = clean.shape[-2:]
            mask = holes(kind, height, width, torch.Generator().manual_seed(seed))[None].to(clean.device)
            one = HoleSample(clean, mask * clean, clean.new_zeros(1), mask=mask, seed=seed)
            *_, last = net.states(one.y, one.pull)
            scores[kind] = hole_psnr(last.x, clean, mask)
        return scores

    def constants(self, net: nn.Module) -> Mapping[str, float]:
        """None: constraints that were trained promise nothing."""
        return {}

    def plain(self, net: nn.Module) -> GlowProx:
        """The network without its duals."""
        assert isinstance(net, GlowPupil)
        copy = GlowProx(**self.arguments)
        copy.load_state_dict(net.net.state_dict())
        return copy.eval().requires_grad_(False)


def colour(folder: Path, validation: int = VALIDATION) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """(training, validation, test) images of `folder`/train/bsds_color, 3 × h × w bytes, by sorted names.

    Raises FileNotFoundError, or ValueError where nothing would be left to train on.
    """
    place = folder / "train" / "bsds_color"
    paths = sorted(place.glob("*.jpg"))
    if not paths:
        raise FileNotFoundError(f"no pictures in {place}: --data is the folder that holds train/bsds_color")
    test = min(TEST, len(paths) // 3)
    if len(paths) <= test + validation:
        raise ValueError(f"{place} has {len(paths)} pictures, and the last {test + validation} are held out")
    tensors = []
    for path in paths:
        tensors.append(torch.from_numpy(pixels(path, "RGB")).permute(2, 0, 1).contiguous())
    test_start = len(tensors) - test
    return (
        tensors[: test_start - validation],
        tensors[test_start - validation : test_start],
        tensors[test_start:],
    )


def middle(picture: Tensor, side: int = SIDE) -> Tensor:
    """The middle square of 3 · `side` pixels, or what there is of it, scaled down to `side`; in [0, 1]."""
    h, w = picture.shape[-2:]
    n = min(3 * side, h, w)
    top, left = (h - n) // 2, (w - n) // 2
    return _scaled(picture[:, top : top + n, left : left + n], side)


def _patch(source: list[Tensor], side: int, rng: torch.Generator) -> Tensor:
    """A square of 1 to 4 times `side` pixels, scaled down, mirrored at random; one in five turned to grey."""
    picture = source[_below(len(source), rng)]
    h, w = picture.shape[-2:]
    n = min(round(side * 4 ** float(torch.rand((), generator=rng))), h, w)
    top, left = _below(h - n + 1, rng), _below(w - n + 1, rng)
    patch = _scaled(picture[:, top : top + n, left : left + n], side)
    patch = patch.flip(2) if _below(2, rng) else patch
    return patch if _below(5, rng) else patch.mean(0, keepdim=True).expand_as(patch)


def _scaled(square: Tensor, side: int) -> Tensor:
    return F.adaptive_avg_pool2d(square.float() / 255, side)


def _below(high: int, rng: torch.Generator) -> int:
    return int(torch.randint(high, (), generator=rng))


# A ratio of means over a batch is met by letting images with large latents pay for those with small ones:
# trained so, ‖z‖ rose by half from layer 2 to 3 wherever single pixels were lost.
_DESCENT = Descent(merit="gradient", form="mean of ratios", rate=0.2, first=2)
_STEPS = 2000

GLOW_RECIPES: tuple[GlowRecipe, ...] = (
    GlowRecipe("glow_prox", "GLOW-Prox, constraints and noise", _STEPS, 2e-3, noise=1.0, descent=_DESCENT),
    GlowRecipe("glow_prox_noise", "GLOW-Prox, noise only", _STEPS, 2e-3, noise=1.0),
    GlowRecipe("glow_prox_descent", "GLOW-Prox, constraints only", _STEPS, 2e-3, descent=_DESCENT),
    GlowRecipe("glow_prox_plain", "GLOW-Prox, plain", _STEPS, 2e-3),
)
