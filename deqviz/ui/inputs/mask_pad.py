"""The pad on which a person paints the pixels that are lost."""

import base64
import io

import streamlit as st
from PIL import Image as Picture

from deqviz.core.space import Image
from deqviz.runtime.logbook import to_bytes
from deqviz.ui.components.frontend import Frontend
from deqviz.ui.inputs.drawn_mask import CELLS

_FRONTEND = Frontend("mask_pad", "<div class='dqm'></div>", "shell/mask_pad.js", "shell/mask_pad.css")


def mask_pad(picture: Image, key: str) -> str:
    """Draw the pad over a picture; the mask is the text under `key` in the session, see `drawn_mask`."""
    pad = f"{key}.pad"

    def heard() -> None:
        text = st.session_state.get(pad, {}).get("mask")
        if isinstance(text, str):
            st.session_state[key] = text

    data = {"picture": _source(picture), "mask": st.session_state[key], "side": CELLS}
    _FRONTEND(key=pad, data=data, on_mask_change=heard)
    return st.session_state[key]


def _source(picture: Image) -> str:
    """The picture as a PNG in an address."""
    pixels = to_bytes(picture).transpose(1, 2, 0)
    file = io.BytesIO()
    Picture.fromarray(pixels.squeeze()).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
