"""The experiments of the Unrolled page, built from its setting; no Streamlit."""

from collections.abc import Generator, Sequence

import torch

from deqviz import images
from deqviz.core.space import Image
from deqviz.core.streams import stream
from deqviz.experiments.unrolled.baselines import Baseline
from deqviz.experiments.unrolled.inpainting_strip import InpaintingStrip, holes
from deqviz.experiments.unrolled.layer_descent import LayerDescent
from deqviz.experiments.unrolled.layer_noise import LayerNoise
from deqviz.experiments.unrolled.layer_shift import LayerShift
from deqviz.experiments.unrolled.patch_strip import PatchStrip
from deqviz.experiments.unrolled.planar_unrolling import PlanarUnrolling
from deqviz.experiments.unrolled.training_run import TeachingRun
from deqviz.learning.problems import PATCHED, patch_problem, random_problem
from deqviz.networks import _weights
from deqviz.networks.lista import UnrolledSparseCoder
from deqviz.runtime.study import Part
from deqviz.ui.inputs.drawn_mask import seen_pixels
from deqviz.ui.pages.unrolled.setting import IMAGE_SIDES, LAYERS, SHORT, Setting

FACTORS = (1.0, 3.0, 10.0, 20.0)
DEVIATIONS = (0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0)
SHIFTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


def _layers(setting: Setting, rivals: tuple[Baseline, ...]) -> LayerDescent:
    return LayerDescent(
        random_problem(),
        rivals,
        LAYERS,
        setting.rate,
        seed=setting.seed,
        risk=setting.risk,
        ceiling=setting.bound,
    )


def plan(setting: Setting) -> Generator[object, None, tuple[Part, ...]]:
    """What the view needs."""
    yield
    seed = setting.seed
    match setting.view:
        case "Layers":
            rivals = shipped("lista_", setting.rivals)
            return (
                Part("layers", _layers(setting, rivals)),
                Part("plane", PlanarUnrolling(rate=setting.rate, seed=seed)),
            )
        case "Noise":
            deviations = tuple(sorted({*DEVIATIONS, setting.deviation}))
            rivals = shipped("lista_", setting.rivals)
            run = LayerNoise(random_problem(), rivals, deviations, setting.before, LAYERS, seed=seed)
            return (Part("noise", run),)
        case "Shift":
            shifts = tuple(sorted({*SHIFTS, setting.shift}))
            rivals = shipped("lista_", setting.rivals)
            return (
                Part(
                    "shift",
                    LayerShift(random_problem(), rivals, shifts, LAYERS, setting.rate, seed=seed),
                ),
            )
        case "Training":
            teaching = TeachingRun(
                random_problem(),
                setting.teachings,
                LAYERS,
                setting.rate,
                seed=seed,
                is_at_ista=setting.is_at_ista,
            )
            return (Part("teaching", teaching),)
        case "Inpainting":
            truth = in_colour(setting.colour)
            height, width = truth.shape[-2:]
            if setting.hole == "painted":
                mask = seen_pixels(setting.mask, height, width)
            else:
                # Version 1 drew mask and noise from one stream.
                mask_seed = seed if setting.streams == 1 else stream(seed, "mask")
                mask = holes(setting.hole, height, width, torch.Generator().manual_seed(mask_seed))[None]
            others = tuple(k for k in FACTORS if k != setting.factor)
            # What is shown comes last: a study keeps its newest pictures.
            return (
                Part("sweep", InpaintingStrip(truth, mask, factors=others, seed=seed)),
                Part("strip", InpaintingStrip(truth, mask, factors=(setting.factor,), seed=seed)),
            )
        case _:
            keys = [key for key in setting.rivals if key in PATCHED]
            if not keys:
                names = ", ".join(SHORT[key] for key in PATCHED)
                raise ValueError(f"Only {names} are trained for images: choose at least one of them.")
            truth = grey(setting.picture)
            strip = PatchStrip(
                truth, patch_problem(), shipped("lista_patch_", keys), setting.level / 255, seed=seed
            )
            return (Part("patches", strip),)


def shipped(prefix: str, keys: Sequence[str]) -> tuple[Baseline, ...]:
    """The networks of these keys, under their short names."""
    networks: list[Baseline] = []
    for key in keys:
        net = _weights.load(prefix + key)
        assert isinstance(net, UnrolledSparseCoder)
        networks.append(Baseline(SHORT[key], "network", _weights.card(prefix + key).sha256, net))
    return tuple(networks)


def in_colour(key: str) -> Image:
    """A picture of the gallery as the flows want it: three channels, of the size they were trained for."""
    return images.scaled(images.load(key), IMAGE_SIDES["Inpainting"]).expand(-1, 3, -1, -1).contiguous()


def grey(key: str) -> Image:
    """A picture of the gallery as the patches want it: one channel, of the size that is denoised."""
    return images.scaled(images.load(key), IMAGE_SIDES["Pictures"]).mean(1, keepdim=True)
