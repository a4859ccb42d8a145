"""A visitor who means no good: what it sends is not what the page offers; and what it is answered."""

import asyncio
import urllib.request
from contextlib import AbstractAsyncContextManager
from http.client import HTTPConnection

import websockets
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.hostile import File
from benchmarks.tour import Stop, Tourist
from benchmarks.visitor import connected
from benchmarks.watch import PATIENCE
from deqviz.ui.components.packets import unpack


class Intruder(Tourist):
    """A visitor who notes every sentence of the page, and sends what it likes."""

    def __init__(self, socket: websockets.ClientConnection, port: int) -> None:
        super().__init__(socket)
        self.port = port
        self.kinds: dict[str, str] = {}
        self.uploaders: list[str] = []
        self.runs: list[str] = []
        self.refusals: list[str] = []
        self.notes: list[str] = []
        self.is_closed = False
        self.place = FileURLs()
        self._places: asyncio.Queue[FileURLs] = asyncio.Queue()

    async def read(self) -> None:
        """Take in what the server sends; the end of the connection is an answer too."""
        try:
            await super().read()
        except websockets.ConnectionClosed:
            pass
        finally:
            self.is_closed = True
            self._finished.set()

    def take(self, message: ForwardMsg) -> None:
        """Also where a file may be put, and what no visitor should be told."""
        super().take(message)
        match message.WhichOneof("type"):
            case "file_urls_response":
                for place in message.file_urls_response.file_urls:
                    self._places.put_nowait(place)
            case "git_info_changed":
                self.errors.append(f"told of the repository {message.git_info_changed.repository!r}")

    def element(self, element: object) -> None:
        """Also every widget there is, and what the page says."""
        super().element(element)
        kind = element.WhichOneof("type")  # type: ignore[attr-defined]
        if kind is None:
            return
        widget = getattr(element, kind)
        if getattr(widget, "id", ""):
            self.kinds[widget.id] = kind
        if kind == "file_uploader" and widget.id not in self.uploaders:
            self.uploaders.append(widget.id)
        elif kind == "bidi_component" and widget.bytes and widget.bytes[:4] != b"\0\0\0\0":
            head, _ = unpack(widget.bytes)
            self.runs += [run for run in (head.get("run"),) if isinstance(run, str) and run not in self.runs]
            if head.get("state") == "error":
                self.refusals.append(head.get("message") or "")
        elif kind == "alert":
            is_note = widget.format in (Alert.INFO, Alert.SUCCESS)
            (self.notes if is_note else self.refusals).append(widget.body)

    async def visit(self, stop: Stop) -> None:
        """Open a place and look at it twice, as the first look begins what it asks for."""
        if not self.pages:
            await self.run()
        self.page, self.query = self.pages.get(stop.page) or self.pages[""], stop.query
        for kept in (
            *(self.widgets, self.kinds, self.fragments),
            *(self.uploaders, self.runs, self.refusals, self.notes),
        ):
            kept.clear()
        await self.run()
        await self.look()

    async def look(self) -> None:
        """The fragments of the page, once."""
        for fragment in tuple(self.fragments):
            await self.run(fragment)

    async def send(self, message: BackMsg) -> None:
        """Send it, and wait until the script has run or the connection has ended."""
        await self.raw(message.SerializeToString())
        await asyncio.wait_for(self._finished.wait(), PATIENCE)

    async def raw(self, data: bytes | str) -> None:
        """Send a frame, whatever it is."""
        self._finished.clear()
        try:
            await self.socket.send(data)
        except websockets.ConnectionClosed:
            self.is_closed = True
        if self.is_closed:
            self._finished.set()

    async def put(self, file: File) -> int:
        """Put a file where the server takes it; the status of its answer."""
        message = BackMsg()
        message.file_urls_request.file_names.append(file.name)
        await self.raw(message.SerializeToString())
        self.place = await asyncio.wait_for(self._places.get(), PATIENCE)
        return await asyncio.to_thread(_put, self.port, self.place.upload_url, file)

    async def pick(self, widget: str, file: File, place: FileURLs) -> None:
        """Say that a file lies there, and let the script run."""
        message = self.message()
        state = message.rerun_script.widget_states.widgets.add(id=widget).file_uploader_state_value
        state.uploaded_file_info.add(
            name=file.name, size=len(file.data), file_id=place.file_id, file_urls=place
        )
        self.refusals.clear()
        self.notes.clear()
        await self.send(message)


def intruder(port: int) -> AbstractAsyncContextManager[Intruder]:
    """An intruder, who leaves at the end."""
    return connected(port, lambda socket: Intruder(socket, port), compression=None)


def token(port: int) -> str:
    """What the server gives a browser against forged requests."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=PATIENCE) as reply:
        return reply.headers["Set-Cookie"].partition("=")[2].partition(";")[0]


def _put(port: int, path: str, file: File) -> int:
    boundary = "----deqviz"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n\r\n'
    body = head.encode() + file.data + f"\r\n--{boundary}--\r\n".encode()
    own = token(port)
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(
            "PUT",
            path,
            body,
            {
                "Content-Type": f"multipart/form-data; boundary={boundary}",
                "Cookie": f"_streamlit_xsrf={own}",
                "X-Xsrftoken": own,
            },
        )
        return connection.getresponse().status
    finally:
        connection.close()
