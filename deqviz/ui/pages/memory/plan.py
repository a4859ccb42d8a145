"""The experiments of the Memory page, built from its setting; no Streamlit."""

from collections.abc import Generator
from dataclasses import replace

from deqviz.core.machine import device
from deqviz.experiments.memory.activation_memory import BackwardBytes, unrolled_limit
from deqviz.experiments.memory.fresh_process import FreshProcesses
from deqviz.experiments.memory.gradient_agreement import GradientAgreement
from deqviz.experiments.memory.volume_runs import METHODS, WEIGHTS, VolumeRuns
from deqviz.networks._weights import WeightsError, load
from deqviz.runtime.study import Part
from deqviz.ui.pages.memory.setting import Setting

BUDGET = 750e6
"""Bytes that an unrolled run of the page may hold: it ends there, whatever is asked for."""
BRIEF = 10
"""Steps to the equilibrium in a fresh process, where every step is slower."""


def plan(setting: Setting) -> Generator[object, None, tuple[Part, ...]]:
    """Bytes first, then the pictures, the gradients, and what takes a process of its own."""
    yield
    scan = replace(setting.scan, device=device())
    depth = unrolled_depth(setting)
    solved = tuple(sorted({1, max(1, setting.iterations // 4), setting.iterations}))
    parts = [Part("bytes", BackwardBytes(scan, depth, solved))]
    if setting.has_pictures:
        parts.append(Part("runs", VolumeRuns(scan, _methods(setting))))
    if setting.is_gradient:
        parts.append(Part("gradient", GradientAgreement(setting.small_scan)))
    if setting.is_fresh:
        counts = tuple(sorted({max(1, round(depth * share)) for share in (0.125, 0.25, 0.5, 0.75, 1)}))
        steps = tuple(sorted({1, min(BRIEF, setting.iterations)}))
        parts.append(Part("process", FreshProcesses(setting.scan, counts, steps)))
    return tuple(parts)


def unrolled_depth(setting: Setting) -> int:
    """The unrolled iterations that are measured."""
    return min(setting.iterations, unrolled_limit(setting.scan, BUDGET))


def missing_weights(setting: Setting) -> str:
    """Why the network is not among the methods, as a sentence; empty where it is."""
    try:
        load(WEIGHTS[setting.dimension])
    except WeightsError:
        key = WEIGHTS[setting.dimension]
        return f"MOL is not shown: its weights {key} are not installed."
    return ""


def _methods(setting: Setting) -> tuple[str, ...]:
    return METHODS[:2] if missing_weights(setting) else METHODS
