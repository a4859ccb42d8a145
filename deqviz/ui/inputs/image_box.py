"""The select box of the pictures that are shipped, and what they are called."""

import streamlit as st

from deqviz import images


def picture_title(key: str) -> str:
    """The title of a picture of the gallery, or "your picture"."""
    return next((p.title for p in images.gallery() if p.key == key), "your image")


def picture_box(key: str, label: str, default: str, *, is_upload_kept: bool = False) -> str:
    """A select box whose value in the session is the picture's key.

    `is_upload_kept`: an upload of the Reconstruct page, which the address can name, stays one of the choices.
    """
    titles = {p.key: p.title for p in images.gallery()}
    now = st.session_state.get(key, default)
    if now not in titles and is_upload_kept:
        titles[now] = "Your image"
    st.session_state[key] = now = now if now in titles else default
    keys = list(titles)
    return st.selectbox(label, keys, keys.index(now), key=key, format_func=lambda k: titles[k])
