"""The command line: each word reaches its command, help is cheap, and a wrong word is answered."""

import subprocess
import sys
import types
from pathlib import Path

import pytest

import deqviz
from deqviz import cli
from deqviz.runtime.limits import limits


def stand_in(monkeypatch: pytest.MonkeyPatch, module: str, outcome: object) -> list[list[str]]:
    """Put a `main` in the place of `module` that records its arguments."""
    seen: list[list[str]] = []

    def main(argv: list[str], **_: str) -> object:
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
    [("train", "deqviz.training.__main__"), ("bench", "deqviz.bench"), ("sweep", "deqviz.sweep.command")],
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


def test_app_is_streamlit_on_our_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.touch()
    monkeypatch.setattr(cli, "APP", app)
    seen = stand_in(monkeypatch, "streamlit.web.cli", SystemExit(0))
    assert cli.main(["app", "--server.port", "8600"]) == 0
    assert seen == [["run", str(app), "--server.port", "8600"]]


def test_app_elsewhere_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "APP", tmp_path / "app.py")
    assert cli.main(["app"]) == 1
    assert "make app" in capsys.readouterr().err


def test_app_with_a_limit_that_is_none_says_which(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEQVIZ_SLOTS", "none")
    limits.cache_clear()  # they are read once per process
    assert cli.main(["app"]) == 2
    assert capsys.readouterr().err == "deqviz: DEQVIZ_SLOTS must be a whole number above 0, not 'none'.\n"


def test_help_imports_nothing_heavy() -> None:
    check = (
        "import sys; from deqviz.cli import main; main(['--help']);"
        "sys.exit(sum(m in sys.modules for m in ('torch', 'numpy', 'streamlit', 'plotly')))"
    )
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60, cwd=cli.APP.parent)
