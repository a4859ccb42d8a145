"""Guarantees that were tested on many rows, as lines of the table: how many hold, and how near they come."""

from dataclasses import replace

from deqviz.core.guarantee import Curve, Guarantee
from deqviz.ui.components.run.protocol import number, row, row_of
from deqviz.ui.components.run.records import Row


def named(guarantee: Guarantee, name: str) -> Guarantee:
    """The same inequality under the name of whom it is about: "U: envelope"."""
    return replace(guarantee, name=f"{name}: {guarantee.name[:1].lower()}{guarantee.name[1:]}")


def verdict(guarantee: Guarantee) -> Row:
    """ "holds at 57 of 57 points, tightest ratio 0.97": the largest value/bound of any row."""
    match guarantee.predicted, guarantee.measured:
        case Curve() as above, Curve() as below if below.values:
            limit = dict(zip(above.k, above.values, strict=True))
            shared = [(v, limit[k]) for k, v in zip(below.k, below.values, strict=True) if k in limit]
            kept = sum(v <= bound * (1 + guarantee.slack) for v, bound in shared)
            shares = [v / bound for v, bound in shared if bound > 0]
            ratio = f", tightest ratio {number(max(shares))}" if shares and max(shares) > 0 else ""
            return row_of(guarantee, f"holds at {kept} of {len(shared)} points{ratio}")
        case _:
            return row(guarantee)
