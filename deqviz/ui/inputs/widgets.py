"""Parameter specs to Streamlit widgets: the only place that knows both.

Every widget's key is the parameter's name in the URL behind "w.", so that a scenario is written into the
widgets by `prefill` and read out of them by `entry_form`. The session's value is also given as the default:
a browser that misses the message which sets it would otherwise start from the first option.
"""

import bisect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import streamlit as st

from deqviz.core.numbers import pretty
from deqviz.core.registry import REGISTRIES, Choice, Entry, Param, Pick, Range, Registry, Text, params_of

Choices = Registry[Any] | Mapping[str, Entry[Any]]
"""What a choice is made from: entries by their keys."""

# R10 preferred numbers: ten steps a decade that a reader can say aloud.
_STEPS = (1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0, 6.3, 8.0)


def log_options(low: float, high: float, value: float) -> list[float]:
    """Preferred numbers in [low, high], both ends and `value` itself included."""
    grid = {low, high}
    for decade in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        grid |= {v for s in _STEPS if low <= (v := float(f"{s}e{decade}")) <= high}
    options = sorted(grid)
    if value not in grid:
        bisect.insort(options, value)
    return options


def prefill(prefix: str, specs: tuple[Param, ...], params: Mapping[str, Any]) -> None:
    """Write parameters into the session's widgets, nested choices included."""
    for p in specs:
        key, value = f"{prefix}.{p.name}", params.get(p.name, p.default)
        if isinstance(p.domain, Pick):
            prefill_choice(key, REGISTRIES[p.domain.kind], value)
        else:
            st.session_state[key] = value


def prefill_choice(key: str, choices: Choices, choice: Choice) -> None:
    """Write a choice and its parameters into the session's widgets."""
    st.session_state[key] = choice.key
    prefill(f"{key}.{choice.key}", choices[choice.key].params, choice.params)


def pick(
    choices: Choices, key: str, label: str, default: str, help: str = "", *, is_titled: bool = False
) -> Entry[Any]:
    """A select box over choices; its value in the session is the entry's key.

    `is_titled` hides the label where a heading above says the same; readers of the screen still hear it.
    """
    keys = choices.menu() if isinstance(choices, Registry) else tuple(choices)
    if st.session_state.get(key) not in keys:
        st.session_state[key] = default
    chosen = st.selectbox(
        label,
        keys,
        keys.index(st.session_state[key]),
        key=key,
        format_func=lambda k: choices[k].option,
        help=help or None,
        label_visibility="collapsed" if is_titled else "visible",
    )
    return choices[chosen]


def choose(choices: Choices, key: str, label: str, default: str, *, is_titled: bool = False) -> Choice:
    """A select box over choices and the widgets of what is chosen, the advanced ones under "More"."""
    entry = pick(choices, key, label, default, is_titled=is_titled)
    prefix = f"{key}.{entry.key}"
    values = entry_form(entry, prefix)
    if any(p.advanced and not _is_implied(p, f"{prefix}.{p.name}") for p in entry.params):
        with st.expander("More"):
            values = merge(values, entry_form(entry, prefix, advanced=True))
    return Choice(entry.key, values)


def several(titles: Mapping[str, str], key: str, label: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Some of the keys of `titles`, in the order in which they were chosen."""
    if key not in st.session_state:
        st.session_state[key] = list(default)
    chosen = st.multiselect(
        label, list(titles), st.session_state[key], key=key, format_func=lambda k: titles[k]
    )
    return tuple(chosen)


def entry_form(entry: Entry[Any], prefix: str, advanced: bool = False) -> dict[str, Any]:
    """One widget per parameter that is advanced, or not; returns their values by name."""
    values: dict[str, Any] = {}
    # What is solved comes before how it is solved; a stable sort keeps the rest as declared.
    for p in sorted(entry.params, key=lambda p: isinstance(p.domain, Pick) and p.domain.kind == "solver"):
        key = f"{prefix}.{p.name}"
        if isinstance(p.domain, Pick):
            values |= _nested(p, p.domain, key, advanced)
        elif p.advanced == advanced:
            values[p.name] = p.default if _is_implied(p, key) else widget(p, key)
    return values


def _is_implied(p: Param, key: str) -> bool:
    """Whether something else decides, as the run's seed about a mask; a link may bring another value."""
    return (
        isinstance(p.domain, Range)
        and p.domain.implied is not None
        and st.session_state.get(key, p.default) == p.domain.implied
    )


def _nested(p: Param, domain: Pick, key: str, advanced: bool) -> dict[str, Any]:
    """A choice from another registry and its parameters; each pass draws only its own half."""
    registry = REGISTRIES[domain.kind]
    if p.advanced == advanced:
        entry = pick(registry, key, p.label or p.name.capitalize(), p.default.key, p.help)
    else:
        # The other half of the form draws the select box: read what it says, or will say.
        chosen = st.session_state.get(key, p.default.key)
        entry = registry[chosen if chosen in registry else p.default.key]
    inner = entry_form(entry, f"{key}.{entry.key}", advanced)
    return {p.name: Choice(entry.key, inner)}


def merge(basic: Mapping[str, Any], advanced: Mapping[str, Any]) -> dict[str, Any]:
    """The two halves of a form put together."""
    out = dict(basic)
    for name, value in advanced.items():
        old = out.get(name)
        if isinstance(old, Choice) and isinstance(value, Choice):
            out[name] = Choice(old.key, merge(old.params, value.params))
        else:
            out[name] = value
    return out


def widget(p: Param, key: str) -> Any:
    """The widget of one parameter."""
    label, text = p.label or p.name.capitalize(), p.help or None
    value = st.session_state.get(key, p.default)
    match p.domain:
        case Range() as r:
            return _number(p, r, key, value)
        case Text():
            st.session_state.setdefault(key, p.default)
            return st.text_area(label, value, key=key, help=text, height=68, max_chars=p.domain.max_length)
        case tuple(options):
            if value not in options:
                value = p.default
            st.session_state[key] = value
            # Short alternatives lie side by side; long ones would wrap, so they become a select box.
            if sum(len(p.text(o)) for o in options) <= 26 and len(options) <= 3:
                return st.segmented_control(
                    label, options, default=value, key=key, format_func=p.text, help=text, required=True
                )
            return st.selectbox(label, options, options.index(value), key=key, format_func=p.text, help=text)
        case _:
            st.session_state.setdefault(key, p.default)
            return st.toggle(label, value, key=key, help=text)


def _number(p: Param, r: Range, key: str, value: Any) -> Any:
    label = r.label or p.name.capitalize()
    if r.symbol and not label.endswith(r.symbol):
        # A symbol with an index is set as a formula.
        label += f" ${r.symbol}$" if "_" in r.symbol else f" {r.symbol}"
    if r.unit:
        label += f" ({r.unit})"
    if value not in r:
        value = p.default
    number = st.session_state[key] = p.type(value)
    text = r.help or None
    if r.log and p.type is float:
        options = log_options(r.low, r.high, number)
        return st.select_slider(label, options, number, key=key, format_func=pretty, help=text)
    if p.type is int and r.high - r.low > 400:
        return st.number_input(label, int(r.low), int(r.high), number, key=key, help=text, step=1)
    if p.type is int:
        return st.slider(label, int(r.low), int(r.high), number, key=key, help=text)
    span = r.high - r.low
    step = 10.0 ** (math.floor(math.log10(span)) - 2)
    digits = max(0, -math.floor(math.log10(step)))
    low, high, form = float(r.low), float(r.high), f"%.{digits}f"
    return st.slider(label, low, high, number, key=key, step=step, format=form, help=text)


@dataclass(frozen=True)
class SettingWidgets:
    """The widgets of the fields of a setting, a dataclass with specs; `prefix` begins their keys."""

    prefix: str
    kind: type

    @cached_property
    def specs(self) -> dict[str, Param]:
        """The specs of its fields by their names."""
        return {p.name: p for p in params_of(self.kind)}

    def __call__(self, name: str) -> Any:
        """Draw the widget of one field and return what it says."""
        return widget(self.specs[name], f"{self.prefix}.{name}")

    def fill(self, setting: object) -> None:
        """Write a setting into them; before any of them is drawn in this run of the script."""
        prefill(
            self.prefix, tuple(self.specs.values()), {name: getattr(setting, name) for name in self.specs}
        )
