"""The Playground page: sidebar, plane, address."""

from dataclasses import replace

import streamlit as st

from deqviz.core.numbers import number
from deqviz.experiments.plane.fixed_points import FixedPoint
from deqviz.experiments.plane.planar import PLANAR
from deqviz.ui.components.run.records import Explanation
from deqviz.ui.components.text import heading, plain
from deqviz.ui.inputs.widgets import entry_form, prefill, widget
from deqviz.ui.pages.playground.component import show
from deqviz.ui.pages.playground.protocol import Hand
from deqviz.ui.pages.playground.scene import Scene, scene, sweep
from deqviz.ui.pages.playground.setup import KINDS, PARAMS, PRESETS, Setup
from deqviz.ui.shell import address

_BY_NAME = {p.name: p for p in PARAMS}
_PAGE = "playground"
_W = "playground"
"""What the keys of the widgets begin with."""


def render() -> None:
    """Draw the page; called once per script run."""
    _arrive()
    head, notices = st.container(), st.container()
    with st.sidebar:
        st.html('<p class="deqviz-logo">DEQ<b>Viz</b></p>')
        setup = _form(st.session_state.playground_setup)
        _presets()
    _keep(setup)
    head.html(
        '<div class="deqviz-head"><h1>Playground</h1>'
        "<span>why is it true? the equation A*(Ax − y) + αR(x) = 0 in the plane</span></div>"
    )
    with notices:
        for warning in st.session_state.playground_complaints:
            st.warning(plain(warning))
    # Whatever runs the whole page is no drag.
    st.session_state.playground_resting = True
    _panel()


@st.fragment
def _panel() -> None:
    """The plane; what a hand does there runs this alone, and the whole page once it rests."""
    setup: Setup = st.session_state.playground_setup
    before = st.session_state.get("playground_before")
    moved = None if before is None else replace(setup.plane, point=before)
    now = scene(setup.plane, setup.starts, moved)
    if st.session_state.get("playground_resting", True):
        st.session_state.playground_sweep = sweep(setup.plane, setup.sweep)
    show(setup, now, st.session_state.playground_sweep, explain(setup, now), _act)
    if st.session_state.pop("playground_dirty", False):
        # The sliders and the address stand outside the fragment.
        st.rerun()


def _act(hand: Hand) -> None:
    """Take over what a hand did; called before the fragment is drawn."""
    old: Setup = st.session_state.playground_setup
    setup = old.moved(hand.point, hand.starts, hand.sweep)
    st.session_state.playground_setup = setup
    if hand.before is not None:
        st.session_state.playground_before = hand.before
    st.session_state.playground_resting = hand.is_resting
    if hand.is_resting:
        _fill(setup)
        st.session_state.playground_dirty = True


def _arrive() -> None:
    """The setup of an address that somebody opened; else that of the session goes on."""
    visit = address.visit(_PAGE)
    if visit.query is not None:
        setup, st.session_state.playground_complaints = Setup.from_query(visit.query)
        _take(setup)
    elif visit.is_back:
        _fill(st.session_state.playground_setup)


def _take(setup: Setup) -> None:
    """Show another setup."""
    st.session_state.playground_setup = setup
    st.session_state.playground_before = None
    st.session_state.playground_resting = True
    _fill(setup)


def _fill(setup: Setup) -> None:
    """Write a setup into the widgets; before any of them is drawn in this run of the script."""
    for name in _BY_NAME:
        st.session_state[f"{_W}.{name}"] = getattr(setup, name)
    entry = setup.entry
    st.session_state[f"{_W}.r"] = entry.key
    values = {p.name: getattr(setup.regularizer, p.name) for p in entry.params}
    prefill(f"{_W}.r.{entry.key}", entry.params, values)


def _keep(setup: Setup) -> None:
    """Remember what the widgets say, and write it into the address bar."""
    old: Setup = st.session_state.playground_setup
    if old.point != setup.point:
        st.session_state.playground_before = old.point
    if old != setup:
        st.session_state.playground_complaints = ()
    st.session_state.playground_setup = setup
    query = setup.to_query()
    if query != {name: st.query_params[name] for name in st.query_params}:
        address.write(_PAGE, query)


def _form(setup: Setup) -> Setup:
    """Draw the sidebar's widgets and return what they say; starts and sweep belong to the plane."""
    heading("Forward operator")
    _measured()
    values = {name: _widget(name, setup) for name in ("first", "second", "angle")}
    heading("Regulariser R")
    keys = list(PLANAR)
    chosen = st.session_state.get(f"{_W}.r")
    st.session_state[f"{_W}.r"] = chosen if chosen in PLANAR else keys[0]
    chosen = st.selectbox(
        "Regulariser R",
        keys,
        keys.index(st.session_state[f"{_W}.r"]),
        key=f"{_W}.r",
        format_func=lambda k: PLANAR[k].title,
        label_visibility="collapsed",
    )
    entry = PLANAR[chosen]
    st.caption(entry.cls.equation)
    regularizer = entry.cls(**entry_form(entry, f"{_W}.r.{entry.key}"))
    values["weight"] = _widget("weight", setup)
    heading("Iteration")
    values["splitting"] = _widget("splitting", setup)
    # Without a step of its own the implicit splitting keeps the one that was chosen for the explicit one.
    values["step"] = _widget("step", setup) if values["splitting"] == "explicit" else setup.step
    heading("Measurements")
    values |= {name: _widget(name, setup) for name in ("horizontal", "vertical")}
    return replace(setup, regularizer=regularizer, **values)


def _widget(name: str, setup: Setup) -> float | str:
    # Streamlit forgets a widget that was not drawn for a while.
    st.session_state.setdefault(f"{_W}.{name}", getattr(setup, name))
    return widget(_BY_NAME[name], f"{_W}.{name}")


def _measured() -> None:
    """The picker of A, which always names what the sliders below it say."""
    now = (st.session_state[f"{_W}.first"], st.session_state[f"{_W}.second"])
    kind = next((name for name, values in KINDS.items() if values == now), "Custom")
    st.session_state[f"{_W}.kind"] = kind
    st.selectbox("A", list(KINDS), list(KINDS).index(kind), key=f"{_W}.kind", on_change=_measure)


def _measure() -> None:
    """The picker of A sets the singular values; nothing happens where they are one's own."""
    chosen = KINDS.get(st.session_state[f"{_W}.kind"])
    if chosen is not None:
        st.session_state[f"{_W}.first"], st.session_state[f"{_W}.second"] = chosen


def _presets() -> None:
    heading("Presets")
    for name, (what, setup) in PRESETS.items():
        st.button(name, key=f"{_W}.preset.{name}", help=what, type="tertiary", on_click=_take, args=(setup,))


def explain(setup: Setup, now: Scene) -> Explanation:
    """What one sees, in the words of this very scene."""
    rank = (
        "A has rank one: every point of the dashed line has the same data, and R decides between them."
        if setup.plane.operator.rows == 1
        else "On the ellipse ‖Ax − y‖ is constant: where it is long, R decides."
    )
    arrows = "The arrows are the vector field −(A*(Ax − y) + αR(x))"
    shape = (
        f"{arrows}; the level sets are those of ½‖Ax − y‖² + αΨ(x), R = ∇Ψ."
        if now.energy is not None
        else f"{arrows}; R is not conservative (no potential), so there are no level sets."
    )
    rule = (
        f"T contracts by κ = {number(now.kappa)}: all trajectories converge, the last below the dashed bound."
        if now.kappa is not None
        else "No contraction is proved here."
    )
    hint = PRESET_HINTS.get(setup.entry.key, "Drag the data and click into the plane.")
    return Explanation("A*(Ax − y) + αR(x) = 0", f"{shape} {rank} {_count(now.found)} {rule}", hint)


def _count(fixed_points: tuple[FixedPoint, ...]) -> str:
    if not fixed_points:
        return "No equilibrium lies in the window."
    if len(fixed_points) == 1:
        return "There is one equilibrium in the window."
    attracting = sum(f.is_attracting for f in fixed_points)
    return (
        f"There are {len(fixed_points)} equilibria in the window, {attracting} of which attract the iterates."
    )


PRESET_HINTS = {
    "residual": "Raise L above 1 and watch the bifurcation.",
    "quadratic": "Rotate A, or make the second singular value small: slow convergence along one axis.",
    "absolute": "Lower ε: R approaches the sign function, and there is no contraction far from 0.",
    "rotating": "Set θ back to 0: R is a gradient again, with level sets and no spirals.",
    "skew": "Choose the implicit splitting: the same unique equilibrium, and the iterates diverge.",
    "bistable": "Drag the data across the ridge: the starting point decides the limit.",
}
"""One thing to try for every R."""
