"""What a browser says of its widgets: what no browser of ours says counts as not said.

Streamlit turns the message of a widget into a value when a script asks for it, and trusts it to be of the
widget's kind: a text for a slider ends the script, with a traceback in the log. There is no public place
to look before it does; a test holds the private one to the pinned version.
"""

import json
import logging
from copy import deepcopy
from typing import Any

from streamlit.runtime.state.session_state import Serialized, Value, WStates

from deqviz.core.quoted import quoted

_LOG = logging.getLogger(__name__)
_read = WStates.__getitem__
_NUMBERS = {"int_value", "double_value"}
"""A field of whole numbers sends the one and is registered with the other."""

_JSON = {"json_value", "json_trigger_value"}
"""What components send."""


def guard() -> None:
    """From now on a message that is none of its widget's kind gives the default; once per process."""
    WStates.__getitem__ = _careful  # type: ignore[method-assign]


def _careful(states: WStates, widget: str) -> Any:
    state, metadata = states.states.get(widget), states.widget_metadata.get(widget)
    if not isinstance(state, Serialized) or metadata is None:
        return _read(states, widget)
    kind = state.value.WhichOneof("value")
    if kind in (None, metadata.value_type) or {kind, metadata.value_type} == _NUMBERS:
        try:
            if kind in _JSON:
                # Streamlit reads a text within once more, would log a traceback and go on.
                text = json.loads(getattr(state.value, kind))
                if isinstance(text, str):
                    json.loads(text)
            value = _read(states, widget)
        except Exception as error:  # whatever a deserializer makes of nonsense
            reason = f"no {kind} that it can be: {type(error).__name__}"
        else:
            # By the message Streamlit learns the kind of the widget, which an empty one does not have.
            states.set_widget_metadata(metadata)
            return value
    else:
        reason = f"a {kind} and no {metadata.value_type}"
    _LOG.warning("A browser sent the widget %s %s; its default is used.", quoted(widget), reason)
    default = deepcopy(metadata.deserializer(None))
    states.states[widget] = Value(default)
    return default
