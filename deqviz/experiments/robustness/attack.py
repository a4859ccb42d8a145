"""Attacks on several methods: largest gain found, random gain, local gain and certified bound."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from deqviz.core.records import Problem
from deqviz.core.space import Image, norm
from deqviz.experiments._rows import Experiment, Key, Progress
from deqviz.experiments.robustness._ascent import Budget
from deqviz.experiments.robustness._attack_run import Attack, AttackSettings, NamedMethod
from deqviz.experiments.robustness._robustness_row import RobustnessRow

__all__ = ["LEVELS", "Budget", "NamedMethod", "Robustness", "RobustnessRow"]

LEVELS = (0.005, 0.01, 0.02, 0.05, 0.1)
"""‖δ‖/‖y‖ by default."""


@dataclass(frozen=True)
class Robustness(Experiment[RobustnessRow]):
    """Attacks on some methods, for data perturbed on measured entries by ‖δ‖ = level·‖y‖.

    Ascent begins at the direction of the local gain and at random draws. Solves within it are as exact as its
    level asks for; what is reported is solved to `tolerance`, or as far as rounding lets one. The truth
    is used for the PSNR alone.
    """

    problem: Problem
    contestants: tuple[NamedMethod, ...]
    levels: tuple[float, ...] = LEVELS
    truth: Image | None = None
    budget: Budget = Budget()
    tolerance: float = 1e-6
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what leaves nothing to do, or makes two rows one."""
        keys = [c.key for c in self.contestants]
        if not keys or len(set(keys)) < len(keys):
            raise ValueError(f"At least one method is needed, each under a key of its own, not {keys}.")
        if not self.levels or not all(0 < level < math.inf for level in self.levels):
            raise ValueError(f"Sizes of a perturbation are positive numbers, not {self.levels}.")
        if len(self.problem.data) != 1 or not float(norm(self.problem.data)) > 0:
            raise ValueError("An attack needs one image's data, and data that are not zero.")

    @property
    def row_type(self) -> type[RobustnessRow]:
        """`RobustnessRow`."""
        return RobustnessRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Levels, methods within."""
        return tuple((c.key, level) for level in self.levels for c in self.contestants)

    @torch.no_grad()
    def run(self, known: Sequence[RobustnessRow] = ()) -> Iterator[Progress[RobustnessRow]]:
        """The rows, with the views "clean", "damaged", "perturbation" = A*δ, and "random", of the worst draw.

        Raises ArithmeticError with the method's title where an image is no longer finite.
        """
        have, total, done = {row.key: row for row in known}, len(self.cells), 0
        terms = AttackSettings(self.problem, self.truth, self.budget, self.tolerance, self.seed)
        attacks = tuple(Attack(c, terms) for c in self.contestants)
        for level in self.levels:
            for work in attacks:
                done += 1
                if (row := have.get((work.contestant.key, level))) is not None:
                    yield Progress(done, total, row)
                    continue
                try:
                    for _ in work.attack(level):
                        yield Progress(done - 1, total)
                except ArithmeticError as error:
                    title = work.contestant.title
                    raise ArithmeticError(f"{title}: {error}. Leave this method out.") from None
                yield Progress(done, total, work.row, work.views)
