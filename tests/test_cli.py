"""The command line: each word reaches its command, help is cheap, and a wrong word is answered."""

import dataclasses
import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest
import streamlit.config
import streamlit.web.cli

import deqviz
from deqviz import cli
from deqviz.networks._weights import cards
from deqviz.resources import SETTINGS
from deqviz.runtime.limits import PREFIX, Limits, limits
from deqviz.training.recipes import RECIPES


def stand_in(monkeypatch: pytest.MonkeyPatch, module: str, outcome: object) -> list[list[str]]:
    """Put a `main` in the place of `module` that records its arguments."""
    seen: list[list[str]] = []

    def main(argv: list[str], **_: object) -> object:
        seen.append(argv)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    fake = types.ModuleType(module)
    setattr(fake, "main", main)  # noqa: B010 — a module has no such attribute for the type checker
    monkeypatch.setitem(sys.modules, module, fake)
    parent, _, name = module.rpartition(".")
    if parent in sys.modules:
        monkeypatch.setattr(sys.modules[parent], name, fake, raising=False)
    return seen


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert all(command in out for command in ("deqviz app", "deqviz train", "deqviz bench", "deqviz sweep"))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"deqviz {deqviz.__version__}\n"


@pytest.mark.parametrize(("word", "hint"), [("trian", "Did you mean `deqviz train`?"), ("xyzzy", "usage:")])
def test_unknown_command(word: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([word]) == 2
    printed = capsys.readouterr()
    assert repr(word) in printed.err
    assert hint in printed.err
    assert not printed.out


@pytest.mark.parametrize(
    ("command", "module"),
    [("train", "deqviz.training.command"), ("bench", "deqviz.bench"), ("sweep", "deqviz.sweep.command")],
)
@pytest.mark.parametrize(
    ("outcome", "status"),
    [(None, 0), (0, 0), (3, 3), (SystemExit(2), 2), (SystemExit("no"), 1), (KeyboardInterrupt(), 130)],
)
def test_words_are_handed_on(
    monkeypatch: pytest.MonkeyPatch, command: str, module: str, outcome: object, status: int
) -> None:
    seen = stand_in(monkeypatch, module, outcome)
    assert cli.main([command, "what", "--data", "here"]) == status
    assert seen == [["what", "--data", "here"]]


def test_what_is_printed_commands_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch, "deqviz.bench", SystemExit("no \x1b[2J"))
    assert cli.main(["bench"]) == 1
    assert cli.main(["\x1b[2J\u202e"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == [r"no \x1b[2J", r"deqviz: there is no command '\x1b[2J\u202e'."]


def test_app_is_streamlit_on_our_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.touch()
    monkeypatch.setattr(cli, "APP", app)
    seen = stand_in(monkeypatch, "streamlit.web.cli", SystemExit(0))
    assert cli.main(["app", "--server.port", "8600"]) == 0
    assert seen == [["run", str(app), "--server.port", "8600"]]


def test_a_missing_app_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "APP", tmp_path / "app.py")
    assert cli.main(["app"]) == 1
    assert "install deqviz again" in capsys.readouterr().err


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, object]:
    """The flags with which Streamlit begins, in a home and a folder without files; filled by `deqviz app`."""
    taken: dict[str, object] = {}

    def begin(_file: str, _args: object, flag_options: dict[str, object]) -> None:
        taken.update({name: value for name, value in flag_options.items() if value is not None})

    monkeypatch.setattr(streamlit.web.cli, "_main_run", begin)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return taken


def test_app_has_its_settings_wherever_it_is_started(flags: dict[str, object]) -> None:
    assert cli.main(["app"]) == 0
    own = tomllib.loads(SETTINGS.read_text())
    assert flags["theme_light_primaryColor"] == own["theme"]["light"]["primaryColor"]
    assert flags["theme_dark_sidebar_borderColor"] == own["theme"]["dark"]["sidebar"]["borderColor"]
    assert flags["runner_postScriptGC"] is False
    assert flags["server_maxUploadSize"] == own["server"]["maxUploadSize"]
    palette = flags["theme_light_chartCategoricalColors"]
    assert json.loads(str(palette)) == own["theme"]["light"]["chartCategoricalColors"]
    assert set(cli._settings()) <= set(flags), "each of them is a flag of Streamlit"


def test_flags_environment_and_files_of_the_user_overrule_the_settings(
    flags: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, line in (("home", "baseRadius = '1px'"), ("here", "light.textColor = '#123456'")):
        file = tmp_path / folder / ".streamlit" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(f"[theme]\n{line}\n")
    monkeypatch.setenv("STREAMLIT_SERVER_MAX_UPLOAD_SIZE", "7")
    assert cli.main(["app", "--theme.baseFontSize", "20"]) == 0
    assert flags["theme_baseFontSize"] == 20
    assert flags["server_maxUploadSize"] == 7
    # Streamlit reads these two itself: a flag would overrule them.
    assert not {"theme_baseRadius", "theme_light_textColor"} & set(flags)
    assert "theme_light_linkColor" in flags


def test_app_serves_this_machine_unless_told_otherwise(
    flags: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    signals = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    assert cli.main(["app"]) == 0
    assert flags["server_address"] == "127.0.0.1"
    monkeypatch.setenv("STREAMLIT_SERVER_ADDRESS", "192.168.1.5")
    assert cli.main(["app"]) == 0
    assert flags["server_address"] == "192.168.1.5"
    assert cli.main(["app", "--server.address", "0.0.0.0"]) == 0
    assert flags["server_address"] == "0.0.0.0"
    assert signals == [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]


@pytest.mark.parametrize("text", ["[theme\n", f"a = {'[' * 5000}{']' * 5000}\n"], ids=["cut", "deep"])
def test_a_broken_file_of_the_user_is_left_to_streamlit(
    flags: dict[str, object], tmp_path: Path, text: str
) -> None:
    file = tmp_path / "home" / ".streamlit" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert cli.main(["app"]) == 0
    assert "theme_baseRadius" in flags


def test_app_with_a_limit_that_is_none_says_which(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEQVIZ_SLOTS", "none")
    limits.cache_clear()  # they are read once per process
    assert cli.main(["app"]) == 2
    assert capsys.readouterr().err == "deqviz: DEQVIZ_SLOTS must be a whole number above 0, not 'none'.\n"


class Full(io.TextIOBase):
    """A stdout whose disk is full, which Python notices when it empties its buffer."""

    def write(self, text: str, /) -> int:
        return len(text)

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["app", "--help"]])
def test_what_cannot_be_printed_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Full())
        assert cli.main(words) == 1
    said = f"deqviz: The results cannot be printed: {os.strerror(errno.ENOSPC)}.\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("port", "is_one"), [("99999999", False), ("65536", False), ("-1", False), ("80", True)]
)
def test_a_port_that_there_is_not_is_one_sentence(
    flags: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    port: str,
    is_one: bool,
) -> None:
    def begin(_file: str, _args: object, flag_options: dict[str, object]) -> None:
        monkeypatch.setattr(streamlit.config, "get_option", lambda name: flag_options[name.replace(".", "_")])
        raise OverflowError  # as the socket does

    monkeypatch.setattr(streamlit.web.cli, "_main_run", begin)
    if is_one:
        with pytest.raises(OverflowError):
            cli.main(["app", "--server.port", port])
        return
    assert cli.main(["app", "--server.port", port]) == 2
    assert capsys.readouterr().err == f"deqviz: there is no port {port}: --server.port is 0 … 65535.\n"


def test_a_folder_that_is_gone_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone() -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "cwd", gone)
    assert cli.main(["app"]) == 1
    assert "is gone: change to another one." in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", "app", "train", "bench", "sweep"])
def test_help_imports_nothing_heavy(command: str) -> None:
    check = (
        f"import sys; from deqviz.cli import main; main([*{command!r}.split(), '--help']);"
        "sys.exit(sum(m in sys.modules for m in ('torch', 'numpy', 'scipy', 'streamlit', 'plotly')))"
    )
    subprocess.run([sys.executable, "-c", check], check=True, cwd=cli.APP.parent)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "app",
            [
                "--server.port",
                "--server.address",
                "127.0.0.1",
                "--server.allowedHosts",
                "docs/deploy.md",
                "streamlit run --help",
            ],
        ),
        ("train", ["--data FOLDER", "--resume", *(card.key for card in cards())]),
        ("bench", ["quality", "speed", "theory", "mri", "unrolled", "dip", "tune", "--json FILE"]),
        ("sweep", ["FILE.toml", "--backend", "[[methods]]"]),
    ],
)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_explains_itself(
    command: str, words: list[str], flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, flag]) == 0
    printed = capsys.readouterr()
    assert not [word for word in words if word not in printed.out]
    assert printed.out.startswith(f"usage: deqviz {command}")
    assert not printed.err


def test_help_of_the_app_names_every_limit_and_its_default() -> None:
    told = {name: float(value) for name, value in re.findall(r"(DEQVIZ_\w+) .*\((\d+)\)", cli.APP_USAGE)}
    assert told == {f"{PREFIX}{field.name.upper()}": field.default for field in dataclasses.fields(Limits)}


def test_every_recipe_is_in_the_help_and_another_word_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert {card.key for card in cards()} == set(RECIPES)
    assert cli.main(["train", "convex_rigde", "--data", "."]) == 2
    assert "convex_ridge" in capsys.readouterr().err
