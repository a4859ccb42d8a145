"""A run as a Python script that repeats it, short enough to read and to go on from.

The script stops as the app does and ends with the image in `x`. An uploaded image, or uploaded k-space,
lies beside it in a file of `upload_file`.
"""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deqviz import images, kspace
from deqviz import io as files
from deqviz.core.catalog import METHODS, NOISES, OPERATORS
from deqviz.core.registry import REGISTRIES, Choice, Param, Pick
from deqviz.scenario import Scenario

LINES = 15
"""A script has no more."""
WIDTH = 110
"""Columns of a line, where its words allow it."""

_SKIP = "  # fmt: skip"
_PARTS = {"operator": OPERATORS, "noise": NOISES, "method": METHODS}


def python_of(scenario: Scenario, *, k: int | None = None, device: str = "cpu") -> str:
    """At most `LINES` lines of Python that repeat the run and print iteration, residual and PSNR.

    The script ends where the stream ends by itself, at the tolerance or at the last iteration of the
    scenario; with `k` at that iterate, where somebody stopped the run or it diverged. On the same device it
    gives the same numbers. Raises ValueError where an image or k-space that was uploaded is kept no more.
    """
    scenario = scenario.validated()
    stop, stream = "from deqviz.core.stop import settle", "scenario.build_method().iterates(problem)"
    if k is None:
        tolerance = METHODS[scenario.method.key].cls.arrival(scenario.tolerance)
        limits = f"tolerance={tolerance!r}, max_steps={scenario.iterations}"
        last = f"last = settle({stream}, {limits})"
    else:
        last = f"last = next(i for i in {stream} if i.k == {k})"
    image, is_judged = _quoted(scenario.image), scenario.is_judged
    head = [
        "import torch",
        "from deqviz.core.machine import thread_count",
        *(["from deqviz.core.metrics import psnr"] if is_judged else []),
        *([stop] if k is None else []),
        "from deqviz.scenario import Choice, Scenario",
    ]
    if (name := upload_name(scenario.image)) is not None:
        head.append("from deqviz.script import read_upload")
        image = f"read_upload({_quoted(name)})"
    truth, where = "truth" if is_judged else "_", "" if device == "cpu" else _quoted(device)
    numbers = ["k = {last.k}", "residual {last.residual:.9g}"]
    numbers += ["PSNR {psnr(x, truth):.9g} dB"] if is_judged else []
    tail = [
        "torch.set_num_threads(thread_count(scenario.size))  # as the app: sums depend on it",
        f"problem, {truth} = scenario.posed({where})",
        last,
        "x = last.x  # the image, batch x channels x height x width",
        f'print(f"{", ".join(numbers)}")',
    ]
    settings = _settings(scenario, image, LINES - len(head) - len(tail) - 1)
    return "\n".join([*head, "", *settings, *tail, ""])


def upload_name(image: str) -> str | None:
    """The name of the file that the script of this image reads, None for an image of the gallery."""
    return f"{image}.npy" if image.startswith("upload-") or kspace.is_key(image) else None


def upload_file(image: str) -> bytes:
    """An uploaded image, or k-space, as NPY: to the bit what runs use, and the app takes it as an upload.

    Images are h × w or h × w × 3 in [0, 1], k-space is coil × ky × kx. Raises ValueError where nothing is
    kept under this key.
    """
    if kspace.is_key(image):
        values = kspace.scan(image).samples.numpy()
    else:
        picture = images.load(image)[0].numpy()
        values = picture[0] if len(picture) == 1 else np.ascontiguousarray(np.moveaxis(picture, 0, 2))
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def read_upload(path: str | Path) -> str:
    """Keep the image or k-space of a file, and return the key that a scenario names it by.

    Those of `upload_file` are taken exactly as they are; of others the app's own reading holds.
    Raises FileNotFoundError or io.FileError with a sentence that says what to do.
    """
    file = Path(path)
    if not file.exists():
        raise FileNotFoundError(
            f"{file} is not here: export it from the app and put it where the script runs."
        )
    is_own = re.fullmatch(r"(upload|kspace)-[0-9a-f]{16}\.npy", file.name) is not None
    found = files.open(file, is_scaled=not is_own)
    if isinstance(found, files.KSpace):
        return kspace.keep(torch.from_numpy(found.samples), found.digest)
    if isinstance(found, files.Image):
        return images.keep(torch.from_numpy(found.pixels)[None], found.digest)
    raise files.FileError(f"{file} holds the settings of a run, and no image: open it in the app.")


def _settings(scenario: Scenario, image: str, lines: int) -> list[str]:
    """The statements that make the scenario, in as many lines as there may be, at least three.

    A line for each part reads best; where that is too much the short ones share a line with others.
    """
    parts = {name: _part(name, getattr(scenario, name)) for name in _PARTS}
    texts = {name: _text(part) for name, part in parts.items()}

    def made(inline: frozenset[str]) -> list[str]:
        words = [image, str(scenario.size), *(texts[n] if n in inline else n for n in parts)]
        own = [line for n in parts if n not in inline for line in _assigned(n, parts[n])]
        return [*own, f"scenario = Scenario({', '.join(words)}, seed={scenario.seed})"]

    pair = f"operator, noise = {texts['operator']}, {texts['noise']}"
    rows = sorted(("operator", "noise", "method"), key=lambda n: len(texts[n]))
    tries = [made(frozenset(rows[:count])) for count in range(3)]
    tries.append([pair, *_assigned("method", parts["method"]), made(frozenset())[-1]])
    for attempt in tries:
        if len(attempt) <= lines and all(len(line) <= WIDTH for line in attempt):
            return attempt
    # More than a handful of parameters that all differ: long lines then, rather than a long script.
    whole = [pair, f"method = {texts['method']}", made(frozenset())[-1]]
    return [line if len(line) <= WIDTH else line + _SKIP for line in whole]


def _part(name: str, choice: Choice) -> Choice:
    """All parameters where a line holds them, else those that differ from the defaults."""
    if len(f"{name} = {_text(choice)}") <= WIDTH:
        return choice
    return Choice(choice.key, _changed(_PARTS[name][choice.key].params, choice.params))


def _changed(specs: Sequence[Param], params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that differ from the defaults, in nested choices too."""
    changes: dict[str, Any] = {}
    for p in specs:
        value, default = params.get(p.name, p.default), p.default
        if isinstance(p.domain, Pick):
            registry = REGISTRIES[p.domain.kind]
            value, default = (
                Choice(c.key, _changed(registry[c.key].params, c.params)) for c in (value, default)
            )
        if value != default:
            changes[p.name] = value
    return changes


def _assigned(name: str, part: Choice) -> list[str]:
    """`name = Choice(…)`, its parameters spread over statements before it where a line would be too long."""
    whole = f"{name} = {_text(part)}"
    if len(whole) <= WIDTH:
        return [whole]
    batches: list[str] = []
    for item in _items(part.params):
        if batches and len(f"params |= {{{batches[-1]}, {item}}}") <= WIDTH:
            batches[-1] += f", {item}"
        else:
            batches.append(item)
    lines = [f"params {'|' if i else ''}= {{{batch}}}" for i, batch in enumerate(batches)]
    last = f"{name} = Choice({_quoted(part.key)}, params | {{{batches[-1]}}})"
    if len(batches) > 1 and len(last) <= WIDTH:
        lines[-1] = last
    else:
        lines.append(f"{name} = Choice({_quoted(part.key)}, params)")
    return [line if len(line) <= WIDTH else line + _SKIP for line in lines]


def _text(value: Any) -> str:
    """The value as ruff would write it."""
    if isinstance(value, Choice):
        params = f", {{{', '.join(_items(value.params))}}}" if value.params else ""
        return f"Choice({_quoted(value.key)}{params})"
    return _quoted(value) if isinstance(value, str) else repr(value)


def _items(params: Mapping[str, Any]) -> list[str]:
    return [f"{_quoted(name)}: {_text(value)}" for name, value in params.items()]


def _quoted(text: str) -> str:
    """The text as a literal, in double quotes unless it holds some."""
    plain = repr(text)
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in text and "\\" not in plain else plain
