"""The Convergence page: form, study, board."""

import html
import time
from collections.abc import Mapping
from typing import Any

import streamlit as st

from deqviz import images
from deqviz.core.registry import Choice, Entry, params_of
from deqviz.ui import address, board, loader, session, theme
from deqviz.ui.convergence_board import board as drawn
from deqviz.ui.convergence_plan import plan
from deqviz.ui.convergence_setting import PRESETS, ROUTES, SHELVES, STARTS, Setting, from_query
from deqviz.ui.form import heading
from deqviz.ui.study import OVER, Study
from deqviz.ui.widgets import entry_form, merge, prefill, widget
from deqviz.ui.worker import worker

PAGE = "convergence"
REFRESH = 0.15
"""Seconds between two looks at a study that is going on."""
LATE = 3.0
"""Seconds during which widgets that say what they said before a preset have not been told of it yet."""
_OWN = {p.name: p for p in params_of(Setting)}
_TITLES: Mapping[str, Mapping[str, str]] = {
    "starts": STARTS,
    "solvers": {key: route.title for key, route in ROUTES.items()},
}


def render() -> None:
    """Draw the page; called once per script run."""
    _open()
    theme.paint()
    head, notices = st.container(), st.container()
    with st.sidebar:
        st.html('<p class="deqviz-logo">DEQ<b>Viz</b></p>')
        draft = _draft()
        _presets()
    with notices:
        _follow(draft)
        for complaint in st.session_state.get("c.complaints", ()):
            st.warning(complaint)
    setting: Setting = st.session_state["c.setting"]
    head.html(
        '<div class="deqviz-head"><h1>Convergence</h1><span>is the limit unique, and how fast do we get '
        f"there? {html.escape(describe(setting))}</span></div>"
    )
    _board()


def describe(setting: Setting) -> str:
    """The setting in a line: picture, operator, regulariser."""
    title = next((p.title for p in images.gallery() if p.key == setting.image), "your picture")
    parts = (SHELVES[name][getattr(setting, name).key].title for name in ("operator", "regularizer"))
    return " · ".join((title, *parts))


def _open() -> None:
    """Begin what the address asks for, or come back to what was here."""
    visit = address.visit(PAGE)
    before: Setting | None = st.session_state.get("c.setting")
    if visit.query is not None:
        st.session_state["c.late"] = (before, time.monotonic() + LATE)
        setting, st.session_state["c.complaints"] = from_query(visit.query)
        _fill(setting)
        _start(setting)
    elif visit.is_back or st.session_state.pop("c.refill", False):
        _fill(st.session_state["c.setting"])


def _start(setting: Setting) -> None:
    """Replace the study by a new one of this setting and write it into the address bar."""
    st.session_state["c.setting"] = setting
    session.begin(PAGE, Study(lambda: plan(setting), setting.pixels))
    address.write(PAGE, setting.to_query())


def _fill(setting: Setting) -> None:
    """Write a setting into the widgets; before any of them is drawn in this run of the script."""
    for name in _OWN:
        st.session_state[f"c.{name}"] = getattr(setting, name)
    for name in ("image", "another"):
        st.session_state[f"c.{name}"] = getattr(setting, name)
    st.session_state["c.mine"] = setting.mine
    for name in _TITLES:
        st.session_state[f"c.{name}"] = list(getattr(setting, name))
    for name, shelf in SHELVES.items():
        choice: Choice = getattr(setting, name)
        st.session_state[f"c.{name}"] = choice.key
        prefill(f"c.{name}.{choice.key}", shelf[choice.key].params, choice.params)


def _draft() -> Setting | None:
    """What the widgets say; None when they contradict each other, and then the page says so."""
    try:
        return _form().validated()
    except ValueError as error:
        st.error(str(error))
        return None


def _form() -> Setting:
    values: dict[str, Any] = {}
    heading("Equation")
    values["image"] = _picture("image", "Picture")
    values["side"] = _own("side")
    values["operator"] = _choice("operator", "Operator")
    values["regularizer"] = _choice("regularizer", "Regulariser")
    values["weight"] = _own("weight")
    heading("Starts")
    values["starts"] = _several("starts", "Where to start")
    values["another"] = _picture("another", "Another picture")
    values["mine"] = _mine()
    heading("Solvers")
    values["solvers"] = _several("solvers", "The first one is drawn by start")
    values["splitting"] = _own("splitting")
    values["step"] = _own("step")
    heading("More questions")
    for name in ("crossing", "is_race", "is_gradient"):
        values[name] = _own(name)
    with st.expander("Advanced"):
        values["max_steps"] = _own("max_steps")
        values["seed"] = _own("seed")
    return Setting(**values)


def _own(name: str) -> Any:
    return widget(_OWN[name], f"c.{name}")


def _picture(name: str, label: str) -> str:
    titles = {p.key: p.title for p in images.gallery()}
    keys, key = list(titles), f"c.{name}"
    if st.session_state.get(key) not in keys:
        st.session_state[key] = getattr(Setting, name)
    index = keys.index(st.session_state[key])
    return st.selectbox(label, keys, index, key=key, format_func=lambda k: titles[k])


def _several(name: str, label: str) -> tuple[str, ...]:
    """Some of a shelf, in the order in which they were chosen."""
    titles, key = _TITLES[name], f"c.{name}"
    if key not in st.session_state:
        st.session_state[key] = list(getattr(Setting, name))
    chosen = st.multiselect(
        label, list(titles), st.session_state[key], key=key, format_func=lambda k: titles[k]
    )
    return tuple(chosen)


def _mine() -> str:
    """A picture of the user's to start from: its key, empty while there is none."""
    with st.expander("Your picture"):
        file = st.file_uploader(f"{loader.NAMES}, up to 10 MB", key="c.upload", type=list(loader.SUFFIXES))
        if file is not None and st.session_state.get("c.uploaded") != file.file_id:
            st.session_state["c.uploaded"] = file.file_id
            try:
                upload = loader.read(file.name, file.getvalue(), side=256)
                st.session_state["c.mine"] = images.keep(upload.image, upload.digest)
                st.session_state["c.upload_error"] = ""
            except loader.UploadError as error:
                st.session_state["c.upload_error"] = str(error)
        if error := st.session_state.get("c.upload_error"):
            st.error(error)
        elif st.session_state.get("c.mine"):
            st.caption("Choose “Your picture” among the starts above.")
    return st.session_state.get("c.mine", "")


def _choice(name: str, label: str) -> Choice:
    """A select box over a shelf, and the parameters of what is chosen."""
    shelf, key = SHELVES[name], f"c.{name}"
    keys = list(shelf)
    if st.session_state.get(key) not in keys:
        st.session_state[key] = getattr(Setting(), name).key
    index = keys.index(st.session_state[key])
    chosen = st.selectbox(label, keys, index, key=key, format_func=lambda k: shelf[k].title)
    entry: Entry[Any] = shelf[chosen]
    prefix = f"{key}.{entry.key}"
    basic = entry_form(entry, prefix)
    if any(p.advanced for p in entry.params):
        with st.expander("More"):
            basic = merge(basic, entry_form(entry, prefix, advanced=True))
    return Choice(entry.key, basic)


def _presets() -> None:
    heading("Presets")
    for name, (what, setting) in PRESETS.items():
        if st.button(name, key=f"c.preset.{name}", help=what, type="tertiary"):
            address.ask(PAGE, setting.validated().to_query())
            st.rerun()


def _follow(draft: Setting | None) -> None:
    """Start what the widgets say, at once when nothing is running, else when "Run" is pressed."""
    study = session.study(PAGE)
    if draft is None or study is None or draft == st.session_state["c.setting"]:
        return
    before, until = st.session_state.get("c.late", (None, 0.0))
    if draft == before and time.monotonic() < until:
        # The browser asked for this run of the script before it heard of the new values: tell it again.
        st.session_state["c.refill"] = True
        st.rerun()
    if study.state in OVER:
        st.session_state["c.complaints"] = ()
        _start(draft)
        return
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.info("A run is going on. Your new settings wait until you press Run.")
    if right.button("Run", type="primary", key="c.run", width="stretch"):
        _start(draft)
        st.rerun()


def _act(command: board.Command) -> None:
    """Carry out what was clicked on the board; called before the fragment is drawn."""
    study = session.study(PAGE)
    if study is None or command.run != study.id:
        return
    match command.name:
        case "run":
            _start(st.session_state["c.setting"])
        case "play":
            study.play()
            worker().submit(study)
        case "pause":
            study.pause()
        case "stop":
            study.stop()
    worker().wake()


def _board() -> None:
    """The board, looked at again and again while the study moves."""
    study = session.study(PAGE)
    if study is None:
        return
    is_moving = not study.is_settled

    @st.fragment(run_every=REFRESH if is_moving else None)
    def panel() -> None:
        now = session.study(PAGE)
        if now is None:
            return
        view = drawn(now, st.session_state["c.setting"])
        board.show(view, key=PAGE, on_command=_act)
        if now is not study or (view.state in (*OVER, "paused")) == is_moving:
            st.rerun()

    panel()
