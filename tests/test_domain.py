"""Weights are used for what they were trained for, or the page says that they are not."""

import dataclasses
import json
from pathlib import Path

import pytest

from deqviz import domain, images
from deqviz.core.registry import Choice
from deqviz.networks._weights import cards
from deqviz.resources import PRETRAINED
from deqviz.scenario import Scenario
from deqviz.training.recipes import RECIPES
from deqviz.ui.pages.batch.setting import PRESETS as BATCH
from deqviz.ui.pages.compare.setting import PRESETS as COMPARE
from deqviz.ui.pages.compare.setting import Setting as Compare
from deqviz.ui.pages.convergence.setting import PRESETS as CONVERGENCE
from deqviz.ui.pages.noise.setting import PRESETS as NOISE
from deqviz.ui.pages.reconstruct.form import PRESETS as RECONSTRUCT
from deqviz.ui.pages.robustness.setting import PRESETS as ROBUSTNESS

MRI = Choice("parallel_mri")
HOLES = Choice("inpainting")


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.key)
def test_a_card_holds_the_domain_of_its_recipe(card):
    plain = json.loads(json.dumps(dataclasses.asdict(RECIPES[card.key].domain)))
    stored = json.loads((Path(PRETRAINED) / f"{card.key}.json").read_text(encoding="utf-8"))
    assert stored["domain"] == plain
    assert card.domain.trained_for == RECIPES[card.key].domain.trained_for


@pytest.mark.parametrize(
    ("scenario", "part"),
    [
        (Scenario(operator=HOLES, method=Choice("modl")), "the operator is Inpainting"),
        (Scenario(method=Choice("modl")), "the operator is Gaussian blur; the image is a photograph"),
        (Scenario(image="brain", method=Choice("unet")), "the operator is Gaussian blur"),
        (Scenario(operator=MRI, method=Choice("admm_net")), "the image is a photograph"),
        (Scenario(image="brain", operator=MRI, method=Choice("glow_prox")), "the operator is Parallel MRI"),
        (Scenario(operator=Choice("gaussian_blur", {"width": 5.0}), method=Choice("mol")), "= 5"),
        (Scenario(operator=Choice("inpainting", {"mask": "text"}), method=Choice("mol")), "mask text"),
        (Scenario(noise=Choice("gaussian", {"std": 0.1}), method=Choice("mol")), "the noise std is 0.1"),
        (Scenario(noise=Choice("poisson"), method=Choice("mol")), "the noise is Poisson"),
        (Scenario(method=Choice("mol", {"version": "unconstrained"})), "the operator is Gaussian blur"),
        (Scenario(image="brain"), "the image is a head slice"),
        (Scenario(image="phantom", method=Choice("pnp_fbs")), "the image is a drawing"),
        (Scenario(operator=MRI, method=Choice("pnp_fbs", {"denoiser": "unconstrained"})), "complex"),
        (Scenario(method=Choice("pnp_hqs", {"denoiser": "unconstrained", "sigma": 0.3 / 255})), "σ_d"),
        (
            Scenario(
                image="brain", operator=Choice("parallel_mri", {"acceleration": 10.0}), method=Choice("mol")
            ),
            "R = 10",
        ),
    ],
)
def test_out_of_domain_is_said(scenario: Scenario, part: str):
    use = domain.use(scenario.validated())
    assert use is not None
    assert use.is_outside
    assert "Out of domain here: " in use.sentence
    assert part in use.sentence


@pytest.mark.parametrize("method", ["modl", "admm_net", "unet", "mol"])
def test_mri_of_a_head_is_what_they_were_trained_for(method: str):
    use = domain.use(Scenario(image="brain", operator=MRI, method=Choice(method)).validated())
    assert use is not None
    assert use.sentence.startswith("Trained for parallel MRI")
    assert not use.is_outside


def test_what_was_not_trained_says_nothing():
    assert domain.use(Scenario(method=Choice("tv")).validated()) is None
    assert domain.use(Scenario(method=Choice("deep_image_prior")).validated()) is None


def test_every_image_has_a_kind():
    assert {p.kind for p in images.gallery()} == {"photograph", "head", "drawing"}


def asked() -> list[domain.Use | None]:
    compared = [Compare(), *(setting for _, setting in COMPARE.values())]
    robust = [setting.validated() for _, setting in ROBUSTNESS.values()]
    batches = [setting.validated() for _, setting in BATCH.values()]
    alone = [setting.validated() for _, setting in (*CONVERGENCE.values(), *NOISE.values())]
    return [
        *(
            domain.use(scenario.validated())
            for scenario in (Scenario(), *(s for _, s in RECONSTRUCT.values()))
        ),
        *(domain.use(s.scenario(i).validated()) for s in compared for i in range(len(s.methods))),
        *(setting.use(key) for setting in (*robust, *batches) for key in setting.methods),
        *(
            domain.of_regularizer(setting.regularizer, setting.operator, setting.image)
            for setting in alone
            if not getattr(setting, "is_model", False)
        ),
    ]


def test_defaults_and_presets_are_in_the_domain_of_their_weights():
    assert [use.sentence for use in asked() if use is not None and use.is_outside] == []
