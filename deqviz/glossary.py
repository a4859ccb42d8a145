"""The glossary: what every symbol of a statement is called and means, read from assets/glossary.toml.

An entry has `symbol`, one or several with commas between; `term`, the field's name of it; `line`, one plain
sentence; `link`, a page of the documentation or a source; and `paper` where the symbol means this in one line
of theory only, whose papers have letters of their own.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from deqviz.resources import ASSETS

FILE = ASSETS / "glossary.toml"
INDEX = re.compile(r"(?<=[^\s_^])([_^])(?:\{([^{}]+)\}|\(([^()]+)\)|(−?[A-Za-z0-9Α-ωℓ]+))")
"""An index in running text, as in x_k, σ_{min} and κ^k: its sign, and then one of three groups."""


@dataclass(frozen=True, slots=True)
class Term:
    """One entry of the glossary."""

    symbol: str
    term: str
    line: str
    link: str
    paper: str = ""

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols of the entry, each by itself."""
        return tuple(self.symbol.split(", "))

    @property
    def anchor(self) -> str:
        """The name of its place on the glossary page of the documentation."""
        return re.sub(r"\W+", "-", f"{self.term} {self.paper}".lower()).strip("-")


class Token(NamedTuple):
    """A symbol in a statement, `statement[start:stop]`; no `term` where the glossary lacks it."""

    start: int
    stop: int
    text: str
    term: Term | None


@cache
def terms() -> tuple[Term, ...]:
    """All entries, in the order of the file."""
    entries = tomllib.loads(FILE.read_text(encoding="utf-8"))["entry"]
    return tuple(Term(**entry) for entry in entries)


def symbols_in(statement: str, paper: str = "") -> tuple[Term, ...]:
    """What the glossary says of the symbols of a statement, each once, in their order."""
    by_symbol = {token.text: token.term for token in tokens(statement, paper) if token.term is not None}
    return tuple(dict.fromkeys(by_symbol.values()))


@cache
def tokens(statement: str, paper: str = "") -> tuple[Token, ...]:
    """The symbols of a statement with _{sub} and ^{sup} marks, the longest match first.

    Words are no symbols: three letters and more, two that begin small, and the article. A sub- or superscript
    belongs to its symbol where the glossary has both together (σ_{min}); else it is a symbol by itself where
    it holds nothing more (κ^k), and is left out where it holds a formula.
    """
    meanings = _meanings(paper)
    return tuple(
        Token(start, stop, text, meanings.get(text)) for start, stop, text in _symbols(statement, meanings)
    )


@cache
def _meanings(paper: str) -> Mapping[str, Term]:
    """The entries by their symbols, those of the paper before the common ones."""
    general = [t for t in terms() if not t.paper]
    own = [t for t in terms() if t.paper and t.paper == paper]
    return {_plain(symbol): term for term in (*general, *own) for symbol in term.symbols}


_LOWERED, _RAISED = "₀₁₂₃₄₅₆₇₈₉₊₋ₖₙₘᵢⱼₗ", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵏⁿᵖᵀˡ"
_PLAIN = str.maketrans(_LOWERED + _RAISED, "0123456789+−knmijl" + "0123456789+−knpTl")
_SCRIPT = rf"[_^](?:\{{[^}}]*\}}|\([^)]*\)|[A-Za-z0-9α-ωΑ-Ωℓ]+|.)|[{_LOWERED}]+|[{_RAISED}]+"
_PIECE = re.compile(rf"(?P<script>{_SCRIPT})|(?P<latin>[A-Za-z]+)|(?P<letter>[^\W\d_])|.", re.DOTALL)
_TAIL = re.compile(rf"[†*′°]?(?:{_SCRIPT})?")


def _plain(text: str) -> str:
    """One way of writing for all: σ_min, σ_{min} and σₘᵢₙ alike."""
    sign = "_" if text[0] in _LOWERED else "^" if text[0] in _RAISED else ""
    text = re.sub(f"[{_LOWERED}]+", lambda m: "_" + m[0].translate(_PLAIN), text) if not sign else text
    text = sign + text.translate(_PLAIN) if sign else text
    return re.sub(r"([_^])[{(]([^})]*)[})]", r"\1\2", text)


def _is_word(run: str) -> bool:
    return run == "a" or len(run) > 2 or (len(run) == 2 and (run[0].islower() or run[1].isupper()))


def _symbols(text: str, table: Mapping[str, Term]) -> Iterator[tuple[int, int, str]]:
    at = 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        assert piece is not None
        stop = piece.end()
        if piece["script"]:
            inside = _plain(piece[0])[1:]
            if inside in table or (len(inside) == 1 and inside.isalpha()):
                yield at, stop, inside
        elif (run := piece["latin"]) and _is_word(run):
            # "ran A*" is one symbol of two words.
            symbol = next((s for s in table if s.startswith(run) and text.startswith(s, at)), None)
            if symbol is not None:
                stop = at + len(symbol)
                yield at, stop, symbol
        elif run or (piece["letter"] and piece["letter"].isalpha() and piece[0] not in "Σ∏"):
            stop, symbol = _longest(text, at, table)
            yield at, stop, symbol
        at = stop


def _longest(text: str, at: int, table: Mapping[str, Term]) -> tuple[int, str]:
    """Where the symbol that begins here ends: with its mark and its script if the glossary has it so."""
    tail = _TAIL.match(text, at + 1)
    assert tail is not None
    for stop in dict.fromkeys((tail.end(), at + 2, at + 1)):
        if stop <= tail.end() and (symbol := _plain(text[at:stop])) in table:
            return stop, symbol
    return at + 1, text[at]


def value(symbol: str, text: str) -> str:
    """What `text` says that a symbol is here: "= 0.93" from "κ = αL/(αβ + σ_min²) = 0.93"; else empty."""
    number, name = r"−?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w/·(])", rf"(?<![\w‖(]){re.escape(symbol)}"
    match = re.search(rf"{name} ([=≤≥] {number})", text) or re.search(
        rf"{name} = [^=≤≥,;:]* (= {number})", text
    )
    return match[1] if match else ""


def address(term: Term) -> str | None:
    """Where the documentation explains it; None where no `DEQVIZ_DOCS` says where the documentation is."""
    docs = os.environ.get("DEQVIZ_DOCS")
    return f"{docs.rstrip('/')}/glossary.html#{term.anchor}" if docs else None
