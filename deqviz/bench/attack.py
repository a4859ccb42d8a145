"""Cost of the search for adversarial perturbations: five ascents at once, as on the page Robustness."""

import time
from collections.abc import Iterator

from deqviz.bench.rows import Row
from deqviz.core.catalog import METHODS
from deqviz.core.registry import Choice
from deqviz.experiments.robustness.attack import Budget, NamedMethod, Robustness
from deqviz.scenario import Scenario

SIDE = 128
LEVEL = 0.02
LIMIT = 30.0
"""Seconds that a row may take."""


def rows(device: str) -> Iterator[Row]:
    """Seconds of one row of each method: clean image, local gain, random draws and five restarts."""
    scenario = Scenario(
        image="brain", size=SIDE, operator=Choice("parallel_mri"), noise=Choice("gaussian", {"std": 0.005})
    )
    problem, _ = scenario.posed(device)
    methods = {
        "MOL-SN": METHODS["mol"].build({}),
        "MOL-LR": METHODS["mol"].build({"version": "approximate"}),
        "MoDL": METHODS["modl"].build({}),
    }
    budget = Budget()
    for title, method in methods.items():
        attack = Robustness(problem, (NamedMethod("one", title, method),), (LEVEL,), budget=budget)
        start = time.perf_counter()
        results = [progress.row for progress in attack.run() if progress.row is not None]
        spent = time.perf_counter() - start
        name = f"attack, MRI at {SIDE}², {title}, {budget.restarts} restarts of {budget.steps} steps"
        yield Row(f"{name}: time", spent, "s", LIMIT, "at most")
        yield Row(f"{name}: gain", results[0].attack, "")
