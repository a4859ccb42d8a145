"""What visitors may leave at Streamlit's upload address: so much each, so much together, and no more."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from streamlit import config, runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from deqviz.ui.shell import intake
from deqviz.ui.shell.intake import Intake
from deqviz.ui.shell.server import MIDDLEWARE
from tests.places import awaited

MB = 2**20


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> MemoryUploadedFileManager:
    """Streamlit's, of a server that takes 10 MB and knows the sessions a to z."""
    manager = MemoryUploadedFileManager("")
    known = SimpleNamespace(uploaded_file_mgr=manager, is_active_session=lambda name: len(name) == 1)
    monkeypatch.setattr(runtime, "get_instance", lambda: known)
    get = config.get_option
    monkeypatch.setattr(
        config, "get_option", lambda name: 10 if name == "server.maxUploadSize" else get(name)
    )
    return manager


def leave(manager: MemoryUploadedFileManager, session: str, *sizes: int) -> None:
    for size in sizes:
        file = UploadedFileRec(f"{id(object())}-{len(manager.file_storage[session])}", "a", "b", bytes(size))
        manager.add_file(session, file)


def request(session: str, method: str = "PUT", **headers: str) -> dict[str, Any]:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    path = f"/below/_stcore/upload_file/{session}/1"
    return {"type": "http", "path": path, "method": method, "headers": sent}


def answers(*scopes: dict[str, Any]) -> list[tuple[int, str]]:
    """What becomes of requests that come while those before them are still on their way."""
    sent: list[list[Any]] = [[] for _ in scopes]
    over: list[asyncio.Event] = []

    async def app(scope, receive, send):
        await over[0].wait()
        await PlainTextResponse("kept")(scope, receive, send)

    async def ask() -> None:
        over.append(asyncio.Event())
        door = Intake(app)

        async def receive():
            return {"type": "http.request"}

        async def one(scope, messages):
            async def send(message):
                messages.append(message)

            await door(scope, receive, send)

        tasks = [asyncio.create_task(one(scope, to)) for scope, to in zip(scopes, sent, strict=True)]
        await asyncio.sleep(0)
        over[0].set()
        await asyncio.gather(*tasks)
        assert not door._coming

    awaited(ask())
    return [(first["status"], last.get("body", b"").decode()) for first, *_, last in sent]


def statuses(*scopes: dict[str, Any]) -> list[int]:
    return [status for status, _ in answers(*scopes)]


def test_a_session_leaves_twice_the_largest_file_and_no_more(manager: MemoryUploadedFileManager) -> None:
    leave(manager, "a", 10 * MB, 5 * MB)
    assert statuses(request("a", content_length=str(4 * MB))) == [200]
    ((status, said),) = answers(request("a", content_length=str(6 * MB)))
    assert (status, "remove some, or open the page anew" in said) == (413, True)
    assert statuses(request("b", content_length=str(10 * MB))) == [200]
    manager.remove_session_files("a")
    assert statuses(request("a", content_length=str(6 * MB))) == [200]


def test_many_small_files_are_too_many(manager: MemoryUploadedFileManager) -> None:
    leave(manager, "a", *[0] * intake.FILES)
    assert statuses(request("a", content_length="1"), request("b", content_length="1")) == [413, 200]


def test_all_sessions_together_leave_no_more_than_five_of_the_largest(
    manager: MemoryUploadedFileManager,
) -> None:
    for session in "abcde":
        leave(manager, session, 9 * MB)
    ((status, said),) = answers(request("f", content_length=str(6 * MB)))
    assert (status, "try again when others have left" in said) == (413, True)
    for session in map(str, range(1000)):
        leave(manager, session, 0)
    assert statuses(request("f", content_length="1")) == [413]


@pytest.mark.parametrize(
    "headers", [{}, {"content_length": "5", "transfer_encoding": "chunked"}, {"content_length": "²"}]
)
def test_what_is_on_its_way_counts_and_without_a_length_as_the_largest(
    manager: MemoryUploadedFileManager, headers: dict[str, str]
) -> None:
    one = request("a", **headers)
    assert statuses(one, one, one, request("b", **headers)) == [200, 200, 413, 200]


def test_an_upload_that_is_broken_off_is_no_error_and_counts_no_more(
    manager: MemoryUploadedFileManager,
) -> None:
    ends: list[type[BaseException]] = []

    async def app(scope, receive, send):
        try:
            await Request(scope, receive).body()
        except ClientDisconnect:
            ends.append(ClientDisconnect)
            raise

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    door = Intake(app)
    for _ in range(3):
        awaited(door(request("a"), receive, send))
    assert ends == [ClientDisconnect] * 3
    assert door._refusal("a", 1) is None


def test_everything_else_is_handed_on(manager: MemoryUploadedFileManager) -> None:
    leave(manager, "a", *[0] * intake.FILES)
    handed_on = [request("a", "DELETE"), request("a", "OPTIONS"), request("unknown")]
    assert statuses(*handed_on, {**request("a"), "path": "/"}) == [200] * 4


def test_the_server_has_it() -> None:
    assert Intake in [one.cls for one in MIDDLEWARE]


@pytest.mark.browser
def test_a_visitor_who_sends_by_hand_is_refused_until_something_is_removed(visit) -> None:
    page = visit("?size=48&method=baseline")
    page.get_by_text("Use your own image").click()
    with page.expect_request(lambda request: request.method == "PUT") as sent:
        page.locator("input[type=file]").first.set_input_files(
            {"name": "a.png", "mimeType": "image/png", "buffer": b"no image"}
        )
    address, _, _ = sent.value.url.rpartition("/")
    headers = {"X-Xsrftoken": sent.value.headers.get("x-xsrftoken", "")}
    file = {"a": {"name": "a", "mimeType": "a/b", "buffer": b"a"}}

    def put(n: int) -> int:
        return page.request.put(f"{address}/{n}", headers=headers, multipart=file).status

    said = [put(n) for n in range(intake.FILES + 1)]
    first = said.index(413)
    assert (set(said[:first]), set(said[first:])) == ({204}, {413})
    for n in range(first):
        assert page.request.delete(f"{address}/{n}", headers=headers).status == 204
    assert put(0) == 204
    page.request.delete(f"{address}/0", headers=headers)
    page.get_by_role("button", name="Remove a.png").click()
