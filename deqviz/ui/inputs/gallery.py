"""The gallery in the sidebar: a radio group of thumbnails, as one small component."""

from functools import cache

from deqviz import images, kspace
from deqviz.core.space import Image
from deqviz.io.pixels import data_url, webp
from deqviz.ui.components.frontend import Frontend

_FRONTEND = Frontend(
    "gallery",
    '<div class="gallery" role="radiogroup" aria-label="Image"></div>',
    "shell/gallery.js",
    "shell/gallery.css",
    isolate_styles=True,
)


def _data_url(picture: Image) -> str:
    pixels = (images.scaled(picture, 96)[0] * 255).round().byte().numpy()
    return data_url(webp(pixels), "webp")


@cache
def _thumbnails() -> tuple[dict[str, str], ...]:
    """Key, title and picture of every entry of the gallery."""
    return tuple(
        {"key": p.key, "title": p.title, "src": _data_url(images.load(p.key))} for p in images.gallery()
    )


def gallery(selected: str, key: str) -> str | None:
    """Show the thumbnails with `selected` marked; returns the key that was just clicked, else None."""
    items = list(_thumbnails())
    if selected.startswith("upload-"):
        items.append({"key": selected, "title": "Your image", "src": _data_url(images.load(selected))})
    if kspace.is_key(selected):
        items.append({"key": selected, "title": "Your k-space", "src": _data_url(kspace.preview(selected))})
    result = _FRONTEND(key=key, data={"items": items, "selected": selected}, on_picked_change=lambda: None)
    picked = result.get("picked")
    return picked if isinstance(picked, str) and any(i["key"] == picked for i in items) else None
