"""Widgets out of parameter specs."""

from streamlit.testing.v1 import AppTest

from tests.places import PATIENCE


def script() -> None:
    import streamlit as st

    from deqviz.core.catalog import OPERATORS
    from deqviz.core.registry import Choice
    from deqviz.ui.inputs.widgets import choose, prefill_choice

    if "is_filled" not in st.session_state:
        st.session_state.is_filled = True
        params = {} if "old" not in st.query_params else {"seed": 7}
        prefill_choice("x", OPERATORS, Choice("compressed_sensing", params))
    st.session_state.choice = choose(OPERATORS, "x", "Operator", "gaussian_blur")


def test_one_seed_draws_the_mask_unless_an_old_link_brings_another():
    at = AppTest.from_function(script, default_timeout=PATIENCE).run()
    assert not at.number_input
    assert not at.expander
    assert at.session_state.choice.params.get("seed", -1) == -1
    at = AppTest.from_function(script, default_timeout=PATIENCE)
    at.query_params["old"] = "yes"
    at.run()
    assert at.number_input[0].label == "Mask seed"
    assert at.session_state.choice.params["seed"] == 7
