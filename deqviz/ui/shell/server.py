"""Whom the server answers, and what its answers allow a browser.

Streamlit answers under every name, so a page of the web whose name is bound to this machine once it is loaded
(DNS rebinding) would be one of ours. `st.App`, in app.py, is Streamlit's own place for what comes before it.
"""

import ipaddress
import re
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import Distribution
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import streamlit as st
from google.protobuf.message import DecodeError
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config, file_util, net_util, url_util
from streamlit.components.v2 import manifest_scanner
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime.runtime_util import get_max_widget_state_size_bytes
from streamlit.web.server.server_util import get_display_address, get_url
from streamlit.web.server.starlette import starlette_websocket
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from deqviz.core.terminal import shown
from deqviz.ui.shell.health import Health
from deqviz.ui.shell.intake import Intake

METRICS: Final = "/_stcore/metrics"
NAME_REFUSED: Final = (
    "DEQViz does not answer under this name: open it by the IP address of its machine, "
    "or start it with --server.allowedHosts NAME.\n"
)
PAGE_REFUSED: Final = (
    "This page may not ask DEQViz: start it with --server.corsAllowedOrigins ORIGIN if it should.\n"
)
PUBLIC: Final = (
    "Everybody who reaches this machine can use it and share its computing time, for there are no accounts: "
    "docs/deploy.md has the limits."
)


def _policy(index: Path) -> str:
    """The Content-Security-Policy of Streamlit's page, whose inline scripts are named by their hashes."""
    inline = re.findall(r"<script>(.*?)</script>", index.read_text(encoding="utf-8"), re.DOTALL)
    hashes = (b64encode(sha256(script.encode()).digest()).decode() for script in inline)
    return "; ".join(
        (
            "default-src 'self'",
            # The modules of components come through the websocket and are imported as blobs.
            " ".join(("script-src 'self' blob:", *(f"'sha256-{one}'" for one in hashes))),
            "style-src 'self' 'unsafe-inline'",  # Streamlit and Plotly write their sheets into the page
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "media-src 'self' data: blob:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        )
    )


PORTS: Final = {"http": 80, "https": 443}
"""The schemes of pages, and the port of an address that says none."""
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

HEADERS: Final = {
    "Content-Security-Policy": _policy(Path(file_util.get_static_dir()) / "index.html"),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What every answer says to a browser."""

SPOKEN: Final = frozenset(
    {"rerun_script", "stop_script", "app_heartbeat", "file_urls_request", "backend_operation_request"}
)
"""What a page says to the app. The rest is of a developer's menu, which no page has: it would empty the
caches of all visitors, tell of the repository, or change settings."""


def is_own_host(host: str | None) -> bool:
    """Whether a Host header names this machine: by an address, or by a name that is its own or was allowed.

    An address cannot be bound to anything else, so it is no way for a foreign page.
    """
    name = _name(host or "")
    if name is None:
        return False
    is_allowed = bool(config.get_option("server.allowedHosts")) and is_host_allowed(host)
    return is_allowed or _is_address(name) or name.endswith(".localhost") or name in _own_names()


def is_own_page(origin: str, host: str, schemes: Iterable[str] = PORTS) -> bool:
    """Whether an Origin header is that of a page from `host`, by one of the schemes, or of an allowed place.

    Streamlit looks at the name alone: every program that serves pages on this machine would be one of ours.
    """
    scheme, _, place = origin.lower().partition("://")
    page = _place(scheme, place)
    if page is None:
        return False
    if not config.get_option("server.enableCORS") or any(page == _place(one, host) for one in schemes):
        return True
    return any(
        page.name == _loopback(name) and said in (None, page.scheme) and port in (None, page.port)
        for said, name, port in _allowed()
    )


def is_public(address: str | None) -> bool:
    """Whether other machines reach a server that is bound to this address; without one, all do."""
    if not address:
        return True
    return not (ipaddress.ip_address(address).is_loopback if _is_address(address) else address == "localhost")


def _name(host: str) -> str | None:
    """The name in a Host header, or None where it is none."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    return (parts.hostname or "").rstrip(".") if parts.netloc == host and "@" not in host else None


@dataclass(frozen=True)
class _Place:
    scheme: str
    name: str
    port: int


def _place(scheme: str, host: str) -> _Place | None:
    """What a page at `host` is of, or None where it is nowhere."""
    name = _name(host)
    if not name or scheme not in PORTS:
        return None
    port = urlsplit(f"//{host}").port
    return _Place(scheme, _loopback(name), PORTS[scheme] if port is None else port)


def _loopback(name: str) -> str:
    """One name for all of loopback's, other names as they are."""
    return "localhost" if name in LOOPBACK else name


def _allowed() -> Iterator[tuple[str | None, str, int | None]]:
    """Scheme, name and port of the places that the settings allow; None where they do not say it."""
    places = list(config.get_option("server.corsAllowedOrigins"))
    if config.is_manually_set("browser.serverAddress"):
        name = url_util.get_hostname(config.get_option("browser.serverAddress")) or ""
        places.append(f"{f'[{name}]' if ':' in name else name}:{config.get_option('browser.serverPort')}")
    for place in places:
        with suppress(ValueError):  # a port that is none
            parts = urlsplit((place if "://" in place else f"//{place}").lower())
            yield parts.scheme or None, parts.hostname or "", parts.port


def _web(scheme: str) -> str:
    """The scheme of a page that opens a connection of this one, which may be a websocket."""
    return {"ws": "http", "wss": "https"}.get(scheme, scheme)


def _schemes(scope: Scope, headers: Headers, host: str) -> Iterable[str]:
    """By which schemes the page of a request can have come: both where a proxy does not tell."""
    if said := headers.get("x-forwarded-proto"):
        return (_web(said.partition(",")[0].strip().lower()),)
    own = _web(scope.get("scheme", "http"))
    place, server = _place(own, host), scope.get("server")
    return (own,) if place and server and place.port == server[1] else PORTS


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _own_names() -> set[str]:
    """What this machine is called, by itself and by Streamlit's settings."""
    own = socket.gethostname().lower()
    short = own.partition(".")[0]
    places = [config.get_option(name) for name in ("browser.serverAddress", "server.address")]
    places += config.get_option("server.corsAllowedOrigins")
    named = (url_util.get_hostname(place) for place in places if place)
    return {"localhost", own, short, f"{short}.local", *(name for name in named if name)}


class Guard:
    """Refuses foreign names and pages, requests and websockets alike, and adds `HEADERS` to every answer.

    Of a websocket the app hears what a page says, and nothing else.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = (_refusal(scope) if scope["type"] in ("http", "websocket") else None) or self._app
        await app(scope, _heard(receive) if scope["type"] == "websocket" else receive, answer)


def _heard(receive: Receive) -> Receive:
    """What comes, but for messages that are not in `SPOKEN`; whatever is no message ends the connection."""

    async def hear() -> Message:
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            data, kind = message.get("bytes"), None
            if data is not None and len(data) > get_max_widget_state_size_bytes():
                return message  # Streamlit ends the connection
            with suppress(DecodeError):  # for which it would write a traceback
                kind = None if data is None else BackMsg.FromString(data).WhichOneof("type")
            if kind is None:
                return {"type": "websocket.disconnect", "code": 1002}
            if kind in SPOKEN:
                return message

    return hear


def _refusal(scope: Scope) -> PlainTextResponse | None:
    """Why a request is not answered; None where it is."""
    headers = Headers(scope=scope)
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if not all(map(is_own_host, hosts)):
        return PlainTextResponse(NAME_REFUSED, 403)
    host = hosts[0] if hosts else ""
    schemes = _schemes(scope, headers, host)
    if not all(is_own_page(origin, host, schemes) for origin in origins):
        return PlainTextResponse(PAGE_REFUSED, 403)
    if scope["path"].rstrip("/").endswith(METRICS):
        return PlainTextResponse("Not Found\n", 404)
    return None


_has_components = manifest_scanner._is_likely_streamlit_component_package


def _has_readable_components(package: Distribution) -> bool:
    """Whether Streamlit should look for components in a package: not where its metadata is damaged."""
    try:
        return _has_components(package)
    except Exception:
        return False


MIDDLEWARE: Final = (Middleware(Guard), Middleware(Health), Middleware(Intake))


def _unknown() -> str | None:
    """No address: nobody is asked for it."""
    return None


def _is_heard(origin: str | None, host: str | None) -> bool:
    """Streamlit's own question, once more behind `Guard`, for a websocket."""
    return is_own_host(host) and (origin is None or is_own_page(origin, host or ""))


# What Streamlit has no setting for, all in this place; test_server.py fails where another version needs more.
# For its greeting, and for every origin that it does not know, it asks checkip.amazonaws.com how this machine
# is seen from outside, and opens a socket towards 8.8.8.8. Nothing needs either.
net_util.get_external_ip = net_util.get_internal_ip = _unknown
# Once server.allowedHosts is set, its websocket would be closed to localhost and to addresses; and it would
# close it to origins that `is_own_page` allows, such as [::1] where the Host is localhost.
starlette_websocket.is_host_allowed = is_own_host
starlette_websocket._is_origin_allowed = _is_heard
# One installed package with damaged metadata would end its search, and no page would have its components.
manifest_scanner._is_likely_streamlit_component_package = _has_readable_components


@asynccontextmanager
async def greeting(_app: st.App) -> AsyncIterator[None]:
    """Say where the app is, once it can be asked, and what it means that others reach it."""
    address: str | None = config.get_option("server.address")
    place = get_display_address(address or "::")  # which Streamlit binds where nothing is set
    if config.is_manually_set("browser.serverAddress"):
        place = config.get_option("browser.serverAddress")
    lines = [f"DEQViz is at {get_url(f'[{place}]' if ':' in place else place)}"]
    lines += [PUBLIC] if is_public(address) else []
    shown("\n  ".join(["", *lines]) + "\n\n", "deqviz")  # a server that nobody hears serves all the same
    yield
