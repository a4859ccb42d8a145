"""The gallery in the sidebar: a radio group of thumbnails, as one small component."""

import base64
import io
from functools import cache

from PIL import Image as Pillow

from deqviz import images, kspace
from deqviz.core.space import Image
from deqviz.ui.components.frontend import Frontend

_FRONTEND = Frontend(
    "gallery",
    '<div class="gallery" role="radiogroup" aria-label="Picture"></div>',
    "shell/gallery.js",
    "shell/gallery.css",
    isolate_styles=True,
)


def _data_url(picture: Image) -> str:
    pixels = (images.scaled(picture, 96)[0] * 255).round().byte().permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Pillow.fromarray(pixels.squeeze()).save(buffer, "WEBP", quality=85)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


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
        items.append({"key": selected, "title": "Your picture", "src": _data_url(images.load(selected))})
    if kspace.is_key(selected):
        items.append({"key": selected, "title": "Your k-space", "src": _data_url(kspace.preview(selected))})
    result = _FRONTEND(key=key, data={"items": items, "selected": selected}, on_picked_change=lambda: None)
    picked = result.get("picked")
    return picked if isinstance(picked, str) and any(i["key"] == picked for i in items) else None
