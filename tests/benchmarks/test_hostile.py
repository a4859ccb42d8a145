"""What the attack sends: each try is made from its number alone, and there is something of every kind."""

from collections import Counter

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from benchmarks import damaged, hostile
from benchmarks.attack import is_sentence
from benchmarks.hostile import File
from deqviz.ui.pages import PAGES
from tests.io import malformed

OWN = "127.0.0.1:8501"


def tries(group: str, count: int = 300):
    return (hostile.random_of(1, group, number) for number in range(count))


def test_a_try_is_made_again_from_its_number() -> None:
    first, *others = [hostile.address(draw) for draw in tries("addresses", 9)]
    assert [hostile.address(draw) for draw in tries("addresses", 9)] == [first, *others]
    assert first not in others
    assert hostile.address(hostile.random_of(2, "addresses", 0)) != first


def test_addresses_are_of_every_page_and_a_browser_can_send_them() -> None:
    stops = [hostile.address(draw) for draw in tries("addresses")]
    assert {stop.page for stop in stops} == {page.name for page in PAGES}
    assert all(stop.query.isascii() and "\n" not in stop.query for stop in stops)
    for sent in ("%00", "%3Cscript", "9" * 400, "x" * 2000):
        assert any(sent in stop.query for stop in stops), sent


def test_every_box_gets_files_bombs_first(monkeypatch: pytest.MonkeyPatch) -> None:
    # Some of them take their time to make.
    monkeypatch.setattr(hostile, "_bomb", lambda name: File(name, b""))
    monkeypatch.setattr(hostile, "_files", lambda: tuple(File(*one) for one in malformed.cut()))
    draws = list(tries("files", 200))
    files = [hostile.file(draw, number) for number, draw in enumerate(draws)]
    assert [file.name for file in files[: len(malformed.BOTTOMLESS)]] == sorted(malformed.BOTTOMLESS)
    boxes = Counter(hostile.box(draw, file) for draw, file in zip(draws, files, strict=True))
    assert min(boxes.values()) >= 5
    assert boxes.keys() == {("", 0), ("", 1), ("compare", 0), ("convergence", 0), ("batch", 0)}


def test_every_kind_of_value_is_forged() -> None:
    kinds = set[str | None]()
    for draw in tries("states"):
        hostile.forge(state := WidgetState(), draw)
        kinds.add(WidgetState.FromString(state.SerializeToString()).WhichOneof("value"))
    assert kinds - {None} == {one.name for one in WidgetState.DESCRIPTOR.oneofs_by_name["value"].fields}


def test_frames_are_messages_of_many_kinds_and_what_is_none() -> None:
    kinds = Counter[str | None]()
    for draw in tries("states"):
        message = BackMsg()
        message.rerun_script.query_string = "a=1"
        frame = hostile.frame(message, draw)
        try:
            kinds[BackMsg.FromString(frame).WhichOneof("type") if isinstance(frame, bytes) else "text"] += 1
        except ValueError:
            pytest.fail("no frame")
        except Exception:
            kinds["broken"] += 1
    assert {"text", "broken", "rerun_script", "clear_cache", "backend_operation_request"} <= kinds.keys()


def test_commands_are_also_of_runs_that_are_there() -> None:
    sent = [one for draw in tries("states") for one in hostile.commands(draw, ["mine"])]
    assert {"mine", None} <= {one["run"] for one in sent}
    assert 2**53 - 1 in [one["number"] for one in sent]


def test_requests_are_of_all_kinds_and_most_must_have_an_answer() -> None:
    requests = [hostile.request(draw, OWN, "token") for draw in tries("requests")]
    heads = b"".join(request.data for request in requests)
    for sent in (
        b"evil.example",
        b"Origin: ",
        b"%2e%2e",
        b"/_stcore/metrics",
        b"PUT /_stcore/upload",
        b"a" * 70_000,
    ):
        assert sent in heads, sent
    assert sum(request.is_whole for request in requests) > 200
    assert {403} <= set().union(*(r.statuses for r in requests if b"evil.example" in r.data))


def test_damaged_files_are_of_all_kinds_and_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damaged, "SECONDS", 0)  # no alarm in this process
    found = [damaged.outcome(1, number) for number in range(25)]
    assert {one["kind"] for one in found} == {kind.__name__.strip("_") for kind in damaged.KINDS}
    assert {one["what"] for one in found} <= {"refused", "accepted"}
    assert all(is_sentence(str(one["text"])) for one in found if one["what"] == "refused")


def test_what_is_no_sentence_is_seen() -> None:
    assert is_sentence("Image size is -1; allowed is 32 … 512 px.")
    assert not is_sentence("Traceback (most recent call last):\n  File.")
    for text in ("", "KeyError", "\x1b[2J.", "a" * 2000 + "."):
        assert not is_sentence(text)
