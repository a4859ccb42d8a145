"""The recipes of docs/adding.md run as they stand there."""

import importlib.util
import itertools
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

import deqviz.scenario  # noqa: F401  fills the registries
from deqviz import plugins
from deqviz.core.catalog import METHODS, NOISES, OPERATORS, REGULARIZERS, SOLVERS
from deqviz.core.records import Problem
from deqviz.core.registry import REGISTRIES, Choice
from deqviz.core.space import Space, inner, norm
from deqviz.ui.pages.lessons import file as lessons_file
from deqviz.ui.pages.lessons.view import READERS
from tests.places import ROOT

PAGE = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"`deqviz/\w+/(\w+)\.py`\n+```python\n(.*?)```", PAGE, re.DOTALL))
SPACE = Space((3, 24, 20), torch.float64)


@pytest.fixture
def recipe(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ModuleType]:
    """The file of that name, imported; what it registers is taken back afterwards."""
    name = request.param
    path = tmp_path / f"{name}.py"
    path.write_text(RECIPES[name], encoding="utf-8")
    before = {kind: dict(registry._entries) for kind, registry in REGISTRIES.items()}
    spec = importlib.util.spec_from_file_location(f"adding_{name}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # annotations are looked up there
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[spec.name]
        for kind, entries in before.items():
            REGISTRIES[kind]._entries = entries


def test_every_block_of_the_page_is_run_here() -> None:
    assert set(RECIPES) == {"vignette", "smoothness", "landweber", "halpern", "speckle"}
    # The lesson, the package and the script have tests of their own below.
    assert re.findall(r"^```(\w+)$", PAGE, re.MULTILINE) == ["python"] * 5 + ["markdown", "toml", "python"]


@pytest.mark.parametrize("recipe", ["vignette"], indirect=True)
def test_operator(recipe: ModuleType, rng: torch.Generator) -> None:
    A = OPERATORS["vignette"].build({"strength": 0.7}, image=SPACE)
    x, y = SPACE.random(rng, 2), A.codomain.random(rng, 2)
    torch.testing.assert_close(inner(A(x), y), inner(x, A.adjoint(y)), rtol=1e-12, atol=0)
    b = A.resolvent(x, 0.1)
    torch.testing.assert_close(A.gram(b) + 0.1 * b, x)
    # The product is taken over unit pictures: between the two stated singular values, up to rounding.
    gain = norm(A(x)) / norm(x)
    assert ((A.smallest_singular_value().value <= gain) & (gain <= A.norm_bound().value)).all()


@pytest.mark.parametrize("recipe", ["smoothness"], indirect=True)
def test_regularizer(recipe: ModuleType, rng: torch.Generator) -> None:
    R = REGULARIZERS["smoothness"].build({})
    x, z = SPACE.random(rng, 4), SPACE.random(rng, 4)
    constants, gap, jump = R.constants(), x - z, R(x) - R(z)
    assert (inner(jump, gap) >= constants.monotonicity.value * norm(gap) ** 2).all()
    assert (norm(jump) <= constants.lipschitz.value * norm(gap)).all()
    assert (norm(constants.center * gap - jump) <= constants.contraction.value * norm(gap)).all()
    x.requires_grad_()
    potential = R.potential(x)
    assert potential is not None
    (gradient,) = torch.autograd.grad(potential.sum(), x)
    torch.testing.assert_close(gradient, R(x))


@pytest.mark.parametrize("recipe", ["landweber"], indirect=True)
def test_method(recipe: ModuleType, rng: torch.Generator) -> None:
    truth = SPACE.random(rng)
    A = OPERATORS["denoising"].build({}, image=SPACE)
    method = METHODS["landweber"].build({"step": 0.5, "solver": Choice("picard")})
    *_, last = itertools.islice(method.iterates(Problem(A, A(truth), 0.0)), 60)
    # 60 halvings of the error: down to rounding in float64.
    torch.testing.assert_close(last.x, truth)
    assert last.k == 59


@pytest.mark.parametrize("recipe", ["halpern"], indirect=True)
def test_solver(recipe: ModuleType, rng: torch.Generator) -> None:
    # A rotation by 90 degrees is nonexpansive and does not contract; 0 is its only fixed point.
    z0 = torch.randn(1, 2, dtype=torch.float64, generator=rng)

    def turn(z: torch.Tensor) -> torch.Tensor:
        return torch.stack([-z[:, 1], z[:, 0]], 1)

    solver = SOLVERS["halpern"].build({})
    for step in itertools.islice(solver.steps(turn, z0), 200):
        # Lieder's bound, with room for rounding.
        assert step.gap <= 2 * norm(z0).max() / (step.k + 1) * (1 + 1e-12)


@pytest.mark.parametrize("recipe", ["speckle"], indirect=True)
def test_noise(recipe: ModuleType, rng: torch.Generator) -> None:
    A = OPERATORS["denoising"].build({}, image=SPACE)
    noise = NOISES["speckle"].build({"strength": 0.1})
    clean = torch.full((40, *SPACE.shape), 0.5, dtype=torch.float64)
    drawn = noise.add(clean, A, rng)
    # 57,600 entries: the deviation is known to 0.3 %, of which this is seven times.
    assert float((drawn - clean).std()) == pytest.approx(noise.level(clean), rel=0.02)
    again = noise.add(clean, A, torch.Generator().manual_seed(0))
    assert bool((again == drawn).all())


def test_lesson() -> None:
    ((key, text),) = re.findall(r"`assets/lessons/(\w+)\.md`\n+```markdown\n(.*?)```", PAGE, re.DOTALL)
    lesson = lessons_file.parse(text, f"{key}.md", READERS)
    assert lesson.key == key
    assert lesson.here.query != lesson.tried.query
    fewer, not_fewer = lesson.asked.answers
    numbers = {"here.lamps_green": 4.0, "tried.lamps_green": 1.0}
    assert fewer.when.holds(numbers)
    assert not not_fewer.when.holds(numbers)


def test_groups_of_the_page_are_those_that_are_read() -> None:
    (groups,) = re.findall(r"The groups are (.*?);", PAGE, re.DOTALL)
    assert set(re.findall(r"`([\w.]+)`", groups)) == set(plugins.GROUPS)


def test_package(tmp_path: Path) -> None:
    (project,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    ((_, module),) = tomllib.loads(project)["project"]["entry-points"]["deqviz.methods"].items()
    source = tmp_path / "package"
    path = source / "src" / Path(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True)
    (path.parent / "__init__.py").touch()
    path.write_text(RECIPES["landweber"], encoding="utf-8")
    (source / "pyproject.toml").write_text(project)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    pip += ["--no-build-isolation", "--disable-pip-version-check", "--target", str(tmp_path / "site")]
    done = subprocess.run([*pip, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    code = (
        "from deqviz import plugins\nfrom deqviz.core.registry import Choice\n"
        "from deqviz.scenario import Scenario\n"
        "run = Scenario(size=32, method=Choice('landweber')).run()\n"
        "print(next(run).k, plugins.plugins(), plugins.failures())"
    )
    paths = os.pathsep.join((str(tmp_path / "site"), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    added = "(Plugin(package='deqviz-landweber 0.1', kind='method', keys=('landweber',)),)"
    assert done.stdout.strip() == f"0 {added} ()"


def test_script() -> None:
    script = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[-1]
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [int(k) for k, _ in rows] == list(range(20))
    assert float(rows[-1][1]) < float(rows[0][1])


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)
