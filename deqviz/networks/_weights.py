"""Trained weights: a safetensors file and its card; nothing is loaded whose sha256 is not the card's."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, overload

import torch
from safetensors.torch import load as parse
from safetensors.torch import save as serialise
from torch import Tensor, nn

from deqviz.networks._domain import Domain
from deqviz.networks.contractive import ContractiveDenoiser
from deqviz.networks.convex_ridge import ConvexRidge
from deqviz.networks.dictionary import Dictionary
from deqviz.networks.glow_prox import GlowProx
from deqviz.networks.lista import Alista, Lista, ListaCP
from deqviz.networks.monotone import MonotoneCNN
from deqviz.networks.unconstrained import UnconstrainedDenoiser
from deqviz.networks.unet import ResidualUNet
from deqviz.resources import PRETRAINED

_NETWORKS: Mapping[str, Callable[..., nn.Module]] = {
    "Alista": Alista,
    "ConvexRidge": ConvexRidge,
    "ContractiveDenoiser": ContractiveDenoiser,
    "Dictionary": Dictionary,
    "GlowProx": GlowProx,
    "Lista": Lista,
    "ListaCP": ListaCP,
    "MonotoneCNN": MonotoneCNN,
    "ResidualUNet": ResidualUNet,
    "UnconstrainedDenoiser": UnconstrainedDenoiser,
}


class WeightsError(RuntimeError):
    """Weights are missing, damaged or do not fit their card; the message says what to do."""


@dataclass(frozen=True)
class Card:
    """Where one weight file comes from and what is known about it."""

    key: str
    title: str
    network: str  # a class of deqviz.networks
    arguments: Mapping[str, int | float]  # of its constructor
    recipe: Mapping[str, Any]
    data: str
    seed: int
    steps: int
    validation_psnr: Mapping[str, float]  # dB per noise level in units of 1/255
    constants: Mapping[str, float]  # certified upper bounds; empty where nothing is promised
    sha256: str
    torch_version: str
    date: str
    license: str = "BSD-3-Clause"
    notes: str = ""
    parameters: int = field(default=0)
    domain: Domain = field(default=Domain("nothing that is known"))


def read_card(path: Path) -> Card:
    """The card in a JSON file."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    return Card(**{**raw, **({"domain": Domain(**raw["domain"])} if "domain" in raw else {})})


def rounded(net: nn.Module, dtype: torch.dtype) -> nn.Module:
    """`net` itself, every weight replaced by the nearest number of `dtype`: as it will be read again.

    Raises ValueError where a weight has no such number near it.
    """
    with torch.no_grad():
        for name, value in net.state_dict().items():
            value.copy_(_stored(name, value, dtype))
    return net


def write(
    net: nn.Module, card: Callable[[str], Card], folder: Path, *, dtype: torch.dtype = torch.float32
) -> Card:
    """Store weights, as `dtype`, and card in `folder`; `card` is given the sha256 of the weight file.

    What is read again is `rounded`; half precision is for weights that were judged after rounding.
    """
    state = {name: _stored(name, value.cpu(), dtype).contiguous() for name, value in net.state_dict().items()}
    blob = serialise(state)
    written = card(hashlib.sha256(blob).hexdigest())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{written.key}.safetensors").write_bytes(blob)
    text = json.dumps(asdict(written), indent=2, ensure_ascii=False)
    (folder / f"{written.key}.json").write_text(text + "\n", encoding="utf-8")
    return written


def _stored(name: str, value: Tensor, dtype: torch.dtype) -> Tensor:
    # Whole numbers beyond 2048 are not halves.
    tensor = value.detach().to(dtype if value.is_floating_point() else torch.float32)
    if not bool(tensor.isfinite().all()):
        raise ValueError(f"The weights {name} are not finite in {dtype}: store them as torch.float32.")
    return tensor


def read(key: str, folder: Path) -> nn.Module:
    """The network `key` of a folder in eval mode, float32, without gradients."""
    path = folder / f"{key}.json"
    if not path.is_file():
        raise WeightsError(_advice(f"there is no card {path}", key))
    card = read_card(path)
    weights = path.with_suffix(".safetensors")
    if not weights.is_file():
        raise WeightsError(_advice(f"the card {path.name} has no {weights.name} beside it", key))
    blob = weights.read_bytes()
    digest = hashlib.sha256(blob).hexdigest()
    if digest != card.sha256:
        problem = f"{weights} has sha256 {digest[:12]}… but its card says {card.sha256[:12]}…"
        raise WeightsError(_advice(problem, key))
    net = _NETWORKS[card.network](**card.arguments)
    net.load_state_dict(parse(blob))
    net = net.eval().requires_grad_(False)
    for name, value in certified(net).items() if card.constants else ():
        # 10⁻⁸: other machines sum otherwise.
        stated = card.constants.get(name, math.inf)
        if not value <= stated * (1 + 1e-8):
            problem = f"the card {path.name} says {name} ≤ {stated:.6g}, but its weights have {value:.6g}"
            raise WeightsError(_advice(problem, key))
    return net


def certified(net: nn.Module) -> Mapping[str, float]:
    """The upper bounds that a card may state, computed from the weights; none of other networks.

    The sha256 is that of the weights alone: whoever edits a card would certify what is not so.
    """
    match net:
        case ConvexRidge() | ContractiveDenoiser():
            return {"lipschitz": net.lipschitz()}
        case MonotoneCNN():
            norms = net.norms()
            return {"lipschitz": norms.lipschitz, "product": norms.product}
        case _:
            return {}


@overload
def load(
    key: Literal["convex_ridge", "convex_ridge_inverse"],
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> ConvexRidge: ...
@overload
def load(
    key: Literal["contractive", "contractive_range", "contractive_deq"],
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> ContractiveDenoiser: ...
@overload
def load(key: str, dtype: torch.dtype = torch.float32, device: str = "cpu") -> nn.Module: ...
def load(key: str, dtype: torch.dtype = torch.float32, device: str = "cpu") -> nn.Module:
    """The shipped network `key`, read once per (key, dtype, device): treat it as immutable."""
    return _load(key, dtype, device)


@cache
def _load(key: str, dtype: torch.dtype, device: str) -> nn.Module:
    return read(key, PRETRAINED).to(dtype=dtype, device=device)


def card(key: str) -> Card:
    """The card of the shipped network `key`."""
    return read_card(PRETRAINED / f"{key}.json")


def cards() -> tuple[Card, ...]:
    """The cards of all shipped weights, by key."""
    return tuple(read_card(path) for path in sorted(PRETRAINED.glob("*.json")))


def _advice(problem: str, key: str) -> str:
    return (
        f"{problem}. Restore the file (install deqviz again, or in a clone git checkout -- pretrained), or "
        f"train it anew: python -m deqviz.training {key} --data FOLDER --out {PRETRAINED}"
    )
