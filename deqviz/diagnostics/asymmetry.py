"""Asymmetry of the Jacobian: the distance of a map from being conservative (a gradient)."""

from typing import Annotated

import torch
from torch import Tensor

from deqviz.core.catalog import DIAGNOSTICS
from deqviz.core.estimate import Estimate
from deqviz.core.records import Diagnostic, Subject
from deqviz.core.registry import Range
from deqviz.core.space import inner
from deqviz.diagnostics._jacobian import Jacobian, probe


@DIAGNOSTICS.register("asymmetry", title="Asymmetry of the Jacobian")
class Asymmetry(Diagnostic):
    """‖J − J*‖_F/‖J‖_F at z by random probes: 0 for a gradient, √2 for a generic J, at most 2.

    E‖Mv‖² = ‖M‖²_F for standard normal v. The mean less three of its standard errors (jackknife) is
    reported, so it is a lower bound except about once in a thousand seeds.
    """

    probes: Annotated[int, Range(3, 200, "Probes")] = 20
    seed: Annotated[int, Range(0, 9999, "Seed", advanced=True)] = 0

    def measure(self, subject: Subject) -> Estimate:
        """At `subject.z`."""
        squares = self._squares(subject)
        if squares[:, 1].sum() == 0:
            return Estimate("‖J − J*‖/‖J‖", 0.0, "exact")
        value, error = _ratio(squares)
        return Estimate("‖J − J*‖/‖J‖", max(value - 3 * error, 0.0), "lower bound")

    def mean_and_error(self, subject: Subject) -> tuple[float, float]:
        """The mean over the probes at `subject.z` and its standard error by the jackknife; 0, 0 for J = 0."""
        squares = self._squares(subject)
        return (0.0, 0.0) if squares[:, 1].sum() == 0 else _ratio(squares)

    def _squares(self, subject: Subject) -> Tensor:
        """‖(J − J*)v‖² and ‖Jv‖² of every probe v."""
        J = Jacobian(subject.f, subject.z)
        pairs = []
        for i in range(self.probes):
            v = probe(J.x, 10_000 * self.seed + i)
            forward, backward = J.apply(v), J.adjoint(v)
            skew = forward - backward
            # Both rows and columns estimate ‖J‖; their mean bounds the ratio by 2 for any probes.
            size = 0.5 * (inner(forward, forward) + inner(backward, backward))
            pairs.append(torch.stack([inner(skew, skew).sum(), size.sum()]))
        return torch.stack(pairs).double()


def _ratio(squares: Tensor) -> tuple[float, float]:
    """The root of the ratio of the column sums, and its standard error by the jackknife."""
    total, n = squares.sum(0), len(squares)
    value = (total[0] / total[1]).sqrt()
    without = total - squares
    left_out = (without[:, 0] / without[:, 1].clamp_min(1e-300)).sqrt()
    error = ((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum()).sqrt()
    return float(value), float(error)
