"""What is recovered: the part the data see, up to the noise, and of the rest what the network began with."""

from itertools import islice

import pytest
import torch

from deqviz.experiments.deep_prior._recovery_model import landweber, periodic_blur, wide_limit
from deqviz.experiments.deep_prior.two_layer import ACTIVATIONS, certificate, draw, evolve

DOUBLE = torch.float64


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("m", [5, 15, 20, 30])
def test_the_limit_splits_into_kernel_and_noise(m: int) -> None:
    draws = draw(
        6, m, 20, 2048, ACTIVATIONS["tanh"], rng(m), is_unit=True, is_centred=True, noise=0.03, dtype=DOUBLE
    )
    limit = wide_limit(draws)
    assert bool((limit.kernel < 1e-9).all()) == (m >= 20)
    step = torch.full((6,), 1.0, dtype=DOUBLE) / torch.linalg.matrix_norm(draws.forward, 2) ** 2
    *_, x = islice(landweber(draws, step / ACTIVATIONS["tanh"].slope_power), 4000)
    if m != 20:  # square Gaussian matrices are too ill-conditioned to arrive
        torch.testing.assert_close((x - draws.truth).norm(dim=1), limit.error, rtol=1e-3, atol=1e-6)


def test_a_wide_network_recovers_what_is_predicted() -> None:
    draws = draw(
        6, 10, 20, 4096, ACTIVATIONS["tanh"], rng(1), is_orthonormal=True, is_unit=True, is_centred=True,
        noise=0.03, dtype=DOUBLE,
    )  # fmt: skip
    *_, last = islice(evolve(draws, certificate(draws).step), 400)
    error = (draws.picture(last.z) - draws.truth).norm(dim=1)
    torch.testing.assert_close(error, wide_limit(draws).error, rtol=0.05, atol=0.0)


def test_the_wider_the_nearer_to_landweber() -> None:
    """An ill-conditioned blur with noise: relative to the truth the way is Landweber's, to 0.15 at k = 4096.

    The distance grows slowly with the iterations: 0.085 after 1500, and 0.18 where ‖x†‖ = 1 and the noise is
    as large as here.
    """
    gaps = []
    for width in (64, 512, 4096):
        draws = draw(
            4, 40, 40, width, ACTIVATIONS["tanh"], rng(2), forward=periodic_blur(40, 1.5), noise=0.05,
            is_centred=True, dtype=DOUBLE,
        )  # fmt: skip
        kernel = draws.reduced * ACTIVATIONS["tanh"].slope(draws.start)[:, None]
        step = 1 / torch.linalg.matrix_norm(kernel, 2) ** 2
        both = zip(evolve(draws, step), landweber(draws, step), strict=False)
        far = [((draws.picture(s.z) - x).norm(dim=1) / draws.truth.norm(dim=1)) for s, x in islice(both, 600)]
        gaps.append(float(torch.stack(far).mean(1).max()))
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.15


def test_what_is_no_blur_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        periodic_blur(1, 1.0)
    A = periodic_blur(9, 1.2)
    torch.testing.assert_close(A.sum(0), torch.ones(9, dtype=DOUBLE))
    torch.testing.assert_close(A, A.mT)
