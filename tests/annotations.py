"""Annotations of the package are checked while tests run: of each function, in each test, the first, the
second, the fourth, the eighth call, and so on.

A solver calls the same few functions thousands of times with the same shapes; checking every one of these
calls takes several times as long as making them.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jaxtyping

_strict = jaxtyping.jaxtyped
_calls: dict[int, list[int]] = {}


def begin() -> None:
    """Count the calls of each function from here."""
    for calls in _calls.values():
        calls[0] = 0


def _sampled(fn: Any, typechecker: Callable[..., Any] | None) -> Any:
    # Counted for the code, not for the object: a function inside another is made anew at every call.
    calls, checked = _calls.setdefault(id(fn.__code__), [0]), None

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        nonlocal checked
        calls[0] = n = calls[0] + 1
        if n & (n - 1):  # no power of two
            return fn(*args, **kwargs)
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
