"""Golden figures: the shipped weights on three small pictures, 48 × 48, to 0.05 dB.

python tests/methods/test_golden.py      writes them anew after the weights have changed
"""

import json
import sys
from pathlib import Path

import pytest

from deqviz.core.metrics import psnr
from deqviz.core.registry import Choice
from deqviz.core.stop import settle
from deqviz.scenario import Scenario

SIDE = 48
FILE = Path(__file__).parent / "golden" / "quality.json"
PICTURES = ("camera", "coins", "brain")
METHODS = {
    "tv": Choice("tv"),
    "convex ridge": Choice("equilibrium", {"regularizer": Choice("convex_ridge"), "weight": 0.02}),
    "contractive": Choice("equilibrium"),
    "plug-and-play": Choice("pnp_fbs"),
}


_FOUR, _SIX = Choice("parallel_mri"), Choice("parallel_mri", {"acceleration": 6.0})
_APPROXIMATE = Choice("mol", {"version": "approximate"})
# One line per card of the MOL family in the plane; volumes and films are in test_memory.
WEIGHTS = {
    "mol_sn": (_FOUR, Choice("mol")),
    "mol_sn_02": (_FOUR, Choice("mol", {"version": "strict m = 0.02"})),
    "mol_sn_30": (_FOUR, Choice("mol", {"version": "strict m = 0.3"})),
    "mol_lr": (_FOUR, _APPROXIMATE),
    "mol_free": (_FOUR, Choice("mol", {"version": "unconstrained"})),
    "modl": (_FOUR, Choice("modl")),
    "admm_net": (_FOUR, Choice("admm_net")),
    "unet": (_FOUR, Choice("unet")),
    "mol_sn_r6": (_SIX, Choice("mol")),
    "mol_lr_r6": (_SIX, _APPROXIMATE),
    "modl_r6": (_SIX, Choice("modl")),
    "mol_sn_blur": (Choice("gaussian_blur"), Choice("mol")),
    "mol_lr_blur": (Choice("gaussian_blur"), _APPROXIMATE),
    "mol_sn_inpainting": (Choice("inpainting"), Choice("mol")),
    "mol_lr_inpainting": (Choice("inpainting"), _APPROXIMATE),
}


def figure(picture: str, method: str) -> float:
    return quality(Scenario(image=picture, size=SIDE, method=METHODS[method]))


def of_weights(key: str) -> float:
    operator, method = WEIGHTS[key]
    # Of the first streams, in which the figures were written down: other masks are other problems.
    return quality(Scenario(image="brain", size=SIDE, operator=operator, method=method, streams=1))


def quality(scenario: Scenario) -> float:
    truth = scenario.validated().truth()
    return psnr(settle(scenario.validated().run(), tolerance=1e-5, max_steps=150).x, truth)


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("method", METHODS)
def test_the_quality_is_what_it_was(picture, method):
    assert figure(picture, method) == pytest.approx(json.loads(FILE.read_text())[picture][method], abs=0.05)


@pytest.mark.parametrize("key", WEIGHTS)
def test_the_weights_do_what_they_did(key):
    assert of_weights(key) == pytest.approx(json.loads(FILE.read_text())["weights"][key], abs=0.05)


if __name__ == "__main__":
    golden = {p: {m: round(figure(p, m), 3) for m in METHODS} for p in PICTURES}
    golden["weights"] = {key: round(of_weights(key), 3) for key in WEIGHTS}
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(golden, indent=1) + "\n")
    sys.stdout.write(json.dumps(golden, indent=1) + "\n")
