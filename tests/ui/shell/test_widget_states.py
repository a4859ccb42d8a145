"""Widget states that no browser of ours sends: the default counts, and the log has one sentence."""

import json
import logging
import math
from typing import Any

import pytest
from streamlit.components.v2.bidi_component.serialization import BidiComponentSerde
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.state.common import WidgetMetadata
from streamlit.runtime.state.session_state import Serialized, WStates
from streamlit.testing.v1 import AppTest

from deqviz.ui.shell import widget_states


def script() -> None:
    import streamlit as st

    st.write(st.slider("slider", 0, 10, 3, key="slider"))
    st.write(st.select_slider("scale", [0.1, 1.0], 1.0, key="scale"))
    st.write(st.selectbox("box", ["a", "b"], key="box"))
    st.write(st.number_input("number", 0, 1000, 5, key="number"))
    st.write(st.multiselect("several", ["a", "b"], ["a"], key="several"))
    st.write(st.toggle("toggle", True, key="toggle"))
    st.write(st.text_area("text", "plain", key="text"))


DEFAULTS = {
    "slider": 3,
    "scale": 1.0,
    "box": "a",
    "number": 5,
    "several": ["a"],
    "toggle": True,
    "text": "plain",
}


@pytest.fixture
def page(monkeypatch) -> AppTest:
    monkeypatch.setattr(WStates, "__getitem__", WStates.__getitem__)  # put back after the test
    widget_states.guard()
    at = AppTest.from_function(script).run()
    assert not at.exception
    return at


def values(at: AppTest) -> dict[str, Any]:
    assert not at.exception, at.exception
    return {key: at.session_state[key] for key in DEFAULTS}


def forged(at: AppTest, **field: Any) -> WidgetStates:
    """All widgets of the page with this field of the protocol."""
    states, (name, value) = WidgetStates(), next(iter(field.items()))
    elements = [
        at.slider,
        at.select_slider,
        at.selectbox,
        at.number_input,
        at.multiselect,
        at.toggle,
        at.text_area,
    ]
    for element in (one for kind in elements for one in kind):
        state = states.widgets.add(id=element.id)
        if isinstance(value, list):
            getattr(state, name).data.extend(value)
        else:
            setattr(state, name, value)
    return states


@pytest.mark.parametrize(
    ("field", "kinds_of_its_own"),
    [
        ({"string_value": "abc"}, ("box", "text")),
        ({"double_value": math.nan}, ("number",)),
        ({"bool_value": False}, ("toggle",)),
        ({"int_value": 7}, ("number",)),
        ({"trigger_value": True}, ()),
        ({"json_value": "{"}, ()),
        ({"double_array_value": [math.nan]}, ("slider",)),
        ({"double_array_value": [1.0, 2.0, 3.0]}, ("slider",)),
        ({"string_array_value": ["x"]}, ("scale", "several")),
        ({"bytes_value": b"\xff"}, ()),
    ],
    ids=str,
)
def test_a_state_of_another_kind_gives_the_default_and_one_sentence(page, caplog, field, kinds_of_its_own):
    with caplog.at_level(logging.WARNING):
        at = page._run(forged(page, **field))
    got = values(at)
    others = DEFAULTS.keys() - set(kinds_of_its_own)
    assert {key: got[key] for key in others} == {key: DEFAULTS[key] for key in others}
    assert all(record.exc_info is None for record in caplog.records), "a traceback in the log"
    messages = [record.getMessage() for record in caplog.records]
    assert all(message.startswith("A browser sent the widget") for message in messages)
    for key in others:
        assert sum(f"{key}'" in message for message in messages) == 1


def test_what_a_browser_says_in_its_way_counts_and_nothing_is_logged(page, caplog):
    with caplog.at_level(logging.WARNING):
        page.slider[0].set_value(7)
        page.selectbox[0].set_value("b")
        page.toggle[0].set_value(False)
        page.multiselect[0].set_value(["b"])
        page.number_input[0].set_value(9)
        page.select_slider[0].set_value(0.1)
        page.text_area[0].set_value("said").run()
    assert values(page) == {
        "slider": 7,
        "scale": 0.1,
        "box": "b",
        "number": 9,
        "several": ["b"],
        "toggle": False,
        "text": "said",
    }
    assert not caplog.records


def test_a_browser_sends_whole_numbers_as_such_although_the_widget_is_registered_with_another_kind(
    page, caplog
):
    state = WidgetStates()
    state.widgets.add(id=page.number_input[0].id).int_value = 7
    assert values(page._run(state))["number"] == 7
    assert not caplog.records


def test_without_the_guard_the_script_ends_in_a_traceback(monkeypatch):
    """Or Streamlit looks for itself, and the guard can go."""
    monkeypatch.setattr(WStates, "__getitem__", widget_states._read)  # another test may have drawn the app
    at = AppTest.from_function(script).run()
    assert at._run(forged(at, string_value="abc")).exception


def test_a_widget_keeps_its_kind_after_an_empty_message(page, caplog):
    assert page
    states = WStates()
    metadata = WidgetMetadata("box", lambda value: value, lambda value: value, "string_value")
    states.set_widget_metadata(metadata)
    for message, value in ((WidgetState(id="box"), None), (WidgetState(id="box", string_value="b"), "b")):
        states.set_widget_from_proto(message)
        assert states["box"] == value
        assert states.widget_metadata["box"] == metadata
    assert not caplog.records


def test_a_component_s_state_that_is_no_json_gives_its_default_without_a_traceback(caplog):
    read = BidiComponentSerde(default={"a": 1}).deserialize
    cases = (("abc", "JSONDecodeError"), ('""', "JSONDecodeError"), ("[" * 10**5, "RecursionError"))
    for text, kind in cases:
        states = WStates()
        states.set_widget_metadata(WidgetMetadata("one", read, json.dumps, "json_value"))
        states.states["one"] = Serialized(WidgetState(id="one", json_value=text))
        with caplog.at_level(logging.WARNING):
            assert widget_states._careful(states, "one") == read(None)
        assert caplog.records.pop().getMessage().endswith(f"can be: {kind}; its default is used.")
        assert not caplog.records
