"""What the About page tells, read from where it is kept: registries, cards, lists of sources. Pure."""

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import deqviz
from deqviz import images
from deqviz.core.numbers import decibels
from deqviz.core.registry import REGISTRIES, Entry
from deqviz.networks import _weights
from deqviz.networks._weights import Card, cards
from deqviz.resources import ASSETS, CITATION, LICENCE, PRETRAINED

KINDS: Final[Mapping[str, str]] = {
    "method": "Methods",
    "regularizer": "Regularisers",
    "solver": "Solvers",
    "operator": "Operators",
    "noise": "Noises",
    "diagnostic": "Diagnostics",
}
"""Headings of the registries in the order of the page; others come after them under their own names."""
PACKAGES: Final = ("torch", "streamlit", "numpy", "scipy", "scikit-image", "plotly", "safetensors", "pillow")
_YEAR: Final = re.compile(r"\b(?:18|19|20)\d\d\b(?!\.\d)")
_GROUP: Final = re.compile(r"\(([^()]*)\)")


@dataclass(frozen=True, slots=True)
class Part:
    """One entry of a registry: what it is, its equation where it has one, and its source."""

    key: str
    title: str
    summary: str
    equation: str
    source: str


@dataclass(frozen=True, slots=True)
class Weights:
    """One card in words, and the size of its file in bytes, None where that is missing."""

    card: Card
    recipe: str
    trained: str
    metrics: str
    constants: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Source:
    """A picture or a volume: its title, author, licence and what was done to it."""

    file: str
    title: str
    author: str
    licence: str
    done: str


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a theory comes from, and the pages that show it."""

    words: str
    arxiv: str
    pages: str


PAPERS: Final = (
    Paper(
        "D. Obmann, M. Haltmeier: Convergence analysis of equilibrium methods for inverse problems, 2023",
        "2306.01421",
        "Reconstruct, Convergence, Noise, Training",
    ),
    Paper(
        "A. Pramanik, M. B. Zimmerman, M. Jacob: Memory-efficient model-based deep learning with convergence "
        "and robustness guarantees, IEEE TCI 9, 2023",
        "2206.04797",
        "Convergence, Robustness, Memory",
    ),
    Paper(
        "N. Buskulic, J. Fadili, Y. Quéau: Convergence guarantees of overparametrized wide deep inverse "
        "prior, SSVM 2023",
        "2303.11265",
        "Deep prior",
    ),
    Paper(
        "S. Hadou, N. NaderiAlizadeh, A. Ribeiro: Robust stochastically-descending unrolled networks, "
        "IEEE TSP 72, 2024",
        "2312.15788",
        "Unrolled",
    ),
)
"""The papers whose settings the pages take up; constants and proofs are the project's own."""


def kinds() -> Mapping[str, str]:
    """Every registry and its heading."""
    return {**KINDS, **{kind: f"{kind.capitalize()}s" for kind in REGISTRIES if kind not in KINDS}}


def parts(kind: str) -> tuple[Part, ...]:
    """All entries of one registry, in its order."""
    return tuple(_part(entry) for entry in REGISTRIES.get(kind, ()))


def _part(entry: Entry[Any]) -> Part:
    text = entry.cls.__doc__ or ""
    summary = text.strip().partition("\n")[0].strip()
    equation = str(getattr(entry.cls, "equation", "") or "")
    return Part(entry.key, entry.title, summary, equation, source(text))


def source(text: str) -> str:
    """The sentences of a docstring that name a year, or what stands in their brackets where the year is."""
    sentences: list[str] = []
    for sentence in re.split(r"(?<=[.:]) (?=[A-Z])", " ".join(text.split())):
        groups = [group for group in _GROUP.findall(sentence) if _YEAR.search(group)]
        if groups:
            sentences += [f"{group}." for group in groups]
        elif _YEAR.search(sentence):
            sentences.append(sentence)
    return " ".join(sentences)


def weights() -> tuple[Weights, ...]:
    """All shipped weights, by key."""
    return tuple(_weights_of(card) for card in cards())


def failures() -> tuple[str, ...]:
    """One sentence for each card that cannot be read."""
    return _weights.failures()


def _weights_of(card: Card) -> Weights:
    file = PRETRAINED / f"{card.key}.safetensors"
    constants = ", ".join(f"{name} {_bound(name, value)}" for name, value in card.constants.items())
    return Weights(
        card,
        str(card.recipe.get("key", card.key)),
        f"{card.steps:,} steps, seed {card.seed}, {card.date}",
        ", ".join(f"{name}: {decibels(value)}" for name, value in card.validation_psnr.items()),
        constants,
        file.stat().st_size if file.is_file() else None,
    )


def _bound(name: str, value: float) -> str:
    return f"≥ {value:.4g}" if name == "monotone" else f"≤ {value:.4g}"


def pictures() -> tuple[Source, ...]:
    """Every file of the tables of SOURCES.md, and what is drawn in code."""
    sources = [row for name in ("images", "volumes") for row in _rows(ASSETS / name / "SOURCES.md")]
    drawn = [p for p in images.gallery() if p.path is None]
    return (*sources, *(Source(p.key, p.title, p.credit, "BSD-3-Clause", "drawn in code") for p in drawn))


def _rows(page: Path) -> list[Source]:
    if not page.is_file():
        return []
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    cells = [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]
    return [Source(*row) for row in cells if len(row) == 5]


def versions() -> tuple[tuple[str, str], ...]:
    """Of the program, of Python and of what it stands on; "not installed" where that is so."""
    pairs = [("deqviz", deqviz.__version__), ("python", platform.python_version())]
    for name in PACKAGES:
        try:
            pairs.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            pairs.append((name, "not installed"))
    return tuple(pairs)


def citation(path: Path = CITATION) -> Mapping[str, str]:
    """The plain fields of a citation file, "authors" as one text; raises ValueError without them."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"The citation file {path.name} cannot be read.") from error
    entries = {
        name: value.strip().strip("\"'")
        for name, value in re.findall(r"^([a-z-]+): +(.+)$", text, re.MULTILINE)
    }
    authors = re.search(r"^authors:\n((?:[ -].*\n?)+)", text, re.MULTILINE)
    names = re.findall(r"\bname: *(.+)", authors[1]) if authors else []
    entries["authors"] = " and ".join(name.strip().strip("\"'") for name in names)
    if not entries["authors"] or "title" not in entries or "version" not in entries:
        raise ValueError(f"The citation file {path.name} has no title, no version or no authors.")
    return entries


def cited(fields: Mapping[str, str]) -> str:
    """The citation as a sentence."""
    year = f" ({fields['date-released'][:4]})" if "date-released" in fields else ""
    licence = f", {fields['license']}" if "license" in fields else ""
    return f"{fields['authors']}{year}. {fields['title']}. Version {fields['version']}{licence}."


def bibtex(fields: Mapping[str, str]) -> str:
    """The citation for a bibliography."""
    lines = {
        "author": f"{{{fields['authors']}}}",
        "title": f"{{{fields['title']}}}",
        "version": fields["version"],
        "license": fields.get("license", ""),
        "year": fields.get("date-released", "")[:4],
        "url": fields.get("repository-code", fields.get("url", "")),
    }
    body = ",\n".join(f"  {name} = {{{value}}}" for name, value in lines.items() if value)
    return f"@software{{deqviz,\n{body}\n}}"


def licence(path: Path = LICENCE) -> str:
    """The licence, as it is."""
    return (
        path.read_text(encoding="utf-8")
        if path.is_file()
        else "The file LICENSE is not in this installation."
    )
