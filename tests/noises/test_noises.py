"""What each noise is, beyond the laws."""

import math

import pytest
import torch

from deqviz.core.catalog import NOISES, OPERATORS, discover
from deqviz.core.space import Space, norm
from deqviz.noises.worst_direction import WorstDirection

discover("deqviz.operators")
discover("deqviz.noises")


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_complex_noise_has_equal_parts():
    A = OPERATORS["fourier"].build({"fraction": 1.0}, image=Space((1, 64, 64), torch.float64))
    zero = A.codomain.zeros()
    n = NOISES["gaussian"].build({"std": 0.1}).add(zero, A, _rng())
    # 4096 entries: the standard error of a variance is 2.2 %.
    assert float(n.real.var()) == pytest.approx(0.005, rel=0.08)
    assert float(n.imag.var()) == pytest.approx(0.005, rel=0.08)


def test_no_gaussian_noise_is_the_clean_data():
    A = OPERATORS["denoising"].build({}, image=Space((1, 16, 16)))
    x = A.image.random(_rng())
    assert torch.equal(NOISES["gaussian"].build({"std": 0.0}).add(x, A, _rng()), x)


def test_poisson_counts():
    A = OPERATORS["denoising"].build({}, image=Space((1, 64, 64), torch.float64))
    clean = torch.full((1, 1, 64, 64), 0.5, dtype=torch.float64)
    y = NOISES["poisson"].build({"peak": 10.0}).add(clean, A, _rng())
    assert torch.equal((10 * y).round(), 10 * y)
    # Mean 0.5 and variance 0.05, from 4096 entries.
    assert float(y.mean()) == pytest.approx(0.5, abs=0.015)
    assert float(y.var()) == pytest.approx(0.05, rel=0.1)


def test_poisson_is_silent_in_the_dark_and_forgives_rounding():
    A = OPERATORS["denoising"].build({}, image=Space((1, 16, 16)))
    clean = torch.zeros(1, 1, 16, 16)
    clean[..., 0, 0], clean[..., 1, 1] = 1.0, -1e-7
    y = NOISES["poisson"].build({}).add(clean, A, _rng())
    assert float(y.flatten()[1:].abs().max()) == 0.0
    assert NOISES["poisson"].build({}).level(torch.zeros(1, 1, 4, 4)) == 0.0


@pytest.mark.parametrize(("key", "reason"), [("fourier", "complex"), ("compressed_sensing", "negative")])
def test_poisson_refuses_what_cannot_be_counted(key: str, reason: str):
    A = OPERATORS[key].build({}, image=Space((1, 16, 16)))
    clean = A(A.image.random(_rng()))
    with pytest.raises(ValueError, match=reason):
        NOISES["poisson"].build({}).add(clean, A, _rng())


@pytest.mark.parametrize("key", ["gaussian_blur", "motion_blur", "super_resolution", "tomography", "fourier"])
def test_worst_direction_is_nearly_the_worst(key: str):
    A = OPERATORS[key].build({}, image=Space((1, 16, 16), torch.float64))
    basis = torch.eye(256, dtype=torch.float64).view(-1, 1, 16, 16)
    rho = 1e-2
    squares = torch.linalg.eigvalsh(A.gram(basis).flatten(1)).clamp_min(0)
    worst = float((squares.sqrt() / (squares + rho)).max())
    adversary = WorstDirection(std=0.1, weight=rho, steps=25)
    clean = torch.zeros(1, *A.codomain.shape, dtype=A.codomain.dtype)
    e = adversary.add(clean, A, _rng())
    found = adversary.amplification(A, e)
    assert found.side == "lower bound"
    assert found.value <= worst * (1 + 1e-6)
    # Singular values crowd near √ρ: power iteration tells the best few apart slowly, and need not.
    assert found.value >= 0.95 * worst
    assert found.value <= 1 / (2 * math.sqrt(rho)) * (1 + 1e-6)
    white = NOISES["gaussian"].build({"std": 0.1}).add(clean, A, _rng())
    assert found.value >= adversary.amplification(A, white).value
    count = A.codomain.size if A.measured is None else int(A.measured.sum())
    assert float(norm(e)) == pytest.approx(0.1 * math.sqrt(count), rel=1e-9)
