"""The wheel as its users have it: built from the sdist, installed outside the repository, never written to.

Its environment borrows the packages of this one, behind its own. The app is served below a path, from `/`.
"""

import os
import re
import subprocess
import sys
import tarfile
import textwrap
import tomllib
import venv
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet
import pytest
from playwright.sync_api import Locator, Page, expect

import deqviz
from deqviz.resources import SETTINGS
from deqviz.sweep import command
from deqviz.ui.pages import PAGES
from tests.browser import Open, Server, stop
from tests.pages.journey import quick
from tests.places import PATIENCE, ROOT, until

LARGEST = 20_000_000
BASE = "/lab"


@dataclass(frozen=True)
class Installation:
    """An environment with the wheel in it, and the variables of somebody who has set none."""

    folder: Path
    variables: Mapping[str, str]

    @property
    def package(self) -> Path:
        return next(self.folder.glob("lib/python*/site-packages/deqviz"))

    def command(self, name: str) -> str:
        return str(self.folder / "bin" / name)

    def run(self, name: str, *words: str) -> str:
        """What a command of the environment prints, called from `/`."""
        done = subprocess.run(
            [self.command(name), *words], cwd="/", env=self.variables, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def _call(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", *words], cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that was made from it."""
    folder = tmp_path_factory.mktemp("dist")
    _call("build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The wheel in an environment of its own; whatever the tests do, its package stays as it was."""
    folder = tmp_path_factory.mktemp("wheel")
    venv.create(folder / "venv")
    python = str(folder / "venv" / "bin" / "python")
    (wheel,) = built.glob("*.whl")
    quiet = ("--quiet", "--disable-pip-version-check")
    _call("pip", "--python", python, "install", "--no-deps", "--no-index", *quiet, str(wheel))
    # Behind the environment's own packages, and without their .pth files: one leads to the repository.
    theirs = dict.fromkeys(path for path in sys.path if path.endswith(("site-packages", "dist-packages")))
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PYTEST", "DEQVIZ_", "STREAMLIT_", "VIRTUAL_ENV"))
    }
    here = Installation(folder / "venv", variables | {"HOME": str(folder)})
    (here.package.parent / "borrowed.pth").write_text("\n".join(theirs))
    files = sorted(here.package.rglob("*"))
    before = [(path, path.stat().st_mtime_ns) for path in files]
    for path in (here.package, *files):
        path.chmod(path.stat().st_mode & ~0o222)
    yield here
    # Root may write in spite of the modes.
    assert [(path, path.stat().st_mtime_ns) for path in sorted(here.package.rglob("*"))] == before
    for path in (here.package, *files):
        path.chmod(path.stat().st_mode | 0o200)


def _files(*places: str) -> set[str]:
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *places]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


def test_wheel_and_sdist_hold_everything_and_are_small(built: Path) -> None:
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    beside = _files("app.py", "assets", "pretrained", "CITATION.cff", "LICENSE")
    package = _files("deqviz")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == package | {f"deqviz/bundle/{name}" for name in {*beside, "streamlit.toml"}}
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert held >= package | beside | {".streamlit/config.toml", "pyproject.toml", "hatch_build.py"}
    assert max(wheel.stat().st_size, sdist.stat().st_size) < LARGEST


def test_the_package_is_that_of_the_wheel_and_light_to_import(installed: Installation) -> None:
    heavy = {"torch", "numpy", "streamlit"}
    script = f"import sys, deqviz; print(deqviz.__file__, {heavy!r} & set(sys.modules))"
    assert installed.run("python", "-c", script) == f"{installed.package / '__init__.py'} set()\n"
    assert installed.run("deqviz", "--version") == f"deqviz {deqviz.__version__}\n"


def test_all_that_is_bundled_can_be_read(installed: Installation) -> None:
    script = """\
        from deqviz import images, volumes
        from deqviz.networks import _weights
        from deqviz.resources import CITATION, LICENCE

        for picture in images.gallery():
            images.load(picture.key)
        volumes.head()
        for card in _weights.cards():
            _weights.load(card.key)
        print(len(_weights.cards()), CITATION.is_file(), LICENCE.is_file())
    """
    cards = len(list((ROOT / "pretrained").glob("*.json")))
    assert installed.run("python", "-c", textwrap.dedent(script)) == f"{cards} True True\n"


def test_uploads_are_read_by_a_process_of_the_wheel(installed: Installation) -> None:
    script = """\
        from deqviz import images, io

        print(io.open(next(p.path for p in images.gallery() if p.path).read_bytes()).size)
    """
    assert installed.run("python", "-c", textwrap.dedent(script)) == "(256, 256)\n"


def test_the_python_of_the_readme_runs(installed: Installation) -> None:
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert example
    assert "dB" in installed.run("python", "-c", example[1])


def test_the_sweep_of_its_help_runs(installed: Installation, tmp_path: Path) -> None:
    example = re.search(r"\n((?:  .+\n)+)", command._ABOUT)
    assert example
    file = tmp_path / "small.toml"
    file.write_text(textwrap.dedent(example[1]))
    installed.run("deqviz", "sweep", str(file))
    rows = pyarrow.parquet.read_table(tmp_path / "small.parquet").to_pylist()
    assert len(rows) == 4
    assert len({row["picture"] for row in rows}) == 2
    assert all(row["psnr"] > row["data_psnr"] for row in rows)


@pytest.fixture
def app(installed: Installation, tmp_path: Path) -> Iterator[str]:
    """The address of `deqviz app`."""
    words: Sequence[str] = [installed.command("deqviz"), "app"]
    server = Server(words, tmp_path / "log.txt", installed.variables, cwd=Path("/"), base=BASE)
    server.wait()
    yield server.url
    server.stop()


def _turns(page: Page, name: str, link: Locator) -> bool:
    """Go to a page as Back and Forward do; False where the way was lost.

    A rerun that the page before asks for takes the place of one that a visitor asked for meanwhile.
    """
    page.evaluate(
        "(at) => { history.pushState(null, '', at); dispatchEvent(new PopStateEvent('popstate')); }",
        f"{BASE}/{quick(name)}",
    )
    try:
        expect(link).to_have_attribute("aria-current", "page", timeout=10_000)
    except AssertionError:
        return False
    return True


@pytest.mark.browser
def test_every_page_is_served_with_the_theme_and_its_charts(app: str, open_page: Open) -> None:
    page = open_page("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{app}/?size=48&iterations=5&method=tikhonov")
    chart = page.locator("[data-chart=residual]")
    expect(chart).to_have_attribute("data-draws", re.compile(r"\d"), timeout=1000 * PATIENCE)
    assert f"{app}/_stcore/bidi-components/deqviz.plotly/plotly.min.js?v={version('plotly')}" in asked
    theme = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))["theme"]["light"]
    shown = page.evaluate(
        "(all) => all.map((one) => getComputedStyle(document.querySelector('.dqv')).getPropertyValue(one))",
        ["--st-primary-color", "--st-background-color", "--st-chart-categorical-colors"],
    )
    assert shown == [
        theme["primaryColor"],
        theme["backgroundColor"],
        ",".join(theme["chartCategoricalColors"]),
    ]
    for entry in PAGES:
        link = page.locator(f'[data-testid=stTopNavLink][href$="/{entry.address}"]').first
        until(lambda entry=entry, link=link: _turns(page, entry.name, link), f"the page {entry.name}")
        expect(page.get_by_test_id("stApp")).to_have_attribute(
            "data-test-script-state", "notRunning", timeout=1000 * PATIENCE
        )
        expect(page.get_by_test_id("stException")).to_have_count(0)
        stop(page)
