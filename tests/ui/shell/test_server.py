"""The server as `make app`, the image and `streamlit run` start it: whom it answers; and it asks nobody."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path

import pytest
import streamlit as st
from starlette.types import Message, Receive, Scope, Send
from streamlit import config, net_util
from streamlit.components.v2.manifest_scanner import scan_component_manifests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState

from deqviz.ui.shell import server
from tests.browser import Server, offline
from tests.places import PATIENCE, ROOT, awaited

DEQVIZ = [sys.executable, "-c", "import sys, deqviz.cli; sys.exit(deqviz.cli.main())"]
FOREIGN = "rebound.example"
PATHS = ["/", "/_stcore/health", "/_stcore/host-config", "/media/a.png", "/component/a/b.js"]
PATHS += [
    "/_stcore/bidi-components/deqviz.plotly/plotly.min.js",
    "/_stcore/upload_file/a/b",
    "/static/js/a.js",
]
SOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "streamlit",
}


def _made() -> list[str]:
    """The words of `make app`."""
    recipe = re.search(r"^app:.*\n\t@\$\(BIN\)/deqviz (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    return [*DEQVIZ, *recipe[1].split()]


def _contained() -> list[str]:
    """The words of the image."""
    line = re.search(r"^ENTRYPOINT (\[.+\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert line
    name, *words = json.loads(line[1])
    assert name == "deqviz"
    return [*DEQVIZ, *words]


STARTS = {
    "make app": _made(),
    "the image": _contained(),
    # A greeting of Streamlit's where one is asked for, and origins that are not the Host.
    "behind a proxy": [
        *(*DEQVIZ, "app", "--server.address=0.0.0.0", "--logger.hideWelcomeMessage=false"),
        *("--server.allowedHosts=deqviz.example", "--server.corsAllowedOrigins=https://deqviz.example"),
    ],
    "streamlit run": [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(ROOT / "app.py"),
        "--server.address=0.0.0.0",
    ],
}


@pytest.fixture(scope="module", params=STARTS)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app as it is started in one of the ways; afterwards it has asked nobody anything."""
    folder = tmp_path_factory.mktemp("server")
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("DEQVIZ_", "STREAMLIT_"))
    }
    path = os.pathsep.join(part for part in (str(ROOT), own.get("PYTHONPATH", "")) if part)
    one = Server(
        STARTS[request.param], folder / "log.txt", own | {"HOME": str(folder), "PYTHONPATH": path}, folder
    )
    one.wait()
    yield one
    one.stop()
    assert one.called() == []
    if "streamlit" not in STARTS[request.param]:
        assert one.process.returncode == 0, "what registers with atexit is called"


@dataclass(frozen=True)
class Reply:
    """What a server answers to a request."""

    status: int
    headers: HTTPMessage
    body: bytes


def answer(one: Server, path: str = "/", method: str = "GET", **headers: str) -> Reply:
    """The answer to a request with these headers; `Host` is its own, unless given."""
    with closing(HTTPConnection("127.0.0.1", one.port, timeout=PATIENCE)) as connection:
        connection.putrequest(method, path, skip_host=True)
        for name, value in ({"Host": f"127.0.0.1:{one.port}"} | headers).items():
            connection.putheader(name, value)
        connection.endheaders()
        with closing(connection.getresponse()) as reply:
            return Reply(reply.status, reply.headers, b"" if reply.status == 101 else reply.read())


def status(one: Server, path: str = "/", method: str = "GET", **headers: str) -> int:
    return answer(one, path, method, **headers).status


def is_open(one: Server, host: str, origin: str) -> bool:
    """Whether a page of this origin may speak with the app under this name."""
    reached = status(one, "/_stcore/stream", **SOCKET, Host=host, Origin=origin)
    assert reached in (101, 403)
    return reached == 101


def test_a_name_that_is_not_ours_is_refused_on_every_way_in(running: Server) -> None:
    host = f"{FOREIGN}:{running.port}"
    assert {status(running, path, Host=host, Origin=f"http://{host}") for path in PATHS} == {403}
    assert {status(running, path, Host=host) for path in PATHS} == {403}
    assert status(running, PATHS[-2], "PUT", Host=host, Origin=f"http://{host}") == 403
    assert not is_open(running, host, f"http://{host}")
    assert server.NAME_REFUSED.encode() == answer(running, Host=host).body


def test_a_page_that_is_not_ours_is_refused_under_our_name(running: Server) -> None:
    for host in (f"127.0.0.1:{running.port}", f"localhost:{running.port}", f"192.168.1.5:{running.port}"):
        foreign = (f"http://{FOREIGN}", f"http://{FOREIGN}:{running.port}", "null", "http://[")
        for origin in (*foreign, f"http://{host}.{FOREIGN}", "http://a@127.0.0.1"):
            assert {status(running, path, Host=host, Origin=origin) for path in PATHS} == {403}
            assert not is_open(running, host, origin)
    assert server.PAGE_REFUSED.encode() == answer(running, Origin=f"http://{FOREIGN}").body


def test_pages_of_other_programs_on_this_machine_are_refused(running: Server) -> None:
    others = ("http://localhost:1", "http://127.0.0.1:1", "http://0.0.0.0:1", "http://localhost", "localhost")
    for host in (f"127.0.0.1:{running.port}", f"localhost:{running.port}", f"[::1]:{running.port}"):
        for origin in (*others, f"https://{host}"):
            assert status(running, Host=host, Origin=origin) == 403
            assert not is_open(running, host, origin)
    assert not is_open(running, "localhost", "http://localhost:1")


def test_our_own_pages_are_served(running: Server, request: pytest.FixtureRequest) -> None:
    is_proxied = "behind a proxy" in request.node.name
    # A proxy that passes the Host on, one that does without its port, one that does not.
    for host in ("deqviz.example:8443", "deqviz.example", f"127.0.0.1:{running.port}"):
        assert is_open(running, host, "https://deqviz.example:8443") is is_proxied
    for name in ("127.0.0.1", "localhost", "192.168.1.5", "[fe80::1]", socket.gethostname()):
        assert status(running, Host=f"{name}:{running.port}") == 200
        assert is_open(running, f"{name}:{running.port}", f"http://{name}:{running.port}")
    for name in ("127.0.0.1", "localhost", "[::1]"):
        assert is_open(running, f"localhost:{running.port}", f"http://{name}:{running.port}")


def test_the_scheme_of_a_page_is_what_the_proxy_says(running: Server) -> None:
    for host in ("192.168.1.5", "192.168.1.5:8443", f"192.168.1.5:{running.port}"):
        for said, scheme in (
            ("https", "https"),
            ("http", "http"),
            ("https, http", "https"),
            ("wss", "https"),
        ):
            other = {"http": "https", "https": "http"}[scheme]
            for page, expected in ((scheme, 200), (other, 403)):
                headers = {"Host": host, "Origin": f"{page}://{host}", "X-Forwarded-Proto": said}
                assert status(running, **headers) == expected
    # One that says nothing, but for the port that it has and the server has not.
    for page in ("http", "https"):
        assert is_open(running, "192.168.1.5", f"{page}://192.168.1.5")


def test_every_answer_says_what_it_allows_and_none_tells_of_the_memory(running: Server) -> None:
    script = re.search(rb'src="\./(static/js/[^"]+)"', answer(running).body)
    assert script
    for path, expected in (
        ("/", 200),
        (f"/{script[1].decode()}", 200),
        ("/_stcore/metrics", 404),
        ("/media/a", 404),
    ):
        reply = answer(running, path)
        assert reply.status == expected
        assert {name: reply.headers[name] for name in server.HEADERS} == server.HEADERS
    assert status(running, "/_stcore/metrics/") == 404
    policy = server.HEADERS["Content-Security-Policy"]
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert "unsafe-eval" not in policy


def test_a_server_that_others_reach_says_so(running: Server, request: pytest.FixtureRequest) -> None:
    greeting = running.log.read_text()
    place = "127.0.0.1" if "make app" in request.node.name else "localhost"
    assert f"DEQViz is at http://{place}:{running.port}\n" in greeting
    assert greeting.count(server.PUBLIC) == (place == "localhost")


def test_a_server_whose_greeting_cannot_be_printed_serves_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served: list[bool] = []

    async def serve() -> None:
        async with server.greeting(st.App("app.py")):
            served.append(True)

    with monkeypatch.context() as patch:
        patch.setattr(sys.stdout, "flush", _full)
        awaited(serve())
    assert served == [True]
    assert "cannot be printed" in capsys.readouterr().err


def _full() -> None:
    raise OSError


def test_what_streamlit_would_ask_is_heard(tmp_path: Path) -> None:
    # Without this the tests above could not fail.
    asked = "from streamlit import net_util; print(net_util.get_external_ip(), net_util.get_internal_ip())"
    calls = tmp_path / "calls.txt"
    subprocess.run(
        [sys.executable, "-c", asked], env=offline(os.environ, calls), check=True, capture_output=True
    )
    heard = calls.read_text().splitlines()
    assert {"getaddrinfo checkip.amazonaws.com", "connect 8.8.8.8"} == set(heard)


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Streamlit's settings, those in this dictionary instead of what they are."""
    given: dict[str, object] = {}
    get = config.get_option
    monkeypatch.setattr(config, "get_option", lambda name: given[name] if name in given else get(name))
    return given


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8501",
        "a.localhost",
        "localhost.",
        "127.0.0.1:80",
        "10.0.0.7",
        "[::1]:8501",
        "[fe80::1]",
    ],
)
def test_loopback_names_and_addresses_are_this_machine(host: str) -> None:
    assert server.is_own_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example",
        "127.0.0.1.rebound.example",
        "localhost.rebound.example",
        "rebound.example:8501",
        "alocalhost",
        "",
        "a@localhost",
        "localhost/a",
        "localhost:port",
        "localhost?",
        "[::1",
        "127.0.0.1, rebound.example",
        "*",
    ],
)
def test_other_names_and_what_is_no_name_are_not(host: str) -> None:
    assert not server.is_own_host(host)


def test_names_are_ours_that_the_settings_give(
    options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Board7.uni.example")
    assert all(map(server.is_own_host, ("board7", "board7.uni.example:80", "board7.local")))
    assert not server.is_own_host("uni.example")
    options["server.allowedHosts"] = ["*.lab.example"]
    assert server.is_own_host("deqviz.lab.example")
    assert not server.is_own_host("lab.example")
    assert server.is_own_host("127.0.0.1")
    options["server.corsAllowedOrigins"] = ["https://deqviz.example:8443"]
    assert server.is_own_host("deqviz.example")
    options["server.address"] = "served.example"
    assert server.is_own_host("served.example")
    options["server.allowedHosts"] = ["*"]
    assert server.is_own_host("anything.example")


@pytest.mark.parametrize(
    ("allowed", "own", "foreign"),
    [
        (
            "https://a.example:8443",
            ["https://a.example:8443"],
            ["https://a.example", "http://a.example:8443"],
        ),
        ("https://a.example/", ["https://a.example", "https://A.example:8443"], ["http://a.example"]),
        ("a.example", ["https://a.example", "http://a.example:8080"], ["https://b.a.example", "a.example"]),
        ("http://[fe80::1]:80", ["http://[fe80::1]"], ["http://[fe80::2]", "https://[fe80::1]"]),
        ("http://127.0.0.1:3000", ["http://localhost:3000"], ["http://localhost:3001"]),
        ("https://a.example:port", [], ["https://a.example"]),
        ("*", [], ["https://a.example"]),
    ],
)
def test_an_allowed_origin_is_held_to_what_it_says(
    options: dict[str, object], allowed: str, own: list[str], foreign: list[str]
) -> None:
    options["server.corsAllowedOrigins"] = ["http://c.example", allowed]
    assert all(server.is_own_page(origin, "127.0.0.1:8501") for origin in own)
    assert not any(server.is_own_page(origin, "127.0.0.1:8501") for origin in foreign)
    options["server.enableCORS"] = False
    assert server.is_own_page("https://anything.example", "127.0.0.1:8501")


def test_the_address_in_the_browser_is_ours_with_its_port(
    options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not server.is_own_page("https://a.example:8443", "127.0.0.1:8501")
    monkeypatch.setattr(config, "is_manually_set", lambda name: name == "browser.serverAddress")
    options |= {"browser.serverAddress": "a.example", "browser.serverPort": 8443}
    assert server.is_own_page("https://a.example:8443", "127.0.0.1:8501")
    assert not server.is_own_page("https://a.example", "127.0.0.1:8501")


@pytest.mark.parametrize("origin", ["http://", "http:", "", "null", "http://:80", "file://"])
def test_a_page_of_nowhere_is_nobody_s(origin: str) -> None:
    assert not server.is_own_page(origin, "")  # HTTP/1.0 may have no Host


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("127.0.0.1", False),
        ("localhost", False),
        ("::1", False),
        ("0.0.0.0", True),
        ("::", True),
        (None, True),
        ("", True),
        ("192.168.1.5", True),
        ("board7", True),
    ],
)
def test_who_reaches_an_address(address: str | None, is_public: bool) -> None:
    assert server.is_public(address) is is_public


def test_nobody_is_asked_for_the_address_of_this_machine() -> None:
    assert net_util.get_external_ip() is None
    assert net_util.get_internal_ip() is None


def test_a_package_with_damaged_metadata_costs_no_page_its_components(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "damaged-0.3.dist-info"
    about.mkdir()
    (about / "METADATA").write_bytes(b"Metadata-Version: 2.1\nName: \xff\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "deqviz" in [manifest.name for manifest, _ in scan_component_manifests()]


def heard(*frames: bytes | str) -> list[str | None]:
    """The kind of each message that the app hears of these frames, None for the end of the connection."""
    kinds: list[str | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "websocket.disconnect":
            kinds.append(BackMsg.FromString(message["bytes"]).WhichOneof("type"))
        kinds.append(None)

    async def receive() -> Message:
        frame = next(coming, None)
        if frame is None:
            return {"type": "websocket.disconnect"}
        return {"type": "websocket.receive", "text" if isinstance(frame, str) else "bytes": frame}

    async def send(message: Message) -> None:
        pass

    coming = iter(frames)
    scope = {"type": "websocket", "path": "/", "headers": [(b"host", b"localhost")]}
    awaited(server.Guard(app)(scope, receive, send))
    return kinds


def said(**fields: object) -> bytes:
    return BackMsg(**fields).SerializeToString()  # pyright: ignore[reportArgumentType]


def test_what_a_page_says_is_heard_and_a_developer_s_menu_is_not() -> None:
    run, stop = said(rerun_script=ClientState(query_string="a=1")), said(stop_script=True)
    assert heard(run, stop, said(app_heartbeat=True)) == [
        "rerun_script",
        "stop_script",
        "app_heartbeat",
        None,
    ]
    menu = ("clear_cache", "load_git_info", "set_run_on_save", "debug_shutdown_runtime")
    assert heard(*(said(**{name: True}) for name in menu), run) == ["rerun_script", None]


@pytest.mark.parametrize("frame", ["text", "", b"", b"\xff" * 40, b"\x22\x05\x0a\x03\xff\xff\xff"], ids=repr)
def test_a_frame_that_is_no_message_ends_the_connection(frame: bytes | str) -> None:
    run = said(rerun_script=ClientState())
    assert heard(run, frame, run) == ["rerun_script", None]
