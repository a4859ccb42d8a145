"""What the pages add to Streamlit's theme, beyond style.css."""

import streamlit as st


def paint() -> None:
    """Mend the dark theme; call it first on every page, so that its place does not move."""
    style = st.container()
    if st.context.theme.type == "dark":
        # Streamlit writes white on the primary colour, which is too light for it in the dark theme.
        style.html(
            '<style>[data-testid="stBaseButton-primary"] { color: #0b1220; }'
            " .deqviz-logo b { color: #7aa2ff; }"
            ' [data-testid="stMultiSelect"] [data-tag] { background: #1d2a47; }'
            ' [data-testid="stMultiSelect"] [data-tag] :is(span, button) { color: #dbe6ff; }</style>'
        )
