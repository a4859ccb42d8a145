"""Hypothesis strategies derived from the parameters of a registered class."""

from typing import Any

from hypothesis import strategies as st

from deqviz.core.registry import Entry, Param, Range


def values(param: Param) -> st.SearchStrategy[Any]:
    """Legal values of one parameter, its bounds among the likely ones; texts and picks keep their default."""
    if isinstance(param.domain, Range):
        low, high = param.domain.low, param.domain.high
        if param.type is int:
            return st.sampled_from([int(low), int(high)]) | st.integers(int(low), int(high))
        return st.sampled_from([low, high]) | st.floats(low, high, allow_subnormal=False)
    if isinstance(param.domain, tuple):
        return st.sampled_from(param.domain)
    return st.booleans() if param.type is bool else st.just(param.default)


def params(entry: Entry[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Legal parameters of an entry."""
    return st.fixed_dictionaries({p.name: values(p) for p in entry.params})


def illegal(param: Param) -> list[Any]:
    """Values that must be refused."""
    if isinstance(param.domain, Range):
        return [param.domain.low - 1, param.domain.high + 1, float("nan"), "x", None, True]
    if isinstance(param.domain, tuple):
        return ["no such option", 1, None]
    return [object()]
