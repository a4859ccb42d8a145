"""Small pieces of text on a page: headings of the sidebar, numbers, messages that quote a stranger."""

import re

import streamlit as st

from deqviz.core.numbers import power_of_ten


def heading(text: str) -> None:
    """A heading of the sidebar."""
    st.html(f'<h2 class="deqviz-section">{text}</h2>')


def pretty(value: float) -> str:
    """A number for people: 0.02, 25, 2.5·10⁻⁴."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    power = power_of_ten(int(exponent))
    return power if mantissa == "1" else f"{mantissa}·{power}"


def plain(text: str) -> str:
    """A text for Streamlit's messages that is shown as it stands.

    They are Markdown, and what they quote comes out of links and files: a picture in it would be fetched.
    """
    return re.sub(r"([\\\[\]<>`*$])", r"\\\1", text)
