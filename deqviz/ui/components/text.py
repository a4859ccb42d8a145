"""Small pieces of text on a page: headings of the sidebar, numbers, messages that quote a stranger."""

import re

import streamlit as st


def heading(text: str) -> None:
    """A heading of the sidebar."""
    st.html(f'<h2 class="deqviz-section">{text}</h2>')


def plain(text: str) -> str:
    """A text for Streamlit's messages that is shown as it stands.

    They are Markdown, and what they quote comes out of links and files: a picture in it would be fetched.
    """
    return re.sub(r"([\\\[\]<>`*$])", r"\\\1", text)
