"""The site: built without a warning, asking no other machine, with every page, picture and experiment."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deqviz.ui.pages import PAGES
from docs.extensions import docstrings, indices, offline
from tests.places import ROOT

DOCS = ROOT / "docs"
GUIDE = [DOCS / "guide" / f"{page.address or page.title.lower()}.md" for page in PAGES]
PICTURES = sorted((DOCS / "screenshots").glob("*.webp"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    out = tmp_path_factory.mktemp("site")
    options = ["--fail-on-warning", "--keep-going", "--quiet", "-b", "html", "-d", str(out / "doctrees")]
    command = [sys.executable, "-m", "sphinx", *options, str(DOCS), str(out / "html")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "html"


def test_the_site_is_built_strictly(site: Path) -> None:
    pages = {str(page.relative_to(site)) for page in site.rglob("*.html")}
    assert {"index.html", "methods.html", "api/core.html"} <= pages
    assert {f"guide/{page.stem}.html" for page in GUIDE} <= pages
    # What pages are filled with has come: a symbol, a parameter, a docstring.
    assert "contraction factor" in (site / "glossary.html").read_text(encoding="utf-8")
    assert "convex_ridge" in (site / "parameters.html").read_text(encoding="utf-8")
    assert 'id="deqviz.core.records.Problem"' in (site / "api" / "core.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ('<script defer src="https://cdn.example/x.js"></script>', ["https://cdn.example/x.js"]),
        ('<link rel="stylesheet" href="//fonts.example/css">', ["//fonts.example/css"]),
        ('<img alt="" src=https://example/a.png>', ["https://example/a.png"]),
        ("@font-face { src: url('https://fonts.example/a.woff2') }", ["https://fonts.example/a.woff2"]),
        ('@import "https://fonts.example/css";', ["https://fonts.example/css"]),
        ('<a href="https://arxiv.org"><img src="../a.webp"></a><link rel="author" href="//a">', []),
    ],
)
def test_what_a_browser_would_fetch_is_found(text: str, asked: list[str]) -> None:
    # The build itself looks through every file with this, and fails.
    assert list(offline.requests(text)) == asked


def test_a_docstring_is_plain_text() -> None:
    assert docstrings.plain("A*A for `weight`·x_k, |x|") == r"A\*A for \ ``weight``\ ·x\_k, \|x\|"


def test_indices_are_set_below_and_above() -> None:
    found = [(type(node).__name__, str(node.astext())) for node in indices.split("σ_min² ≤ κ^{k + 1}")]
    assert found == [
        ("Text", "σ"),
        ("subscript", "min"),
        ("Text", "² ≤ κ"),
        ("superscript", "k + 1"),
        ("Text", ""),
    ]


@pytest.mark.parametrize("page", GUIDE, ids=lambda page: page.stem)
def test_every_page_of_the_app_has_a_guide_with_a_picture(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert f"../screenshots/{page.stem}.webp" in text
    assert f"]({page.name})" in (DOCS / "guide" / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
def test_every_picture_is_shown(picture: Path) -> None:
    pages = [ROOT / "README.md", *DOCS.rglob("*.md")]
    assert any(f"screenshots/{picture.name}" in page.read_text(encoding="utf-8") for page in pages)


def test_pictures_are_small() -> None:
    assert sum(picture.stat().st_size for picture in PICTURES) < 4_000_000
    others = [
        p.name for p in (DOCS / "screenshots").iterdir() if p.suffix in (".png", ".jpg", ".jpeg", ".gif")
    ]
    assert not others


def test_every_experiment_of_the_tables_exists() -> None:
    rows = re.findall(r"^\|.*\|$", (DOCS / "experiments.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"\| `(\w+)` \|", row)}
    modules = {module.stem for module in (ROOT / "deqviz" / "experiments").rglob("*.py")}
    assert len(named) > 20
    assert named <= modules
