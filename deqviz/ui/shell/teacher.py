"""Links that hide controls: `hide=w.noise,w.seed` or `hide=sidebar` in the address of any page.

A name is the key of a widget. The style sheet hides it; the widget is there all the same, so that what is run
does not depend on what is hidden.
"""

import html
import re
from collections.abc import Iterable

import streamlit as st

from deqviz.core.quoted import quoted
from deqviz.ui.shell.renamed import RENAMED, class_of

NAME = "hide"
"""The parameter of the address."""

SIDEBAR = "sidebar"
"""The name that stands for all that is in the sidebar."""

MOST = 40
_KEY = re.compile(r"[a-z0-9_.-]{1,120}")
_BAR = '[data-testid="stSidebar"]'


def read(text: str) -> tuple[tuple[str, ...], bool]:
    """The names of an address, each once, at most 40; and whether every one of them could be a name."""
    words = text.split(",") if text else []
    names = tuple(dict.fromkeys(word for word in words if _KEY.fullmatch(word)))
    return names[:MOST], len(names) <= MOST and all(_KEY.fullmatch(word) for word in words)


def enter() -> None:
    """Take over what the address hides; an address that was taken over before, or has none, changes nothing.

    Streamlit's links between pages drop the parameter, and a browser may send it once more after `show_all`.
    What was refused of it is not in the address that the page writes, and that is read when a script reruns.
    """
    text = st.query_params.get(NAME)
    if text is not None and text not in st.session_state.get("teacher.seen", ()):
        names, is_clean = read(text)
        st.session_state["teacher.seen"] = (text, ",".join(names))
        st.session_state["teacher.hidden"], st.session_state["teacher.is_clean"] = names, is_clean


def hidden() -> tuple[str, ...]:
    """The names of what is hidden in this session."""
    return st.session_state.get("teacher.hidden", ())


def show_all() -> None:
    """Hide nothing any more."""
    st.session_state["teacher.hidden"], st.session_state["teacher.is_clean"] = (), True


def query() -> dict[str, str]:
    """What the address of every page has of it."""
    return {NAME: ",".join(hidden())} if hidden() else {}


def style(names: Iterable[str]) -> str:
    """The style sheet that hides these controls; raises ValueError for a name that `read` refuses.

    Streamlit writes a widget's key as a class, with a dash for every sign but letters, digits, "_" and "-".
    """
    selectors: list[str] = []
    for name in names:
        if not _KEY.fullmatch(name):
            raise ValueError(f"{quoted(name)} cannot be the name of a control.")
        if name == SIDEBAR:
            selectors += [_BAR, '[data-testid="stExpandSidebarButton"]']
        else:
            own = class_of(name)
            for key in dict.fromkeys((own, RENAMED.get(own, own))):
                selectors.append(f'{_BAR} [class~="st-key-{key}" i]')
    return f"<style>{', '.join(selectors)} {{ display: none !important; }}</style>" if selectors else ""


def paint() -> None:
    """Hide what the address says, and offer to show it; call it for every page, in a fixed place."""
    names, is_clean = hidden(), st.session_state.get("teacher.is_clean", True)
    if names:
        st.html(style(names))
    if names or not is_clean:
        note = "Some controls are hidden by this link." if names else ""
        if not is_clean:
            note += f" It names what is no control, or more than {MOST}: that is shown."
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="teacher"):
            st.html(f"<span>{html.escape(note)}</span>", width="content")
            st.button("Show all", key="teacher.show_all", type="tertiary", on_click=show_all)
