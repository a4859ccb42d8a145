"""The pad on which a person paints the pixels that are lost."""

import streamlit as st

from deqviz.core.space import Image
from deqviz.io.pixels import data_url, png
from deqviz.runtime.logbook import to_bytes
from deqviz.ui.components.commands import triggered
from deqviz.ui.components.frontend import Frontend
from deqviz.ui.inputs.drawn_mask import CELLS

_FRONTEND = Frontend("mask_pad", "<div class='dqm'></div>", "shell/mask_pad.js", "shell/mask_pad.css")


def mask_pad(picture: Image, key: str) -> str:
    """Draw the pad over a picture; the mask is the text under `key` in the session, see `drawn_mask`."""
    pad = f"{key}.pad"

    def heard() -> None:
        text = triggered(pad, "mask")
        if isinstance(text, str):
            st.session_state[key] = text

    data = {"picture": data_url(png(to_bytes(picture)), "png"), "mask": st.session_state[key], "side": CELLS}
    _FRONTEND(key=pad, data=data, on_mask_change=heard)
    return st.session_state[key]
