"""House rules that no linter knows: names, versions, sources and links."""

import os
import re
import tomllib
from pathlib import Path

import pytest

import deqviz
import deqviz.scenario  # fills the registries
from deqviz import images
from deqviz.core.registry import REGISTRIES
from tests.places import ROOT

MODULES = sorted((ROOT / "deqviz").rglob("*.py"))
CODE = [*MODULES, ROOT / "app.py", *sorted((ROOT / "tests").rglob("*.py"))]
# The prose that is ours: no environment, no cache, nothing hidden.
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "assets").rglob("*.md")})
ENTRIES = [entry for _, registry in sorted(REGISTRIES.items()) for entry in registry]


def text(path: str | Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


# ---------------------------------------------------------------- code


def offenders(pattern: str, paths: list[Path]) -> list[str]:
    """Every place where the pattern is found."""
    return [f"{name(path)}: {found[0]}" for path in paths for found in re.finditer(pattern, text(path))]


def test_what_is_left_to_do_has_an_issue() -> None:
    # The issue's number goes in brackets after the word; or it is done.
    assert offenders(r"(?:TO" r"DO|FIX" r"ME)(?!\(#\d+\)).*", CODE) == []


def test_annotations_are_evaluated() -> None:
    # jaxtyping and the registries read them at run time.
    assert offenders("from __future__ import annotations", MODULES) == []


def test_nothing_is_read_that_could_run_code() -> None:
    # Weights are safetensors, tables Parquet, arrays NumPy's without objects.
    unsafe = r"torch\.load\((?!.*weights_only=True)|import pickle|joblib\.load|allow_pickle=True"
    assert offenders(rf"{unsafe}|(?<![.\w])(?:eval|exec)\(", MODULES) == []


def test_names_say_something() -> None:
    banned = {"utils.py", "helpers.py", "misc.py", "common.py", "manager.py"}
    assert not [name(module) for module in MODULES if module.name in banned]


def test_one_entry_per_file() -> None:
    assert [e.key for e in ENTRIES if e.cls.__module__.rpartition(".")[2] != e.key] == []


def test_the_page_of_methods_names_every_entry() -> None:
    page = text("docs/methods.md")
    assert [e.key for e in ENTRIES if f"`{e.key}`" not in page] == []


# ---------------------------------------------------------------- pictures


def test_every_picture_has_its_source() -> None:
    sources = text("assets/images/SOURCES.md")
    for picture in images.gallery():
        assert f"`{picture.path.name if picture.path else picture.key}`" in sources
    rows = [line for line in sources.splitlines() if line.startswith("| `")]
    assert len(rows) == len(list(images.FOLDER.glob("*.png")))
    assert all(row.count("|") == 6 and all(cell.strip() for cell in row.split("|")[1:-1]) for row in rows)


def test_the_brain_keeps_its_notice() -> None:
    assert "Copyright (C) 1993–2009 Louis Collins, McConnell Brain Imaging Centre" in text(
        "assets/images/SOURCES.md"
    )


# ---------------------------------------------------------------- packaging and documents


def test_one_version() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    cited = re.search(r"^version: (\S+)$", text("CITATION.cff"), re.MULTILINE)
    assert cited
    assert project == cited.group(1) == deqviz.__version__


def test_changelog_is_kept() -> None:
    assert re.search(r"^## Unreleased$", text("CHANGELOG.md"), re.MULTILINE)


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_requirements_are_pinned(file: str) -> None:
    lines = [line for line in text(file).splitlines() if line and not line.startswith("#")]
    pins = [line for line in lines if not line.startswith("-")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][^ ]*", pin) for pin in pins)
    assert pins == sorted(pins, key=lambda pin: pin.lower().split("==")[0])


def test_what_the_package_needs_is_pinned() -> None:
    needed = {
        re.split(r"[<>=]", d)[0] for d in tomllib.loads(text("pyproject.toml"))["project"]["dependencies"]
    }
    lines = text("requirements.txt").splitlines()
    assert needed == {line.split("==")[0] for line in lines if "==" in line}
    assert "torch==2.13.0" in lines
    assert lines[-1] == "-e ."


def test_ci_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_theme_has_colours_enough() -> None:
    # With fewer than ten, Streamlit drops the whole palette.
    theme = tomllib.loads(text(".streamlit/config.toml"))["theme"]
    for shade in ("light", "dark"):
        palette = theme[shade]["chartCategoricalColors"]
        assert len(palette) == len(set(palette)) >= 10


def test_links_lead_somewhere() -> None:
    lost = [
        f"{name(page)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text(page))
        if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists()
    ]
    assert lost == []
