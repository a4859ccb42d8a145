"""Images that visitors bring: picked on several pages, kept until their session ends."""

import streamlit as st
import torch

from deqviz import images, io
from deqviz.core.quoted import named
from deqviz.io.budget import MAX_BYTES
from deqviz.io.image_formats import NAMES, SUFFIXES
from deqviz.ui.components.text import plain
from deqviz.ui.shell import session


def pick(key: str, side: int = io.SIDE) -> str:
    """A box for a file: the key of the image in it when it is new, else nothing.

    Why a file gave none is said as long as it is in the box.
    """
    file, picked = st.file_uploader(NAMES, key=key, type=list(SUFFIXES), max_upload_size=MAX_BYTES >> 20), ""
    seen, refusal = st.session_state.get(f"_{key}", ("", ""))
    now = "" if file is None else file.file_id
    if now != seen:
        refusal = ""
        if file is not None:
            try:
                picked = _kept(io.open(file.getvalue(), file.name, side=side))
            except io.FileError as error:
                refusal = f"{named(file.name)}: {error}"
        st.session_state[f"_{key}"] = (now, refusal)
    if refusal:
        st.error(plain(refusal))
    return picked


def keep(found: io.Image) -> str:
    """The key of an image that was read, which is the visitor's from now on."""
    return images.keep(torch.from_numpy(found.pixels)[None], found.digest, session.visitor())


def _kept(found: io.Image | io.KSpace | io.Settings) -> str:
    if isinstance(found, io.Image):
        return keep(found)
    what = "is k-space" if isinstance(found, io.KSpace) else "holds the settings of a run"
    raise io.FileError(f"The file {what}: open it on the Reconstruct page.")
