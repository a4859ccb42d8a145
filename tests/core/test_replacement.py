"""A file is replaced whole or not at all, and nothing beside it is touched."""

import os
from pathlib import Path

import pytest

from deqviz.core.replacement import replacement


def test_a_file_is_replaced_in_one_act(tmp_path: Path):
    file = tmp_path / "a"
    file.write_text("before")
    with replacement(file) as target:
        target.write(b"after")
        assert file.read_text() == "before"
    assert file.read_text() == "after"
    assert os.listdir(tmp_path) == ["a"]


def test_what_fails_changes_nothing(tmp_path: Path):
    file = tmp_path / "a"
    file.write_text("before")
    with pytest.raises(TypeError), replacement(file) as target:
        target.write("no bytes")  # pyright: ignore[reportArgumentType, reportCallIssue]
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe", "pipe/x", "none/x"):
        with pytest.raises(OSError, match=r"it is no file|Not a directory|No such file"):
            replacement(tmp_path / name).__enter__()
    assert file.read_text() == "before"
    assert sorted(os.listdir(tmp_path)) == ["a", "folder", "pipe"]


def test_a_link_is_replaced_and_what_it_leads_to_is_left(tmp_path: Path):
    own, file = tmp_path / "own", tmp_path / "a"
    own.write_text("mine")
    file.symlink_to(own)
    with replacement(file) as target:
        target.write(b"after")
    assert own.read_text() == "mine"
    assert file.read_text() == "after"
    assert not file.is_symlink()
