"""Monotone operator learning: R = Id − H with a periodic network H."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

import torch

from deqviz.core.catalog import REGULARIZERS
from deqviz.core.estimate import Estimate
from deqviz.core.registry import Options
from deqviz.core.regularizer import Constants, Regularizer
from deqviz.core.rounding import RoundingBound
from deqviz.core.space import Image, on_complex
from deqviz.networks import _weights
from deqviz.networks.monotone import MonotoneCNN

Version = Literal["strict m = 0.1", "strict m = 0.02", "strict m = 0.3", "approximate", "unconstrained"]
Task = Literal["MRI R = 4", "MRI R = 6", "blur", "inpainting"]

_KEYS: Mapping[tuple[Task, Version], str] = {
    ("MRI R = 4", "strict m = 0.1"): "mol_sn",
    ("MRI R = 4", "strict m = 0.02"): "mol_sn_02",
    ("MRI R = 4", "strict m = 0.3"): "mol_sn_30",
    ("MRI R = 4", "approximate"): "mol_lr",
    ("MRI R = 4", "unconstrained"): "mol_free",
    ("MRI R = 6", "strict m = 0.1"): "mol_sn_r6",
    ("MRI R = 6", "approximate"): "mol_lr_r6",
    ("blur", "strict m = 0.1"): "mol_sn_blur",
    ("blur", "approximate"): "mol_lr_blur",
    ("inpainting", "strict m = 0.1"): "mol_sn_inpainting",
    ("inpainting", "approximate"): "mol_lr_inpainting",
}


def weights_key(task: Task, version: Version) -> str:
    """The weights of a task and a version, or those of MRI at R = 4, which exist in every version."""
    return _KEYS.get((task, version)) or _KEYS["MRI R = 4", version]


def network(key: str, dtype: torch.dtype = torch.float32, device: str = "cpu") -> MonotoneCNN:
    """The shipped network of a key."""
    net = _weights.load(key, dtype, device)
    assert isinstance(net, MonotoneCNN)
    return net


def apply(net: MonotoneCNN, x: Image) -> Image:
    """H on images of any number of channels, with its Lipschitz constant.

    A grey network takes each channel by itself, a complex one as `on_complex` says.
    """
    if net.channels == 2:
        return on_complex(net, x)
    b, c, h, w = x.shape
    return net(x.reshape(b * c, 1, h, w)).reshape(x.shape)


@cache
def certified_lipschitz(key: str) -> float | None:
    """Lip(H) ≤ this on every periodic grid, as the card has it; None where nothing was constrained."""
    network(key)  # of a card that promises too much there is none
    return _weights.card(key).constants.get("lipschitz")


@REGULARIZERS.register("monotone", title="Monotone network (MOL)", family="Learned")
class Monotone(Regularizer):
    """R(x) = x − H(x) with the network of monotone operator learning, on periodic images of every size.

    strict: Lip(H) ≤ 1 − m by the norms of its layers, so that c ≥ m and L_R ≤ 2 − m. approximate: trained
    against an estimate of the local Lipschitz constant, which proves nothing. unconstrained: neither. Not a
    gradient. Pramanik, Zimmerman and Jacob, 2023, arXiv 2206.04797.
    """

    version: Annotated[
        Version,
        Options(
            "Version",
            "Strict: certified, monotonicity modulus m. Approximate: estimated. Unconstrained: no guarantee.",
        ),
    ] = "strict m = 0.1"
    task: Annotated[Task, Options("Trained for", "Versions that a task lacks are those of MRI, R = 4.")] = (
        "blur"
    )

    @property
    def key(self) -> str:
        """Of the weights."""
        return weights_key(self.task, self.version)

    @property
    def weights(self) -> str:
        """The same."""
        return self.key

    def __call__(self, x: Image) -> Image:
        """x − H(x)."""
        return x - apply(network(self.key, x.dtype, str(x.device)), x)

    def constants(self) -> Constants:
        """c = 1 − L, L_R = 1 + L, and Id − R = H contracts by L."""
        limit, reason = lipschitz(self.key)
        return Constants(
            Estimate("c", 1 - limit, "lower bound"),
            Estimate("L_R", 1 + limit, "upper bound"),
            1.0,
            Estimate("L", limit, "upper bound"),
            reason,
        )

    def rounding(self) -> RoundingBound:
        """That of F, every channel by itself; an imaginary part of 0 adds nothing."""
        return _rounding(self.key)


@cache
def _rounding(key: str) -> RoundingBound:
    return network(key).rounding()


@cache
def lipschitz(key: str) -> tuple[float, str]:
    """The certified bound on Lip(H) and how it is known; of free layers their computed product."""
    certified = certified_lipschitz(key)
    if certified is not None:
        return certified, f"Lip(H) ≤ {certified:.4g} by the norms of its layers, on every grid"
    value = network(key).norms().lipschitz
    if value < 1:
        return value, f"Lip(H) ≤ {value:.4g} by the norms of its layers, although unconstrained"
    return value, f"the layers' norms bound Lip(H) by {value:.3g} only, from which nothing follows"
