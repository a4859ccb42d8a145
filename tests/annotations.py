"""Annotations of the package are checked while tests run: the first calls of each function in each test.

A solver calls the same few functions thousands of times with the same shapes; checking every one of these
calls takes several times as long as making them.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jaxtyping

CALLS = 30
"""So many calls of a function are checked in each test."""

_strict = jaxtyping.jaxtyped
_left: dict[int, list[int]] = {}


def begin() -> None:
    """Check the next `CALLS` calls of each function."""
    for left in _left.values():
        left[0] = CALLS


def _sampled(fn: Any, typechecker: Callable[..., Any] | None) -> Any:
    # Counted for the code, not for the object: a function inside another is made anew at every call.
    left, checked = _left.setdefault(id(fn.__code__), [CALLS]), None

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        nonlocal checked
        if left[0] <= 0:
            return fn(*args, **kwargs)
        left[0] -= 1
        if checked is None:
            checked = _strict(fn, typechecker=typechecker)
        return checked(*args, **kwargs)

    return call


def _jaxtyped(thing: Any = None, *, typechecker: Callable[..., Any] | None = None) -> Any:
    """What the import hook of jaxtyping puts on every function and class."""
    if thing is None:
        return functools.partial(_jaxtyped, typechecker=typechecker)
    if not isinstance(thing, type):
        return _sampled(thing, typechecker)
    if dataclasses.is_dataclass(thing) and "__init__" in vars(thing):
        thing.__init__ = _sampled(thing.__init__, typechecker)
    return thing


def install() -> None:
    """Before the package is imported."""
    jaxtyping.jaxtyped = _jaxtyped
