"""The Noise page: form, study, board."""

import html
from typing import Any

import streamlit as st

from deqviz import images
from deqviz.core.registry import Choice, Entry, params_of
from deqviz.ui import address, board, session, theme
from deqviz.ui.form import heading
from deqviz.ui.noise_board import board as drawn
from deqviz.ui.noise_plan import plan
from deqviz.ui.noise_setting import MODEL, PRESETS, SOURCE, Setting, default, from_query, shelves
from deqviz.ui.study import OVER, Study
from deqviz.ui.widgets import entry_form, merge, prefill, widget
from deqviz.ui.worker import worker

PAGE = "noise"
REFRESH = 0.15
"""Seconds between two looks at a study that is going on."""
_OWN = {p.name: p for p in params_of(Setting)}


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
        for complaint in st.session_state.get("n.complaints", ()):
            st.warning(complaint)
    setting: Setting = st.session_state["n.setting"]
    head.html(
        f'<div class="deqviz-head"><h1>Noise</h1><span>what happens as the noise vanishes? · '
        f"{html.escape(describe(setting))}</span></div>"
    )
    _board()


def describe(setting: Setting) -> str:
    """The setting in a line: problem, regulariser, truth, noise."""
    shelf = shelves(setting.is_model)
    where = "the model" if setting.is_model else shelf["operator"][setting.operator.key].title
    return " · ".join(
        (where, shelf["regularizer"][setting.regularizer.key].title, setting.truth, f"{setting.noise} noise")
    )


def _open() -> None:
    """Begin what the address asks for, or come back to what was here."""
    visit = address.visit(PAGE)
    if visit.query is not None:
        setting, st.session_state["n.complaints"] = from_query(visit.query)
        _fill(setting)
        _start(setting)
    elif visit.is_back:
        _fill(st.session_state["n.setting"])


def _start(setting: Setting) -> None:
    """Replace the study by a new one of this setting and write it into the address bar."""
    side = 64 if setting.is_model else int(setting.side.split()[0])
    st.session_state["n.setting"] = setting
    session.begin(PAGE, Study(lambda: plan(setting), side))
    address.write(PAGE, setting.to_query())


def _fill(setting: Setting) -> None:
    """Write a setting into the widgets; before any of them is drawn in this run of the script."""
    for name in _OWN:
        st.session_state[f"n.{name}"] = getattr(setting, name)
    st.session_state["n.image"] = setting.image
    for name, shelf in shelves(setting.is_model).items():
        choice: Choice = getattr(setting, name)
        st.session_state[f"n.{name}"] = choice.key
        prefill(f"n.{name}.{choice.key}", shelf[choice.key].params, choice.params)


def _draft() -> Setting | None:
    """What the widgets say; None when they contradict each other, and then the page says so."""
    try:
        return _form().validated()
    except ValueError as error:
        st.error(str(error))
        return None


def _form() -> Setting:
    values: dict[str, Any] = {}
    heading("Problem")
    values["problem"] = _titled("problem")
    is_model = values["problem"] == MODEL
    if is_model:
        values["kernel"] = _own("kernel")
    else:
        values["image"] = _picture()
        values["operator"] = _choice("operator", is_model, "Operator")
        values["side"] = _own("side")
    values["regularizer"] = _choice("regularizer", is_model, "Regulariser")
    heading("Truth")
    values["truth"] = _titled("truth")
    if values["truth"] == SOURCE:
        if not is_model:
            values["element"] = _own("element")
        values["is_contrasted"] = _own("is_contrasted")
    heading("Noise")
    values["noise"] = _titled("noise")
    values["levels"], values["seeds"] = _own("levels"), _own("seeds")
    heading("Strength")
    values["rule"] = _choice("rule", is_model, "Rule for α", is_titled=True)
    values["is_tent"], values["is_stability"] = _own("is_tent"), _own("is_stability")
    with st.expander("Advanced"):
        values["seed"] = _own("seed")
    return Setting(**values)


def _own(name: str) -> Any:
    return widget(_OWN[name], f"n.{name}")


def _titled(name: str) -> str:
    """A select box under a heading that says the same; readers of the screen still hear its label."""
    parameter, key = _OWN[name], f"n.{name}"
    options = parameter.domain
    assert isinstance(options, tuple)
    if st.session_state.get(key) not in options:
        st.session_state[key] = parameter.default
    index = options.index(st.session_state[key])
    label = parameter.label or name.capitalize()
    return st.selectbox(label, options, index, key=key, label_visibility="collapsed", format_func=_capital)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _picture() -> str:
    titles = {p.key: p.title for p in images.gallery()}
    now = st.session_state.get("n.image", Setting.image)
    # An upload of the Reconstruct page can be named in the address.
    titles.setdefault(now, "Your picture")
    keys = list(titles)
    st.session_state["n.image"] = now
    index = keys.index(st.session_state["n.image"])
    return st.selectbox("Picture", keys, index, key="n.image", format_func=lambda key: titles[key])


def _choice(name: str, is_model: bool, label: str, *, is_titled: bool = False) -> Choice:
    """A select box over a shelf, and the parameters of what is chosen."""
    shelf, key = shelves(is_model)[name], f"n.{name}"
    keys = list(shelf)
    if st.session_state.get(key) not in keys:
        st.session_state[key] = default(name, is_model)
    index = keys.index(st.session_state[key])
    visibility = "collapsed" if is_titled else "visible"
    chosen = st.selectbox(
        label, keys, index, key=key, format_func=lambda k: shelf[k].title, label_visibility=visibility
    )
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
        if st.button(name, key=f"n.preset.{name}", help=what, type="tertiary"):
            address.ask(PAGE, setting.validated().to_query())
            st.rerun()


def _follow(draft: Setting | None) -> None:
    """Start what the widgets say, at once when nothing is running, else when "Run" is pressed."""
    study = session.study(PAGE)
    if draft is None or study is None or draft == st.session_state["n.setting"]:
        return
    if study.state in OVER:
        st.session_state["n.complaints"] = ()
        _start(draft)
        return
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.info("A run is going on. Your new settings wait until you press Run.")
    if right.button("Run", type="primary", key="n.run", width="stretch"):
        _start(draft)
        st.rerun()


def _act(command: board.Command) -> None:
    """Carry out what was clicked on the board; called before the fragment is drawn."""
    study = session.study(PAGE)
    if study is None or command.run != study.id:
        return
    match command.name:
        case "run":
            _start(st.session_state["n.setting"])
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
        shot = now.snapshot()
        board.show(drawn(now, st.session_state["n.setting"], shot), key="noise", on_command=_act)
        if now is not study or (shot.state in (*OVER, "paused")) == is_moving:
            st.rerun()

    panel()
