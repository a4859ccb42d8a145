"""The image prior's table: how good its images get, how near the rules come, and what a step costs.

The variance rule's window, patience and burn-in were chosen on eight other images (coffee, brain, tissue,
retina, brick, page, phantom, galaxies; noise and network of seeds 1 to 4), at the same size and noise: least
mean distance from the peak among the settings that lost no more than 0.8 dB in any of these 32 runs.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from deqviz import images
from deqviz.bench.clock import one_thread
from deqviz.bench.rows import Row
from deqviz.core.space import Image, Space
from deqviz.experiments._rows import only_rows
from deqviz.experiments.deep_prior.image_prior import TARGETS, Hump, HumpRow, Impedance
from deqviz.methods.deep_image_prior import DeepImagePrior, Network
from deqviz.noises.gaussian import Gaussian
from deqviz.operators.denoising import Denoising

SIDE, SIGMA, STEPS = 64, 0.1, 400
PICTURES = ("camera", "astronaut", "coins", "cat")


def rows(only: str) -> Iterator[Row]:
    """All rows of the parts whose name contains `only`; one thread, single precision on the CPU."""
    parts: tuple[tuple[str, Callable[[], Iterator[Row]]], ...] = (
        ("time", _time),
        ("peak", _peak),
        ("stopping", _stopping),
        ("seeds", _seeds),
        ("impedance", _impedance),
    )
    with one_thread():
        for name, part in parts:
            if not only or only in name:
                yield from part()


def _grey(key: str) -> Image:
    return images.scaled(images.load(key), SIDE).mean(1, keepdim=True)


def _smooth_camera() -> Image:
    """scikit-image's camera operator, smoothed by a Gaussian before it is made small."""
    from skimage import data, transform

    small = transform.resize(data.camera() / 255.0, (SIDE, SIDE), anti_aliasing=True)
    return images.from_array(np.asarray(small, np.float32))


def _hump(picture: Image, seed: int = 0) -> list[HumpRow]:
    A = Denoising(Space(tuple(picture.shape[1:])))
    method = DeepImagePrior(seed=seed)
    return list(only_rows(Hump(A, picture, Gaussian(SIGMA), method, STEPS, seed).run()))


def _time() -> Iterator[Row]:
    """Processor time of one thread: other work on the machine does not count."""
    hump = Hump(Denoising(Space((1, SIDE, SIDE))), _grey("camera"))
    cases: tuple[tuple[Network, int, float | None], ...] = (
        ("skip", 16, 15.0),
        ("skip", 32, None),
        ("decoder", 32, None),
        ("deep decoder", 32, None),
    )
    for network, width, target in cases:
        method = DeepImagePrior(network=network, width=width, rule="none")
        stream = method.iterates(hump.problem)
        next(stream)
        each: list[float] = []
        for _ in range(40):
            begun = time.process_time()
            next(stream)
            each.append(time.process_time() - begun)
        name = f"time of an iteration at {SIDE}², {network}, {width} channels"
        yield Row(name, 1e3 * float(torch.tensor(each).median()), "ms", target, "at most")


def _peak() -> Iterator[Row]:
    """The image of the notes."""
    curve = _hump(_smooth_camera())
    best = max(curve, key=lambda row: row.psnr)
    yield Row("peak, camera smoothed as in the notes", best.psnr, "dB", 25.5)
    yield Row("peak, camera smoothed as in the notes: iteration", best.k, "")
    yield Row(f"after {STEPS} iterations", curve[-1].psnr, "dB", best.psnr - 1, "at most")


def _stopping() -> Iterator[Row]:
    """What each rule loses to the peak of the very same run."""
    for key in PICTURES:
        curve = _hump(_grey(key))
        last = curve[-1]
        best = curve[last.oracle].psnr
        yield Row(f"stopping, {key}: peak", best, "dB")
        name = f"stopping, {key}: windowed variance, stops at {last.stopped}, keeps {last.kept}"
        yield Row(f"{name}: below the peak", best - _kept(curve), "dB", 0.8, "at most")
        if last.kept is not None:
            name = f"stopping, {key}: the last picture of that window"
            yield Row(f"{name}: below the peak", best - curve[last.kept].psnr, "dB")
        crossed = curve[last.discrepancy] if last.discrepancy is not None else last
        name = f"stopping, {key}: discrepancy, stops at {last.discrepancy}"
        yield Row(f"{name}: below the peak", best - crossed.psnr, "dB", 0.8, "at most")


def _seeds() -> Iterator[Row]:
    """The variance rule on the same images with other noise and other weights."""
    lost: list[float] = []
    for key in PICTURES:
        for seed in (1, 2):
            curve = _hump(_grey(key), seed)
            lost.append(curve[curve[-1].oracle].psnr - _kept(curve))
    yield Row(
        "seeds 1 and 2, four pictures, windowed variance: mean below the peak", sum(lost) / len(lost), "dB"
    )
    yield Row("seeds 1 and 2, four pictures, windowed variance: worst below the peak", max(lost), "dB")


def _kept(curve: list[HumpRow]) -> float:
    """PSNR of what the variance rule returns; of the last image where it did not stop."""
    last = curve[-1]
    return last.psnr if last.stopped is None else last.kept_psnr


def _impedance() -> Iterator[Row]:
    """Relative loss after some iterations, and the order of the four targets."""
    losses = {row.key: row.loss for row in only_rows(Impedance(_grey("camera"), iterations=STEPS).run())}
    for k in (32, 60, 100, STEPS):
        for target in TARGETS:
            yield Row(f"impedance, {target}: relative loss after {k}", losses[k, target], "")
    picture, noisy, shuffled, noise = (losses[60, target] for target in TARGETS)
    yield Row("impedance: loss of picture + noise over picture, after 60", noisy / picture, "", 1.5)
    yield Row("impedance: of shuffled pixels over picture + noise", shuffled / noisy, "", 1.5)
    yield Row("impedance: of noise over picture + noise", noise / noisy, "", 1.5)
