"""The sidebar of the Compare page: one problem, and a card for each method."""

from typing import Any

import streamlit as st

from deqviz import domain, kspace
from deqviz.core.catalog import METHODS, NOISES, OPERATORS
from deqviz.core.registry import Choice
from deqviz.scenario import check_picture
from deqviz.ui.components.text import heading, plain
from deqviz.ui.inputs.gallery import gallery
from deqviz.ui.inputs.image_box import picture_title
from deqviz.ui.inputs.widgets import choose, prefill, prefill_choice, widget
from deqviz.ui.pages.compare.setting import LEAST, MOST, PARAMS, Setting
from deqviz.ui.shell import address, own_image

PAGE = "compare"
_OWN = {p.name: p for p in PARAMS}
_NEXT = ("equilibrium", "tv", "tikhonov", "mol", "modl", "pnp_hqs", "iterated_tikhonov")
"""What a further method is: the first of these that is not there yet."""


def fill(setting: Setting) -> None:
    """Write a setting into the widgets; before any of them is drawn in this run of the script."""
    prefill("cmp", PARAMS, {name: getattr(setting, name) for name in _OWN})
    st.session_state["cmp.image"] = setting.image
    prefill_choice("cmp.operator", OPERATORS, setting.operator)
    prefill_choice("cmp.noise", NOISES, setting.noise)
    st.session_state["cmp.count"] = len(setting.methods)
    for i, choice in enumerate(setting.methods, 1):
        prefill_choice(f"cmp.m{i}", METHODS, choice)


def form() -> Setting:
    """Draw the sidebar's widgets and return what they say, not yet validated as a whole."""
    heading("Image")
    image, plain = _picture(), Setting()
    heading("Forward operator")
    operator = choose(OPERATORS, "cmp.operator", "Forward operator", plain.operator.key, is_titled=True)
    heading("Noise")
    noise = choose(NOISES, "cmp.noise", "Noise model", plain.noise.key, is_titled=True)
    values: dict[str, Any] = {"seed": _own("seed")}
    heading("Methods")
    methods = tuple(_method(i) for i in range(1, st.session_state["cmp.count"] + 1))
    is_full = len(methods) >= MOST
    tip = "At most six methods: remove one first" if is_full else "Up to six"
    is_added = st.button("Add a method", key="cmp.add", help=tip, disabled=is_full, width="stretch")
    with st.expander("Advanced"):
        for name in ("iterations", "tolerance", "size", "is_checked"):
            values[name] = _own(name)
    draft = Setting(image=image, operator=operator, noise=noise, methods=methods, **values)
    left = [i for i in range(1, len(methods) + 1) if st.session_state.get(f"cmp.remove{i}")]
    if is_added:
        _ask(draft, (*methods, _further(draft)))
    elif left:
        _ask(draft, tuple(m for i, m in enumerate(methods, 1) if i not in left))
    return draft


def _own(name: str) -> Any:
    return widget(_OWN[name], f"cmp.{name}")


def _method(i: int) -> Choice:
    """The card of one method; its title follows what is chosen in it."""
    key = f"cmp.m{i}"
    chosen = st.session_state.get(key)
    title = METHODS[chosen].title if isinstance(chosen, str) and chosen in METHODS else "Method"
    with st.expander(plain(f"{i} · {title}"), key=f"cmp.card{i}"):
        choice = choose(METHODS, key, f"Method {i}", Setting().methods[0].key)
        if st.session_state["cmp.count"] > LEAST:
            st.button("Remove", key=f"cmp.remove{i}", type="tertiary")
    return choice


def _further(draft: Setting) -> Choice:
    keys = {choice.key for choice in draft.methods}
    fresh = (Choice(key) for key in _NEXT if key not in keys)
    uses = ((choice, domain.use(draft.with_methods((choice,)).scenario(0))) for choice in fresh)
    # A network that was trained for something else is no rival: it may be chosen, and then says so.
    return next((choice for choice, use in uses if use is None or not use.is_outside), Choice(_NEXT[0]))


def _ask(draft: Setting, methods: tuple[Choice, ...]) -> None:
    """Open the same problem with other methods; what goes on of it goes on."""
    address.ask(PAGE, draft.with_methods(methods).validated().to_query())
    st.rerun()


def _picture() -> str:
    now = st.session_state.setdefault("cmp.image", Setting.image)
    try:
        check_picture(now)
    except ValueError:  # an upload goes with its visitor, and old ones sooner
        title = picture_title(Setting.image)
        st.warning(plain(f"Your image is not kept here any more: {title} is used instead."))
        now = st.session_state["cmp.image"] = Setting.image
    picked = gallery(now, key="cmp.gallery")
    if picked is not None and picked != now:
        st.session_state["cmp.image"] = picked
        st.rerun()
    with st.expander("Use your own image"):
        if picked := own_image.pick("cmp.upload"):
            st.session_state["cmp.image"] = picked
            st.rerun()
    return st.session_state["cmp.image"]


def describe(setting: Setting) -> str:
    """The problem in a line: picture, operator, noise, size."""
    title = "your k-space" if kspace.is_key(setting.image) else picture_title(setting.image)
    kinds = (OPERATORS[setting.operator.key].title, NOISES[setting.noise.key].title)
    return " · ".join((title, *kinds, f"{setting.size} px", f"{len(setting.methods)} methods"))
