"""Golden figures: the shipped weights on three small pictures, 96 × 96, to 0.05 dB.

python tests/test_golden.py      writes them anew after the weights have changed
"""

import json
import sys
from pathlib import Path

import pytest

from deqviz.core.metrics import psnr
from deqviz.core.registry import Choice
from deqviz.core.stop import settle
from deqviz.scenario import Scenario

FILE = Path(__file__).parent / "golden" / "quality.json"
PICTURES = ("camera", "coins", "brain")
METHODS = {
    "tv": Choice("tv"),
    "convex ridge": Choice("equilibrium", {"regularizer": Choice("convex_ridge"), "weight": 0.02}),
    "contractive": Choice("equilibrium"),
    "plug-and-play": Choice("pnp_fbs"),
}


def figure(picture: str, method: str) -> float:
    scenario = Scenario(image=picture, size=96, method=METHODS[method]).validated()
    truth = scenario.truth()
    return psnr(settle(scenario.run(), tolerance=1e-5, max_steps=300).x, truth)


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("method", METHODS)
def test_the_quality_is_what_it_was(picture, method):
    assert figure(picture, method) == pytest.approx(json.loads(FILE.read_text())[picture][method], abs=0.05)


if __name__ == "__main__":
    golden = {p: {m: round(figure(p, m), 3) for m in METHODS} for p in PICTURES}
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(golden, indent=1) + "\n")
    sys.stdout.write(json.dumps(golden, indent=1) + "\n")
