"""The table of parallel MRI: every method on unseen slices, and at several depths."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev

import torch

from deqviz import images
from deqviz.bench.rows import Row
from deqviz.core.linalg import shifted_inverse
from deqviz.core.metrics import psnr, ssim
from deqviz.core.records import Problem
from deqviz.core.space import Image, Space
from deqviz.core.stop import settle
from deqviz.methods.admm_net import AdmmNet
from deqviz.methods.modl import Modl
from deqviz.methods.mol import Mol
from deqviz.methods.unet import UNet
from deqviz.noises.gaussian import Gaussian
from deqviz.operators.parallel_mri import ParallelMri
from deqviz.regularizers.monotone import Version, network
from deqviz.solvers.picard import Picard
from deqviz.training import head

SIDE = 128
NOISE = 0.005
"""Standard deviation of the data, of images whose brightest part is 1."""
RIDGES = (3e-2, 2e-2, 1e-2, 7e-3, 5e-3, 3e-3, 2e-3, 1e-3)
"""ρ = 1/λ among which SENSE is tuned on the validation slices."""
GRIDS = ((64, 64), (128, 128), (181, 217))

Reconstruct = Callable[[Problem], Image]


@dataclass(frozen=True)
class ImageSet:
    """Slices of one anatomy, 1 × 1 × 128 × 128 each."""

    title: str
    slices: tuple[Image, ...]

    def problems(self, acceleration: float) -> Iterator[tuple[Image, Problem]]:
        """Each slice with its phase, mask and noise, all drawn from its place."""
        for place, plane in enumerate(self.slices):
            rng = torch.Generator().manual_seed(place)
            truth = images.with_phase(plane, rng)
            A = ParallelMri(Space(tuple(truth.shape[1:])), acceleration=acceleration, seed=place)
            yield truth, Problem(A, Gaussian(NOISE).add(A(truth), A, rng), NOISE)


@dataclass(frozen=True)
class Score:
    """PSNR in dB and SSIM of magnitudes, slice by slice."""

    decibels: tuple[float, ...]
    similarity: tuple[float, ...]


def rows(data: Path, only: str) -> Iterator[Row]:
    """R = 4 and 6 on both anatomies, five times the depth, and the certificates; `only` picks by name."""
    parts = {
        "R = 4": lambda: _table(data, 4.0),
        "R = 6": lambda: _table(data, 6.0),
        "depth": lambda: _depth(data),
        "certificate": _certificates,
    }
    for name, make in parts.items():
        if not only or only in name:
            yield from make()


def human(folder: Path, which: range) -> ImageSet:
    """Axial slices of the head that was trained on, from a part that was not."""
    volume = head.read(folder / "mri" / "ch2.nii.gz")
    return ImageSet("head", tuple(head.fitted(plane, SIDE)[None] for plane in volume.axial(which)))


def macaque(folder: Path) -> ImageSet:
    """Axial slices of another anatomy."""
    volume = head.read(folder / "mri" / "inia19-t1-brain.nii.gz")
    return ImageSet(
        "macaque", tuple(head.fitted(plane, SIDE)[None] for plane in volume.axial(range(40, 100, 6)))
    )


def tuned_ridge(folder: Path, acceleration: float) -> float:
    """The ρ of SENSE that is best on the validation slices."""
    image_set = human(folder, head.VALIDATION)
    return max(RIDGES, key=lambda rho: fmean(_score(image_set, acceleration, sense(rho)).decibels))


def sense(rho: float) -> Reconstruct:
    """(A*A + ρ)⁻¹A*y."""

    def reconstruct(problem: Problem) -> Image:
        A = problem.operator
        return shifted_inverse(A.gram, A.adjoint(problem.data), rho, tolerance=1e-6)

    return reconstruct


def _mol(version: Version) -> Reconstruct:
    return lambda p: settle(Mol(version=version).iterates(p), tolerance=1e-5, max_steps=200).x


def _methods(acceleration: float, rho: float) -> dict[str, Reconstruct]:
    methods: dict[str, Reconstruct] = {
        "zero-filled": lambda p: p.operator.adjoint(p.data),
        "SENSE": sense(rho),
        "MoDL": lambda p: _last(Modl(), p),
        "MOL-SN m = 0.1": _mol("strict m = 0.1"),
        "MOL-LR": _mol("approximate"),
    }
    if acceleration == 4:
        methods |= {
            "MOL-SN m = 0.02": _mol("strict m = 0.02"),
            "MOL-SN m = 0.3": _mol("strict m = 0.3"),
            "unconstrained": _mol("unconstrained"),
            "ADMM-Net": lambda p: _last(AdmmNet(), p),
            "U-Net": lambda p: _last(UNet(), p),
        }
    return methods


def _last(method: Modl | AdmmNet | UNet, problem: Problem) -> Image:
    *_, end = method.iterates(problem)
    return end.x


def _score(image_set: ImageSet, acceleration: float, reconstruct: Reconstruct) -> Score:
    decibels, similarity = [], []
    for truth, problem in image_set.problems(acceleration):
        x = reconstruct(problem)
        decibels.append(psnr(x, truth))
        value = ssim(x, truth)
        similarity.append(math.nan if value is None else value)
    return Score(tuple(decibels), tuple(similarity))


def _table(folder: Path, acceleration: float) -> Iterator[Row]:
    rho = tuned_ridge(folder, acceleration)
    yield Row(f"R = {acceleration:g}, SENSE, tuned ρ", rho, "")
    for image_set in (human(folder, head.HELD_OUT[::4]), macaque(folder)):
        means: dict[str, float] = {}
        for name, reconstruct in _methods(acceleration, rho).items():
            score = _score(image_set, acceleration, reconstruct)
            means[name] = fmean(score.decibels)
            title = f"R = {acceleration:g}, {image_set.title}, {name}"
            target = _target(name, means) if acceleration == 4 and image_set.title == "head" else None
            yield Row(f"{title}, PSNR", means[name], "dB", target)
            yield Row(f"{title}, PSNR, standard deviation", pstdev(score.decibels), "dB")
            yield Row(f"{title}, SSIM", fmean(score.similarity), "")
            yield Row(f"{title}, SSIM, standard deviation", pstdev(score.similarity), "")


def _target(name: str, means: dict[str, float]) -> float | None:
    if name == "MOL-SN m = 0.1":
        return round(means["SENSE"] + 1.5, 3)
    if name == "MOL-LR":
        return round(max(means["SENSE"] + 3.5, means["MoDL"] - 1.0), 3)
    return None


def _depth(folder: Path) -> Iterator[Row]:
    """What five times as many iterations change: of the depth of training, or of that of arrival."""
    image_set = human(folder, head.HELD_OUT[::10])
    versions: tuple[tuple[str, Version], ...] = (
        ("MOL-SN m = 0.1", "strict m = 0.1"),
        ("MOL-LR", "approximate"),
    )
    for title, version in versions:
        change = [
            abs(far - near) for near, far in (_equilibrium(p, t, version) for t, p in image_set.problems(4.0))
        ]
        yield Row(f"depth, {title}, change of PSNR at five times", max(change), "dB", 0.05, "at most")
    for title, near, far in (("MoDL", Modl(), Modl(depth=40)), ("ADMM-Net", AdmmNet(), AdmmNet(depth=40))):
        lost = [psnr(_last(near, p), t) - psnr(_last(far, p), t) for t, p in image_set.problems(4.0)]
        yield Row(f"depth, {title}, loss of PSNR at five times", fmean(lost), "dB")


def _equilibrium(problem: Problem, truth: Image, version: Version) -> tuple[float, float]:
    """PSNR where the plain iteration's residual is 10⁻⁴, and at five times as many iterations."""
    method = Mol(version=version, solver=Picard())
    near = settle(method.iterates(problem), tolerance=1e-4, max_steps=200)
    far = settle(method.iterates(problem), tolerance=0.0, max_steps=5 * near.k)
    return psnr(near.x, truth), psnr(far.x, truth)


def _certificates() -> Iterator[Row]:
    """Lip(H) of the strict networks from above, on the grids that are used and on all others."""
    for key in ("mol_sn", "mol_sn_02", "mol_sn_30", "mol_sn_r6", "mol_sn_blur", "mol_sn_inpainting"):
        net = network(key)
        for grid in (*GRIDS, None):
            where = "every grid" if grid is None else f"{grid[0]} × {grid[1]}"
            yield Row(
                f"certificate, {key}, Lip(H), {where}",
                net.norms(grid).lipschitz,
                "",
                1 - net.margin,
                "at most",
            )
    for key in ("mol_3d", "mol_2dt"):
        net = network(key)
        for grid in ((10, 54, 45), None):
            where = "every grid" if grid is None else " × ".join(map(str, grid))
            yield Row(
                f"certificate, {key}, Lip(H), {where}",
                net.norms(grid).lipschitz,
                "",
                1 - net.margin,
                "at most",
            )
