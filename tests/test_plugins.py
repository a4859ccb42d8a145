"""Packages of others: a real one is built, installed and used; a broken one costs one sentence."""

import json
import os
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path

import pytest

from tests.places import PATIENCE, ROOT

LANDWEBER = '''
"""Steps along the misfit."""

from typing import Annotated, ClassVar

from deqviz.core.catalog import METHODS
from deqviz.core.records import Map, Problem
from deqviz.core.registry import Range
from deqviz.methods._base import FixedPointMethod


@METHODS.register("{key}", title="Landweber")
class Landweber(FixedPointMethod):
    """T(x) = x − s A*(Ax − y)/‖A‖²."""

    equation: ClassVar[str] = "A*(Ax − y) = 0"

    step: Annotated[float, Range(0.05, 1.95, "Step", symbol="s")] = 1.0

    def map(self, problem: Problem) -> Map:
        """T."""
        A, y = problem.operator, problem.data
        tau = self.step / A.norm_bound().value ** 2
        return lambda x: x - tau * A.adjoint(A(x) - y)
'''

FIELD = LANDWEBER.replace("    step: Annotated", "    own: {}\n\n    step: Annotated")
"""The same with a field more."""

CLASS = '''
from deqviz.core.catalog import SOLVERS
from deqviz.core.records import Solver


@SOLVERS.register("{}", title="S")
class S{}:
    """S."""
'''

LOOK = """
import json, sys
import deqviz.scenario as s
import skimage.restoration  # asks every package as well
from deqviz import plugins
from deqviz.core.catalog import METHODS, SOLVERS
from deqviz.core.registry import Choice
gaps = []
if "landweber" in METHODS:
    query = {"method": "landweber", "method.step": "1.5", "size": "32", "seed": "7"}
    scenario, complaints = s.Scenario.from_query(query)
    assert not complaints, complaints
    assert s.Scenario.from_query(scenario.to_query()) == (scenario, ())
    for iterate in scenario.run():
        gaps.append(float(iterate.gap))
        if iterate.k == 3:
            break
print(json.dumps({
    "methods": METHODS.keys(),
    "solvers": SOLVERS.keys(),
    "failures": plugins.failures(),
    "added": [[p.package, p.kind, list(p.keys)] for p in plugins.plugins()],
    "step": METHODS["landweber"].build({"step": 1.5}).step if "landweber" in METHODS else None,
    "gaps": gaps,
    "own": [float(i.residual) for i in [next(s.Scenario(size=32).run())]],
}))
"""


def install(target: Path, work: Path, name: str, groups: dict[str, str], modules: dict[str, str]) -> None:
    """Build the package `name` and install it into `target`, as `pip install` does, without a network."""
    work.mkdir()
    points = "\n".join(
        f'[project.entry-points."{group}"]\nit = "{module}"' for group, module in groups.items()
    )
    (work / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "{name}"\nversion = "0.3"\n{points}\n'
        f"[tool.setuptools]\npy-modules = {list(modules)!r}\n"
    )
    for module, text in modules.items():
        (work / f"{module}.py").write_text(textwrap.dedent(text), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--disable-pip-version-check", "--target", str(target), str(work)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def lay(target: Path, name: str, group: str, text: str) -> None:
    """What installing leaves behind: the module, and a folder of metadata that names it."""
    module = name.replace("-", "_")
    (target / f"{module}.py").write_text(text, encoding="utf-8")
    about = target / f"{module}-0.3.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.3\n")
    (about / "entry_points.txt").write_text(f"[{group}]\nit = {module}\n")


def python(code: str, target: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{target}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, cwd=target, capture_output=True, text=True)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What one process sees of two good packages and many bad ones."""
    folder = tmp_path_factory.mktemp("packages")
    target = folder / "site"
    points = {"deqviz.methods": "landweber"}
    text = LANDWEBER.format(key="landweber")
    install(target, folder / "good", "deqviz-landweber", points, {"landweber": text})
    broken = LANDWEBER.format(key="half") + "\nraise RuntimeError('two\\nlines')\n"
    install(target, folder / "bad", "half-done", {"deqviz.methods": "half_done"}, {"half_done": broken})
    for name, module in {
        "takes-a-key": LANDWEBER.format(key="tv"),
        "bad-import": "import no_such_package\n",
        "bad-syntax": "def (:\n",
        "leaves": "import sys\nsys.exit(3)\n",
        "adds-nothing": "x = 1\n",
        "bad-key": LANDWEBER.format(key="Bad key"),
        "interrupts": "raise KeyboardInterrupt\n",
        "mute": "class E(Exception):\n    def __str__(self): return 1 / 0\nraise E\n",
        "escapes": "raise ValueError('\\x1b[2J\\x00 two\\nlines')\n",
        "takes-away": f"{LANDWEBER.format(key='greedy')}\ndel METHODS._entries['tv']\n",
        "clears": f"{LANDWEBER.format(key='greedier')}\nMETHODS.restore({{}})\n",
        "opens": f"{LANDWEBER.format(key='own')}\ntype(METHODS)('method')\n",
        "titles": LANDWEBER.format(key="titled").replace('"Landweber")', "5)"),
        "no-default": FIELD.format("float", key="bare"),
        "no-range": FIELD.format("Annotated[float, Range(1.0, float('nan'), 'w')] = 1.0", key="endless"),
        "no-logarithm": FIELD.format("Annotated[float, Range(0.0, 1.0, 'w', log=True)] = 1.0", key="log"),
        "outside": FIELD.format("Annotated[float, Range(0.0, 1.0, 'w')] = 2.0", key="outer"),
        "no-label": FIELD.format("Annotated[float, Range(0.0, 1.0, 7)] = 1.0", key="labelled"),
        "no-option": FIELD.format("Literal['a', 3] = 'a'", key="optional").replace(
            "import Annotated", "import Annotated, Literal"
        ),
        "not-built": LANDWEBER.format(key="unbuilt")
        + "\n    def __post_init__(self):\n        raise OSError\n",
        "asks": "import deqviz.scenario\nfrom deqviz import plugins\nassert not plugins.failures()\n"
        + LANDWEBER.format(key="asking"),
    }.items():
        lay(target, name, "deqviz.methods", module)
    lay(target, "no-solver", "deqviz.solvers", CLASS.format("no_solver", ""))
    lay(target, "abstract", "deqviz.solvers", CLASS.format("abstract", "(Solver)"))
    bare = CLASS.format("bare", "(Solver)") + "    own: float\n    steps = None\n"
    lay(target, "bare", "deqviz.solvers", bare)
    lay(target, "no-module", "deqviz.methods", "")
    (target / "no_module-0.3.dist-info" / "entry_points.txt").write_text("[deqviz.methods]\nit = ]:[\n")
    for name, file, text in (
        ("no-equals", "entry_points.txt", b"[deqviz.methods]\nnothing here\n"),
        ("not-text", "entry_points.txt", b"[deqviz.methods]\nit = \xff\n"),
        ("not-named", "METADATA", b"Metadata-Version: 2.1\nName: not-named\xff\nVersion: 0.3\n"),
        ("nameless", "METADATA", b"Metadata-Version: 2.1\n"),
    ):
        lay(target, name, "deqviz.methods", "")
        (target / f"{name.replace('-', '_')}-0.3.dist-info" / file).write_bytes(text)
    done = python(LOOK, target)
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout.splitlines()[-1]), "stderr": done.stderr}


def test_a_method_of_a_package_is_there_and_runs(seen: dict) -> None:
    assert seen["methods"].count("landweber") == 1
    assert seen["added"] == [
        ["asks 0.3", "method", ["asking"]],
        ["deqviz-landweber 0.3", "method", ["landweber"]],
    ]
    assert seen["step"] == 1.5
    # T does not expand for a step below 2, and the default solver refuses steps that raise the gap.
    assert len(seen["gaps"]) == 4
    assert all(0 < after < before for before, after in pairwise(seen["gaps"]))
    assert seen["own"][0] > 0


@pytest.mark.parametrize(
    ("package", "said"),
    [
        ("takes-a-key", "adds no method: method 'tv' is already registered."),
        ("bad-import", "adds no method: ModuleNotFoundError, No module named 'no_such_package'."),
        ("bad-syntax", "adds no method: SyntaxError,"),
        ("leaves", "adds no method: SystemExit, 3."),
        ("adds-nothing", "adds no method: its module adds_nothing registers none."),
        ("half-done", "adds no method: RuntimeError, two lines."),
        ("no-solver", "adds no solver: S is no Solver."),
        ("abstract", "adds no solver: S lacks steps."),
        ("bad-key", "adds no method: the key 'Bad key' is no lower-case word for an address."),
        ("interrupts", "adds no method: it was interrupted while it was imported."),
        ("no-module", "adds no method: AttributeError, "),
        ("mute", "adds no method: E, it left no message."),
        ("escapes", r"adds no method: \x1b[2J\x00 two lines."),
        ("takes-away", "adds no method: it takes the method tv away."),
        ("clears", "adds no method: it takes the method "),
        ("opens", "adds no method: it opens a registry of its own."),
        ("titles", "adds no method: title and family of Landweber are no short texts."),
        ("no-default", "adds no method: TypeError, non-default argument 'own' follows default argument."),
        ("bare", "adds no solver: S cannot be built: its field own has no default."),
        ("no-range", "adds no method: Landweber.own has no range."),
        ("no-logarithm", "adds no method: Landweber.own begins at 0, where there is no logarithm."),
        ("outside", "adds no method: w is 2.0; allowed is 0 … 1."),
        ("no-label", "adds no method: Landweber.own has a label, an option or a unit that is no short text."),
        (
            "no-option",
            "adds no method: Landweber.own has a label, an option or a unit that is no short text.",
        ),
        ("not-built", "adds no method: OSError, it left no message."),
    ],
)
def test_a_bad_package_costs_one_sentence(seen: dict, package: str, said: str) -> None:
    (sentence,) = [text for text in seen["failures"] if f"The package {package} 0.3 " in text]
    assert said in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    # And on the terminal, whichever command imported the package.
    assert sentence in seen["stderr"]


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        (name, "nothing, for its metadata is damaged: install it again.")
        for name in ("no_equals", "not_text", "not_named")
    ]
    + [("nameless", "no method: its module nameless registers none.")],
)
def test_a_package_whose_metadata_is_damaged_costs_one_sentence(seen: dict, folder: str, said: str) -> None:
    sentence = f"The package {folder}-0.3 adds {said}"
    assert seen["failures"].count(sentence) == 1
    assert sentence in seen["stderr"]


def test_a_bad_package_leaves_no_trace(seen: dict) -> None:
    import deqviz.scenario  # noqa: F401  fills the registries
    from deqviz.core.catalog import METHODS, SOLVERS

    assert len(seen["failures"]) == 29
    assert seen["methods"] == [*METHODS.keys(), "asking", "landweber"]
    assert sorted(seen["solvers"]) == sorted(SOLVERS.keys())


FIRST = """
import builtins, json, logging, threading
builtins.told = threading.Event()
class Heard(logging.Handler):
    def emit(self, record):
        if "package slow 0.3 takes long" in record.getMessage():
            builtins.told.set()
logging.getLogger("deqviz").addHandler(Heard())
import by_hand
from deqviz import plugins
from deqviz.core.catalog import METHODS
plugins.PATIENCE = 0.0
failures = plugins.failures()  # before anything has filled the registries
import deqviz.scenario
print(json.dumps({"failures": failures, "tv": METHODS["tv"].cls.__module__, "methods": METHODS.keys()}))
"""


def test_the_methods_are_there_whoever_comes_first_and_a_slow_package_is_told(tmp_path: Path) -> None:
    from deqviz.core.catalog import METHODS

    late = "import deqviz.methods.tv\nraise RuntimeError\n"
    for name, text in {
        "breaks": late,
        "by-hand": LANDWEBER.format(key="tv"),
        "slow": f"import builtins\nassert builtins.told.wait({PATIENCE})\n{LANDWEBER.format(key='slow')}",
    }.items():
        lay(tmp_path, name, "deqviz.methods", text)
    done = python(FIRST, tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["tv"] == "deqviz.methods.tv"
    assert found["methods"] == [*METHODS.keys(), "slow"]
    assert [text.split(":")[0] for text in found["failures"]] == [
        "The package breaks 0.3 adds no method",
        "The package by-hand 0.3 adds no method",
    ]


def test_without_packages_nothing_is_added() -> None:
    from deqviz import plugins

    assert plugins.failures() == ()
    assert plugins.plugins() == ()
