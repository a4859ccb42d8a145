"""What all scripted visitors do: they speak Streamlit's own websocket protocol, as a browser would."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import websockets
from google.protobuf import json_format
from streamlit.proto.BackMsg_pb2 import BackMsg


class Reader(Protocol):
    """A visitor who takes in what the server sends."""

    async def read(self) -> None:
        """Until the connection ends."""
        ...


R = TypeVar("R", bound=Reader)


@asynccontextmanager
async def connected(
    port: int, arrive: Callable[[websockets.ClientConnection], R], compression: str | None = "deflate"
) -> AsyncIterator[R]:
    """The visitor that `arrive` makes of a connection, who listens meanwhile, and leaves at the end."""
    async with websockets.connect(
        f"ws://127.0.0.1:{port}/_stcore/stream",
        subprotocols=["streamlit"],  # type: ignore[list-item]
        max_size=None,
        origin=f"http://127.0.0.1:{port}",  # type: ignore[arg-type]
        compression=compression,
    ) as socket:
        visitor = arrive(socket)
        reader = asyncio.create_task(visitor.read())
        try:
            yield visitor
        finally:
            reader.cancel()


def rerun(page: str, query: str, widgets: Mapping[str, Mapping[str, Any]], fragment: str = "") -> BackMsg:
    """What a browser sends so that the script runs, or a fragment of it: its address and its widgets."""
    message = BackMsg()
    asked = message.rerun_script
    asked.query_string, asked.page_script_hash = query, page
    for key, value in widgets.items():
        json_format.ParseDict({"id": key, **value}, asked.widget_states.widgets.add())
    if fragment:
        asked.fragment_id, asked.is_auto_rerun = fragment, True
    return message


def spoken(kind: str, widget: Any) -> dict[str, Any] | None:
    """What a browser sends of a widget that nobody has touched: the value that the server gave it."""
    is_set = getattr(widget, "set_value", False)
    match kind:
        case "slider" if widget.options:
            picked = list(widget.raw_value) if is_set else [widget.options[int(i)] for i in widget.default]
            return {"string_array_value": {"data": picked}}
        case "slider":
            return {"double_array_value": {"data": list(widget.value if is_set else widget.default)}}
        case "selectbox":
            return {"string_value": widget.raw_value if is_set else widget.options[widget.default]}
        case "number_input":
            return {"double_value": widget.value if is_set else widget.default}
        case "button_group":
            options = [option.content for option in widget.options]
            picked = list(widget.raw_values) if is_set else [options[i] for i in widget.default]
            return {"string_array_value": {"data": picked}}
        case "text_input":
            return {"string_value": widget.value if is_set else widget.default}
        case "checkbox":
            return {"bool_value": widget.value if is_set else widget.default}
    return None
