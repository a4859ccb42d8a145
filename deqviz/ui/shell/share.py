"""The control at the right of the top bar: copies the address of the page, or a teacher's link of it."""

from deqviz.ui.components.frontend import Frontend
from deqviz.ui.shell import teacher

_FRONTEND = Frontend("share", "<div class='dqs'></div>", "shell/share.js", "shell/share.css")


def show() -> None:
    """Draw the control; call it for every page, in a fixed place. It reads the rest off the browser."""
    _FRONTEND(key="share", data={"hidden": list(teacher.hidden()), "most": teacher.MOST})
