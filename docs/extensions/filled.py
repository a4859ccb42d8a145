"""Pages that are filled while they are built: a line <!-- fill NAME ARGUMENTS --> becomes Markdown.

So no page can say anything else than the registry, the glossary or the packages do.
"""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sphinx.application import Sphinx

from deqviz.core.registry import REGISTRIES, Choice, Param, Pick, params_of
from deqviz.glossary import terms
from deqviz.scenario import Scenario  # fills the registries

ROOT = Path(__file__).parents[2]
_MARK = re.compile(r"^<!-- fill (\w+)((?: [\w.]+)*) -->$", re.MULTILINE)


def glossary() -> Iterator[str]:
    """Every symbol of assets/glossary.toml, with a place that links can name."""
    yield "| symbol | term | meaning |\n|---|---|---|"
    for entry in terms():
        term = f"[{_cell(entry.term)}]({entry.link})" + (f" ({entry.paper})" if entry.paper else "")
        yield f'| <span id="{entry.anchor}">{_cell(entry.symbol)}</span> | {term} | {_cell(entry.line)} |'


def modules(package: str) -> Iterator[str]:
    """The public modules of a package or, of "deqviz" itself, those that stand beside the packages."""
    root = importlib.import_module(package)
    for info in sorted(pkgutil.iter_modules(root.__path__), key=lambda info: info.name):
        name = f"{package}.{info.name}"
        if info.name.startswith("_") or name in _NO_API:
            continue
        if not info.ispkg:
            yield f"## `{name}`\n\n```{{eval-rst}}\n.. automodule:: {name}\n```\n"
        elif package != "deqviz":
            yield from modules(name)


_NO_API = {"deqviz.cli", "deqviz.sweep.command"}
"""Commands: `--help` is their reference."""


def parameters(kind: str) -> Iterator[str]:
    """Every key of a registry and its parameters, in the order of the menus."""
    for key in REGISTRIES[kind].menu():
        entry = REGISTRIES[kind][key]
        yield f"### `{entry.key}`\n\n{entry.option}. {_text(entry.summary)}\n\n{_table(entry.params)}\n"


def scenario() -> Iterator[str]:
    """The parameters of a run that belong to none of its parts."""
    yield _table(params_of(Scenario))


def _table(params: tuple[Param, ...]) -> str:
    if not params:
        return "No parameters."
    lines = ["| parameter | on the page | values | default |", "|---|---|---|---|"]
    for p in params:
        domain = p.domain
        label = getattr(domain, "label", "") or p.label or p.name
        symbol = getattr(domain, "symbol", "")
        told = getattr(domain, "help", "") or p.help
        shown = f"{label} {symbol}".strip() + (f": {told}" if told else "")
        default = p.default.key if isinstance(p.default, Choice) else p.default
        lines.append(f"| `{p.name}` | {_cell(shown)} | {_cell(_values(p))} | `{default}` |")
    return "\n".join(lines)


def _values(p: Param) -> str:
    if isinstance(p.domain, tuple):
        return ", ".join(f"`{value}`" for value in p.domain)
    if isinstance(p.domain, Pick):
        return f"a {p.domain.kind}"
    return "`True`, `False`" if p.type is bool else str(p.domain)


def _text(text: str) -> str:
    """Plain text with backticks as Markdown."""
    return re.sub(r"([*|<>\\])", r"\\\1", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("\n", " ")


_FILLS: Mapping[str, Callable[..., Iterator[str]]] = {
    "glossary": glossary,
    "modules": modules,
    "parameters": parameters,
    "scenario": scenario,
}


def fill(text: str) -> str:
    """The page with every mark replaced."""
    return _MARK.sub(lambda mark: "\n".join(_FILLS[mark[1]](*mark[2].split())), text)


def _read(_app: Sphinx, _page: str, source: list[str]) -> None:
    source[0] = fill(source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
