"""The address bar of each page: what this session wrote there, and what somebody opened."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

STALE = 5.0
"""Seconds during which an address that was just replaced is not taken for one that somebody opened."""


@dataclass(frozen=True, slots=True)
class Visit:
    """How a script run came to its page.

    `query` is the address when somebody opened it, None when it is the one that this session wrote.
    `is_back` tells that another page was on the screen before: Streamlit has forgotten this page's widgets.
    """

    query: dict[str, str] | None
    is_back: bool = False


def enter(page: str) -> None:
    """Note which page this script run is for; call it for every page, before it is run."""
    last = st.session_state.get("address.page")
    st.session_state["address.page"] = page
    st.session_state["address.is_back"] = last not in (None, page)


def visit(page: str, *, is_late: bool = False) -> Visit:
    """Look at the address bar; call it once per script run, before anything that writes there.

    `is_late` says that the browser asked for this run before it heard of the newest address: its own is old.
    """
    here, written = _here(), _written()
    if is_late and page in written:
        st.query_params.from_dict(written[page])
        return Visit(None)
    is_back: bool = st.session_state.get("address.is_back", False)
    if is_back and (not here or here in (query for name, query in written.items() if name != page)):
        # Streamlit drops the address of a page that is left; what the other page wrote is not meant here.
        here = written.get(page, {})
        st.query_params.from_dict(here)
    stale, until = st.session_state.get(f"address.stale.{page}", (None, 0.0))
    if written.get(page) == here or (here == stale and time.monotonic() < until):
        return Visit(None, is_back)
    written[page] = here
    return Visit(here, is_back)


def write(page: str, query: Mapping[str, str]) -> None:
    """Put what the page now shows into the address bar."""
    # What is there now may come back once more, in a rerun that was sent before this change.
    st.session_state[f"address.stale.{page}"] = (_here(), time.monotonic() + STALE)
    st.query_params.from_dict(dict(query))
    _written()[page] = dict(query)


def ask(page: str, query: Mapping[str, str]) -> None:
    """Write an address that the next `visit` reports as opened, even if it is the same."""
    st.query_params.from_dict(dict(query))
    st.session_state.pop(f"address.stale.{page}", None)
    _written().pop(page, None)


def _written() -> dict[str, dict[str, str]]:
    return st.session_state.setdefault("address.written", {})


def _here() -> dict[str, str]:
    return {name: st.query_params[name] for name in st.query_params}
