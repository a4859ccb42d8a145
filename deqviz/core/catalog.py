"""The registries. Packages fill them by being imported; see `fill`."""

import importlib
import pkgutil

from deqviz.core.operator import ForwardModel
from deqviz.core.records import Diagnostic, Method, Noise, Solver
from deqviz.core.registry import Registry
from deqviz.core.regularizer import Regularizer

OPERATORS: Registry[ForwardModel] = Registry(
    "operator",
    (
        "Denoising",
        "Deblurring",
        "Inpainting",
        "Super-resolution",
        "MRI",
        "Computed tomography",
        "Compressed sensing",
    ),
)
NOISES: Registry[Noise] = Registry("noise")
SOLVERS: Registry[Solver] = Registry("solver")
REGULARIZERS: Registry[Regularizer] = Registry("regularizer", ("Hand-crafted", "Learned"))
METHODS: Registry[Method] = Registry(
    "method",
    ("Direct", "Variational", "Plug-and-play", "Equilibrium", "Unrolled", "Post-processing", "Untrained"),
)
DIAGNOSTICS: Registry[Diagnostic] = Registry("diagnostic")


_PACKAGES = ("operators", "noises", "solvers", "regularizers", "diagnostics", "methods")


def fill() -> None:
    """Import all that DEQViz has itself; what is there already is not imported again."""
    for package in _PACKAGES:
        discover(f"deqviz.{package}")


def discover(package: str) -> None:
    """Import every public module of `package`, so that one new file is one new entry."""
    root = importlib.import_module(package)
    for info in sorted(pkgutil.iter_modules(root.__path__), key=lambda m: m.name):
        if not info.name.startswith("_"):
            importlib.import_module(f"{package}.{info.name}")
