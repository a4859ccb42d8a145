"""Small pieces of text on a page: headings of the sidebar, numbers, messages that quote a stranger."""

import html
import re
from typing import Final

import streamlit as st

_MARKS: Final = re.compile(r"([\\\[\]<>`*_~&$|])")
# What begins a heading or a list.
_BLOCK: Final = re.compile(r"^(\d*)([#+\-.)])")
# Between the signs of addresses, :icons: and arrows ->: those are made of finished text, past backslashes.
_JOINT: Final = re.compile(r"(?<=[:@])(?=\S)|(?<=www)(?=\.)|(?<=[-<>=~])(?=[->=])")
_JOINER: Final = "\u2060"
"""The word joiner, which nobody sees."""


def heading(text: str) -> None:
    """A heading of the sidebar."""
    st.html(f'<h2 class="deqviz-section">{html.escape(text)}</h2>')


def plain(text: str) -> str:
    """A text for Streamlit's messages and labels that is shown as it stands, on one line.

    They are Markdown, and what they quote comes out of links and files: a picture in it would be fetched.
    """
    text = _JOINT.sub(_JOINER, " ".join(text.split()))
    return _BLOCK.sub(r"\1\\\2", _MARKS.sub(r"\\\1", text))
