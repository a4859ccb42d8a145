"""Trained weights: a safetensors file and its card; nothing is loaded whose sha256 is not the card's.

The card is covered by a digest of its own, and the constants that it states are computed from the weights
again: what was changed by hand, in whatever place, lights no theorem.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_origin, overload

import torch
from safetensors.torch import load as parse
from safetensors.torch import save as serialise
from torch import Tensor, nn

from deqviz.core.estimate import Estimate
from deqviz.core.quoted import brief, capitalised, clipped, quoted
from deqviz.core.replacement import replacement
from deqviz.core.terminal import because
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
    digest: str = ""  # of all of the above; those of 0.2.0 have none


_LARGEST = 2**20
"""Bytes of a card, which has some kilobytes."""


def read_card(path: Path) -> Card:
    """The card in a JSON file; raises WeightsError for what is none, or is not as it was written."""
    try:
        with path.open("rb") as file:
            raw = json.loads(file.read(_LARGEST).decode("utf-8-sig"))
        written = _card(raw)
    except OSError as error:
        raise WeightsError(_advice(f"the card {path} cannot be read: {because(error)}", path.stem)) from None
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError):
        raise WeightsError(_advice(f"the card {path} is damaged", path.stem)) from None
    if written.key != path.stem:
        raise WeightsError(_advice(f"the card {path} is that of {quoted(written.key)}", path.stem))
    if written.digest and written.digest != _digest(raw):
        raise WeightsError(_advice(f"the card {path} was changed after it was written", path.stem))
    return written


def _card(raw: Any) -> Card:
    """The card of plain data; raises one of many errors where that is none."""
    written = Card(**{**raw, **({"domain": Domain.of(raw["domain"])} if "domain" in raw else {})})
    for f in fields(Card):
        value, kind = getattr(written, f.name), get_origin(f.type) or f.type
        if not isinstance(value, kind) or isinstance(value, bool):  # pyright: ignore[reportArgumentType]
            raise TypeError(f"{f.name} is no {kind}")
    numbers = (*written.arguments.values(), *written.constants.values(), *written.validation_psnr.values())
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
        raise TypeError("a number is none")
    # Of more than 64 bits there is none, and none has thousands of digits to print.
    if any(abs(n) >= 2**63 for n in (*numbers, written.seed, written.steps, written.parameters)):
        raise ValueError("a number is too large")
    return written


def _digest(raw: Mapping[str, Any]) -> str:
    """The sha256 of a card's content, however its lines are broken, but for the digest itself."""
    body = {name: value for name, value in raw.items() if name != "digest"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def seal(path: Path) -> None:
    """Write the digest of a card anew, after its words or its domain were changed on purpose."""
    raw = json.loads(path.read_text(encoding="utf-8-sig"))
    raw["digest"] = _digest(raw)
    with replacement(path) as file:
        file.write(f"{json.dumps(raw, indent=2, ensure_ascii=False)}\n".encode())


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
    # Of what will be read: JSON has no tuples.
    written = replace(written, digest=_digest(json.loads(json.dumps(asdict(written)))))
    folder.mkdir(parents=True, exist_ok=True)
    with replacement(folder / f"{written.key}.safetensors") as file:
        file.write(blob)
    with replacement(folder / f"{written.key}.json") as file:
        file.write(f"{json.dumps(asdict(written), indent=2, ensure_ascii=False)}\n".encode())
    return written


def _stored(name: str, value: Tensor, dtype: torch.dtype) -> Tensor:
    # Whole numbers beyond 2048 are not halves.
    tensor = value.detach().to(dtype if value.is_floating_point() else torch.float32)
    if not bool(tensor.isfinite().all()):
        raise ValueError(f"The weights {name} are not finite in {dtype}: store them as torch.float32.")
    return tensor


def read(key: str, folder: Path) -> nn.Module:
    """The network `key` of a folder in eval mode, float32, without gradients.

    Raises WeightsError, and nothing else, with what to do.
    """
    path = folder / f"{key}.json"
    if not path.is_file():
        raise WeightsError(_advice(f"there is no card {path}", key))
    card = read_card(path)
    weights = path.with_suffix(".safetensors")
    if not weights.is_file():
        raise WeightsError(_advice(f"the card {path.name} has no {weights.name} beside it", key))
    try:
        blob = weights.read_bytes()
    except OSError as error:
        raise WeightsError(_advice(f"{weights} cannot be read: {because(error)}", key)) from None
    digest = hashlib.sha256(blob).hexdigest()
    if digest != card.sha256:
        problem = f"{weights} has sha256 {digest[:12]}… but its card says {clipped(card.sha256, 12)}…"
        raise WeightsError(_advice(problem, key))
    try:
        net = _network(card, parse(blob))
    except Exception as error:  # whatever a network or the library makes of them
        problem = f"{weights} does not fit its card: {brief(error)}"
        raise WeightsError(_advice(problem, key)) from None
    bounds = certified(net) if card.constants else {}
    for name, stated in card.constants.items():
        if (problem := _overstated(name, stated, bounds.get(name))) is not None:
            raise WeightsError(_advice(f"the card {path.name} says {problem}", key))
    return net


def _network(card: Card, state: Mapping[str, Tensor]) -> nn.Module:
    """The network of a card with these weights; raises one of many errors where they are not its own."""
    for name, value in state.items():
        if not value.is_floating_point() or not bool(value.isfinite().all()):
            raise ValueError(f"{name} has numbers that are none")
    # A card can ask for more than the machine has: it is built only where it asks for what is there.
    asked = math.prod(n for n in card.arguments.values() if isinstance(n, int))
    if asked > 64 * sum(value.numel() for value in state.values()):
        raise ValueError(f"these are too few weights for {card.network} with these arguments")
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in _built(card).state_dict().items()}
    if shapes != {name: value.shape for name, value in state.items()}:
        raise ValueError(f"these are no weights of {card.network} with these arguments")
    net = _built(card)
    net.load_state_dict(state)
    return net.eval().requires_grad_(False)


def _built(card: Card) -> nn.Module:
    if card.network not in _NETWORKS:
        raise ValueError(f"there is no network {quoted(card.network)}")
    return _NETWORKS[card.network](**card.arguments)


def _overstated(name: str, stated: float, computed: Estimate | None) -> str | None:
    """What is wrong with a constant of a card; None where the weights have it."""
    if computed is None:
        return f"{clipped(name)} = {stated:.6g}, which nothing proves of this network"
    is_above, slack = computed.side == "upper bound", 1e-8 * abs(stated)
    # 10⁻⁸: other machines sum otherwise.
    if computed.value <= stated + slack if is_above else stated <= computed.value + slack:
        return None
    return f"{name} {'≤' if is_above else '≥'} {stated:.6g}, but its weights have {computed.value:.6g}"


def certified(net: nn.Module) -> Mapping[str, Estimate]:
    """The bounds that a card may state, computed from the weights; none of other networks."""
    match net:
        case ConvexRidge():  # monotone as the gradient of a convex function
            return {"lipschitz": _above(net.lipschitz()), "monotone": Estimate("c", 0.0, "lower bound")}
        case ContractiveDenoiser():
            return {"lipschitz": _above(net.lipschitz())}
        case MonotoneCNN():
            norms = net.norms()
            return {"lipschitz": _above(norms.lipschitz), "product": _above(norms.product, "∏‖W_i‖")}
        case Dictionary():
            norm = torch.linalg.matrix_norm(net.atoms.detach().double(), 2)
            return {"lipschitz": _above(float(norm.square()), "‖D‖²")}
        case _:
            return {}


def _above(value: float, name: str = "L") -> Estimate:
    return Estimate(name, value, "upper bound")


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
    """The cards of all shipped weights that can be read, by key."""
    return tuple(card for card in map(_tried, sorted(PRETRAINED.glob("*.json"))) if isinstance(card, Card))


def failures() -> tuple[str, ...]:
    """One sentence for each card that cannot be read."""
    return tuple(card for card in map(_tried, sorted(PRETRAINED.glob("*.json"))) if isinstance(card, str))


def _tried(path: Path) -> Card | str:
    try:
        return read_card(path)
    except WeightsError as error:
        return capitalised(str(error))


def _advice(problem: str, key: str) -> str:
    return (
        f"{problem}. Restore the file (install deqviz again, or in a clone git checkout -- pretrained), or "
        f"train it anew with `python -m deqviz.training {key} --data FOLDER --out {PRETRAINED}`."
    )
