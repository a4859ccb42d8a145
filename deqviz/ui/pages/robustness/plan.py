"""The experiment of the Robustness page, built from its setting; no Streamlit."""

from collections.abc import Generator

from deqviz.experiments.robustness.attack import Robustness
from deqviz.ui.pages.robustness.setting import Setting


def plan(setting: Setting, device: str = "cpu") -> Generator[object, None, Robustness]:
    """The problem and its truth, then the attacks on all methods, size by size."""
    yield
    problem, truth = setting.scenario.posed(device)
    return Robustness(problem, setting.contestants, setting.sizes, truth, setting.budget, seed=setting.seed)
