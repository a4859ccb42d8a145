"""The address bar of each page: what this session wrote there, and what somebody opened.

The browser sends the address and all widgets with everything it asks for, and what it sends may be older than
what the server wrote meanwhile. So a hidden widget carries the number of the newest writing that the browser
has heard of. A message with a smaller number than the last writing brings an old address; with a smaller one
than the last filling of the widgets it brings old widgets too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from deqviz.ui.shell import teacher

HEARD = "address.heard"
"""The key of the hidden widget."""


@dataclass(frozen=True, slots=True)
class Visit:
    """How a script run came to its page.

    `query` is the address when somebody opened it, None when it is the one that this session wrote.
    `is_back` tells that the widgets do not say what the session shows and are to be filled again: another
    page was on the screen and Streamlit has forgotten them, or the browser sent those from before a filling.
    """

    query: dict[str, str] | None
    is_back: bool = False


def enter(page: str) -> None:
    """Note which page this script run is for; call it for every page, before it is run."""
    last = st.session_state.get("address.page")
    st.session_state["address.page"] = page
    st.session_state["address.is_back"] = last not in (None, page)
    teacher.enter()
    _put(_here())


def title() -> str:
    """The title of the page that this script run is for."""
    return st.session_state["address.page"]


def tell() -> None:
    """Tell the browser of the newest writing; call it for every page, after it was run, in a fixed place."""
    st.session_state[HEARD] = str(_newest())
    with st.container(key="heard_address"):  # style.css hides it
        st.text_input("Heard", key=HEARD, label_visibility="collapsed")


def visit(page: str) -> Visit:
    """Look at the address bar; call it once per script run, before anything that writes there.

    The page fills its widgets when it gets a query or `is_back`.
    """
    written = _written()
    is_back: bool = st.session_state.get("address.is_back", False)
    heard = _heard()
    request = _requests().pop(page, None)
    if request is not None:
        written[page] = request
        _put(request)
        return _filling(request)
    here = _here()
    if is_back and (not here or here in (query for name, query in written.items() if name != page)):
        # Streamlit drops the address of a page that is left; what the other page wrote is not meant here.
        here = written.get(page, {})
        _put(here)
    elif not is_back and heard < _newest() and page in written:
        _put(written[page])
        is_old = heard < st.session_state.get("address.filled", 0)
        return _filling(None) if is_old else Visit(None)
    if written.get(page) == here:
        return _filling(None) if is_back else Visit(None)
    written[page] = here
    return _filling(here)


def write(page: str, query: Mapping[str, str]) -> None:
    """Put what the page now shows into the address bar."""
    if dict(query) != _here():
        _count()
    _put(query)
    _written()[page] = dict(query)


def ask(page: str, query: Mapping[str, str]) -> None:
    """Have the next `visit` of the page report this address as opened, even if it is the same."""
    _requests()[page] = dict(query)


def _filling(query: dict[str, str] | None) -> Visit:
    st.session_state["address.filled"] = _count()
    return Visit(query, is_back=query is None or st.session_state.get("address.is_back", False))


def _newest() -> int:
    return st.session_state.get("address.newest", 0)


def _count() -> int:
    """The number of a new writing. The runs that the server itself asks for have heard of it at once."""
    newest = st.session_state["address.newest"] = _newest() + 1
    st.session_state[HEARD] = str(newest)
    return newest


def _heard() -> int:
    """What the browser says; whatever else a guest may send there has heard of nothing."""
    number = st.session_state.get(HEARD, str(_newest()))
    return int(number) if isinstance(number, str) and re.fullmatch("[0-9]{1,9}", number) else 0


def _written() -> dict[str, dict[str, str]]:
    return st.session_state.setdefault("address.written", {})


def _requests() -> dict[str, dict[str, str]]:
    return st.session_state.setdefault("address.asked", {})


def _here() -> dict[str, str]:
    return {name: st.query_params[name] for name in st.query_params if name != teacher.NAME}


def _put(query: Mapping[str, str]) -> None:
    """Write an address, with what the link hides: that belongs to every page."""
    full = {**query, **teacher.query()}
    if full != {name: st.query_params[name] for name in st.query_params}:
        st.query_params.from_dict(full)
