"""The experiments of the Deep prior page, built from its setting; no Streamlit."""

from collections.abc import Generator
from dataclasses import replace

from deqviz import images
from deqviz.core.operator import ForwardModel
from deqviz.core.registry import Choice
from deqviz.core.space import Space
from deqviz.experiments.deep_prior.image_prior import Hump, Impedance
from deqviz.experiments.deep_prior.momentum import PriorMomentum, ways
from deqviz.experiments.deep_prior.prior_family import PriorFamily
from deqviz.experiments.deep_prior.recovery import LandweberGap, RecoverySplit
from deqviz.experiments.deep_prior.run import PriorRun
from deqviz.experiments.deep_prior.width_diagram import MEASURED, CertifiedWidths, WidthDiagram
from deqviz.methods.deep_image_prior import DeepImagePrior
from deqviz.noises.gaussian import Gaussian
from deqviz.runtime.study import Part
from deqviz.scenario import forward_model
from deqviz.ui.pages.deep_prior.setting import CHOICES, SIDE, Setting

ROWS = 30
"""About as many moments of a run are looked at: each costs singular values."""


def plan(setting: Setting) -> Generator[object, None, tuple[Part, ...]]:
    """The diagram first, for it fills while it is looked at."""
    yield
    parts: list[Part] = []
    family, n = setting.family, setting.unknowns
    if setting.is_phase:
        clean = replace(family, noise=0.0)
        counts = tuple(m for m in MEASURED if m <= n)
        parts.append(Part("phase", WidthDiagram(clean, counts, draws=setting.draws, is_both=setting.is_both)))
        yield
        if not setting.is_both:
            parts.append(Part("certified", CertifiedWidths(clean, counts)))
    if setting.is_run:
        m, k, steps = setting.measured, setting.width, setting.steps
        run = PriorRun(family, m, k, setting.rule, steps=steps, every=steps // ROWS)
        parts.append(Part("run", run))
    yield
    if setting.is_recovery:
        parts.append(Part("split", RecoverySplit(family)))
        parts.append(Part("gap", LandweberGap(family)))
    if setting.is_momentum:
        small = PriorFamily(20, setting.activation, is_unit=setting.is_unit, seed=setting.seed)
        parts.append(Part("momentum", PriorMomentum(small, setting.rank, ways=ways(setting.longest))))
    if setting.is_picture:
        experiment = hump(setting)
        parts.append(Part("hump", experiment))
        if setting.is_impedance:
            count, seed = setting.iterations, setting.seed
            same = Impedance(experiment.picture, experiment.method, setting.sigma, count, seed=seed)
            parts.append(Part("impedance", same))
    return tuple(parts)


def hump(setting: Setting) -> Hump:
    """The network that is fitted to the data of a grey picture."""
    x = images.scaled(images.load(setting.image), SIDE).mean(1, keepdim=True)
    entry, space = CHOICES[setting.operator], Space(tuple(x.shape[1:]))
    # Version 1 drew mask and noise from one stream, where both seeds were 0.
    is_old = setting.streams == 1
    A: ForwardModel = (
        entry.build({}, image=space) if is_old else forward_model(Choice(entry.key), space, setting.seed)
    )
    method = DeepImagePrior(
        network=setting.network,
        jitter=setting.jitter,
        window=setting.window,
        patience=setting.patience,
        seed=setting.seed,
    )
    return Hump(A, x, Gaussian(setting.sigma), method, setting.iterations, setting.seed)
