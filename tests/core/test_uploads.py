"""Uploads in memory: the greedy drive out their own, and what nobody holds is forgotten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deqviz.core import uploads
from deqviz.core.uploads import Uploads


@pytest.fixture(autouse=True)
def none_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_stores", [])


def kept(store: Uploads[int], keys: str) -> str:
    return "".join(key for key in keys if key in store)


def test_the_least_used_goes_first() -> None:
    store = Uploads[int](3, 3, lambda thing: 1)
    for n, key in enumerate("abc"):
        store.keep(key, n, "")
    assert store["a"] == 0
    store.keep("d", 3, "")
    assert kept(store, "abcd") == "acd"
    with pytest.raises(KeyError):
        store["b"]


def test_whoever_holds_most_gives() -> None:
    store = Uploads[int](4, 4, lambda thing: 1)
    store.keep("a", 0, "old and modest")
    for key in "bcdefgh":
        store.keep(key, 0, "greedy")
    assert kept(store, "abcdefgh") == "afgh"
    store.keep("i", 0, "new")
    assert kept(store, "afghi") == "aghi"


def test_a_visitor_has_a_share_and_a_script_has_none() -> None:
    store = Uploads[int](10, 2, lambda thing: 1)
    for key in "abc":
        store.keep(key, 0, "visitor")
    for key in "defgh":
        store.keep(key, 0, "")
    assert kept(store, "abcdefgh") == "bcdefgh"


def test_the_newest_stays_though_it_alone_is_too_much() -> None:
    store = Uploads[int](4, 2, lambda thing: thing)
    store.keep("a", 2, "one")
    store.keep("b", 9, "two")
    assert kept(store, "ab") == "b"


def test_what_two_hold_stays_until_both_are_gone() -> None:
    store, other = Uploads[int](4, 4, lambda thing: 1), Uploads[int](4, 4, lambda thing: 1)
    store.keep("a", 0, "one")
    other.keep("b", 0, "one")
    uploads.hold("a", "two")
    uploads.hold("nothing", "two")
    uploads.leave("one")
    assert kept(store, "ab") == "a"
    assert not kept(other, "ab")
    uploads.leave("two")
    assert not kept(store, "ab")


def test_what_was_made_of_a_thing_goes_with_it() -> None:
    gone: list[int] = []
    store = Uploads[int](2, 2, lambda thing: 1, lambda: gone.append(1))
    for key in "ab":
        store.keep(key, 0, "one")
    assert not gone
    store.keep("c", 0, "one")
    assert len(gone) == 1
    store.leave("one")
    assert len(gone) == 3


ACTS = st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 5), st.sampled_from(["", "x", "y", "z"]))


@given(st.lists(ACTS))
def test_limits_hold_whatever_comes(acts: list[tuple[str, int, str]]) -> None:
    store = Uploads[int](9, 6, lambda thing: thing)
    for key, weight, holder in acts:
        store.keep(key, weight, holder)
        assert key in store
        things = [store[other] for other in "abcdefgh" if other in store]
        assert sum(things) <= 9
