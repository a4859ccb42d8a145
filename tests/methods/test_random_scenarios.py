"""Random problems of all methods, operators, solvers and noises: nothing that is certified is violated.

Images that are constant, dark, thin or tiny, no noise, extreme parameters, loose and tight tolerances, one
iteration or many, both precisions. A red lamp in the app must be news.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, takewhile

import pytest
import torch

from deqviz import images
from deqviz.core.catalog import METHODS, NOISES, OPERATORS, REGULARIZERS, SOLVERS
from deqviz.core.records import Evidence, Scalars
from deqviz.core.registry import Choice, Entry, Range, Registry
from deqviz.core.space import Image
from deqviz.core.stopping_rule import StoppingRule
from deqviz.experiments.probe import probes
from deqviz.methods._base import largest_gap
from deqviz.scenario import Scenario, for_operator

CHUNKS, EACH = 16, 20
"""320 scenarios in all."""
LEFT_OUT = ("deep_image_prior", "glow_prox")
"""They state no number, and their networks take as long as all others together."""
LONGEST = {"parallel_mri": 5, "tomography": 5, "mol": 5, "pnp_fbs": 10, "pnp_hqs": 10}
"""Iterations where every evaluation is a run of conjugate gradients, or of a network."""
KERNELS = ("1", "1 2 1; 2 4 2; 1 2 1", "100", "1e-6", "1 -1")


@dataclass(frozen=True)
class Case:
    """A scenario, and the image and the precision that it cannot name."""

    scenario: Scenario
    picture: str
    side: tuple[int, int]
    dtype: torch.dtype

    def truth(self) -> Image:
        """The image, in the channels that the operator wants."""
        key, (rows, columns) = self.picture, self.side
        if key in ("constant", "dark"):
            x = torch.full((1, 1, rows, columns), 0.7 if key == "constant" else 1e-6, dtype=self.dtype)
        else:
            x = images.scaled(images.load(key, self.dtype), max(self.side))[..., :rows, :columns]
        return for_operator(self.scenario.operator.key, x, self.scenario.seed).contiguous()


def drawn(rng: random.Random, entry: Entry) -> Choice:
    """The entry with half of its parameters at random, a fifth of the numbers at an end of their range."""
    params: dict[str, object] = {}
    registries: dict[str, Registry] = {"solver": SOLVERS, "regularizer": REGULARIZERS}
    for p in entry.params:
        if rng.random() < 0.5:
            continue
        if p.name in registries:
            params[p.name] = drawn(rng, rng.choice(list(registries[p.name])))
        elif isinstance(p.domain, tuple):
            params[p.name] = rng.choice(p.domain)
        elif isinstance(p.domain, Range):
            low, high = float(p.domain.low), float(p.domain.high)
            at = rng.choice((0.0, 1.0)) if rng.random() < 0.2 else rng.random()
            value = low * (high / low) ** at if p.domain.log else low + (high - low) * at
            params[p.name] = round(value) if p.type is int else min(max(value, low), high)
        elif p.type is bool:
            params[p.name] = rng.random() < 0.5
    if entry.key == "kernel_blur":
        params |= {"kernel": rng.choice(KERNELS), "scaling": "as given"}
    return Choice(entry.key, params)


def cases(seed: int) -> Iterator[Case]:
    """Endlessly many, those left out whose parameters contradict each other."""
    rng = random.Random(seed)
    methods = [entry for entry in METHODS if entry.key not in LEFT_OUT]
    gallery = [picture.key for picture in images.gallery()]
    while True:
        none = Choice("gaussian", {"std": 0.0})
        scenario = Scenario(
            operator=drawn(rng, rng.choice(list(OPERATORS))),
            noise=none if rng.random() < 0.3 else drawn(rng, rng.choice(list(NOISES))),
            method=drawn(rng, rng.choice(methods)),
            tolerance=10 ** rng.uniform(-8.9, -1),
            iterations=rng.choice((1, 2, 5, 30, 100)),
            seed=rng.randrange(100),
        )
        picture = rng.choice(("constant", "dark", *rng.choices(gallery, k=4)))
        side = rng.choice(((16, 16), (16, 12), (12, 12), (8, 8), (5, 16)))
        dtype = rng.choice((torch.float32, torch.float32, torch.float64))
        parts = (scenario.operator.key, scenario.method.key)
        steps = min(scenario.iterations, *(LONGEST.get(key, 100) for key in parts))
        yield Case(replace(scenario, size=32, iterations=steps), picture, side, dtype)


@torch.no_grad()
def violated(case: Case) -> list[str] | None:
    """What is certified and violated in a run of this case and its probes; None where it is refused."""
    try:
        scenario = case.scenario.validated()
        problem, method = scenario.problem(case.truth()), scenario.build_method()
        stream = method.iterates(problem)
        last = next(stream)
    except ValueError:
        return None  # an operator needs another size, a noise a positive signal: a sentence says which
    rule, marks, first = StoppingRule(scenario.tolerance), [Scalars.of(last)], last.x
    state = rule.judge(marks[0])
    for last in islice(stream, scenario.iterations):
        marks.append(Scalars.of(last))
        if state := rule.judge(marks[-1]):
            break
    values: dict[str, float] = {}
    if state is None or state[0] == "done":
        asked = probes(
            method,
            problem,
            limit=last.x,
            tolerance=scenario.tolerance,
            max_steps=scenario.iterations,
            seed=scenario.seed,
            gap=largest_gap(last),
            main=((0, first),),
        )
        # The landscape takes 169 evaluations: one in four of the quick ones has it.
        is_quick = not {scenario.operator.key, scenario.method.key} & LONGEST.keys()
        is_asked = is_quick and scenario.seed % 4 == 0
        spoken = asked if is_asked else takewhile(lambda probe: probe.key != "landscape", asked)
        values = {probe.key: probe.value for probe in spoken if probe.value is not None}
    guarantees = method.guarantees(problem, Evidence(marks, values))
    return [f"{g.key}: {g.worst}" for g in guarantees if g.claim == "certified" and g.status == "violated"]


@pytest.mark.parametrize("seed", range(CHUNKS))
def test_nothing_that_is_certified_is_violated(seed: int) -> None:
    judged = 0
    for case in cases(seed):
        wrong = violated(case)
        assert not wrong, f"{wrong} in {case}"
        judged += wrong is not None
        if judged == EACH:
            return
