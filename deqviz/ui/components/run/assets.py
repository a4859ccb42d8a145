"""plotly.js beside the component: the repository holds no copy, the plotly wheel ships one."""

import contextlib
import os
import re
import shutil
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

FRONTEND: Final = Path(__file__).parents[2] / "frontend" / "shared"


def plotly_source() -> Path:
    """The plotly.min.js of the installed wheel, found without importing plotly."""
    spec = find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the plotly package is not installed")
    return Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"


@cache
def plotly_script(folder: Path = FRONTEND) -> str | None:
    """The name of plotly.js in `folder`, written there when it is missing; None where that is impossible.

    The name carries the version, so a new wheel brings a new file and no browser keeps the old one.
    The file appears in one rename: two processes may start at the same time.
    """
    source = plotly_source()
    name = f"plotly-{_version(source)}.min.js"
    target = folder / name
    try:
        if not target.exists() or target.stat().st_size != source.stat().st_size:
            _copy(source, target)
            _sweep(folder, keep=name)
    except OSError:
        return None
    return name


def _version(source: Path) -> str:
    with source.open(encoding="utf-8") as file:
        found = re.search(r"plotly\.js v(\d+\.\d+\.\d+)", file.read(400))
    return found.group(1) if found else "unknown"


def _copy(source: Path, target: Path) -> None:
    descriptor, part = tempfile.mkstemp(dir=target.parent, prefix="plotly-", suffix=".part.js")
    os.close(descriptor)
    try:
        shutil.copyfile(source, part)
        os.chmod(part, 0o644)
        os.replace(part, target)
    except OSError:
        Path(part).unlink(missing_ok=True)
        raise


def _sweep(folder: Path, keep: str) -> None:
    for old in folder.glob("plotly-*.min.js"):
        if old.name != keep:
            with contextlib.suppress(OSError):
                old.unlink()
