"""The About page: methods with their papers, weights with their cards, pictures, versions, how to cite."""

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import streamlit as st
import torch

from deqviz import plugins
from deqviz.core.machine import thread_count
from deqviz.core.quoted import quoted
from deqviz.glossary import INDEX
from deqviz.ui.components.text import plain
from deqviz.ui.pages.about import facts
from deqviz.ui.shell import address, session

PAGE = "about"
_STYLE = Path(__file__).parent / "style.css"
_TABS = ("Methods", "Weights", "Images", "This installation", "Cite and licence")
_SIDE = 256
"""Of the pictures for which device and threads are told."""

Cell = str
"""HTML of one cell: made by `_text` and the functions beside it alone."""


def render() -> None:
    """Draw the page; called once per script run."""
    visit = address.visit(PAGE)
    if visit.query is not None:
        st.session_state["about.complaints"] = tuple(
            f"The link says {quoted(name)}, which is unknown here." for name in visit.query
        )
        address.write(PAGE, {})
    st.html(_STYLE)
    st.html('<div class="deqviz-head"><h1>About</h1><span>can I trust and cite this?</span></div>')
    with st.container():
        for warning in st.session_state.get("about.complaints", ()):
            st.warning(plain(warning))
    sought = st.text_input(
        "Search methods, weights and images",
        key="about.search",
        placeholder="a name, an author, a licence …",
        max_chars=80,
        width=420,
    ).strip()
    methods, weights, pictures, here, cite = st.tabs(_TABS)
    with methods:
        _methods(sought)
    with weights:
        _weights(sought)
    with pictures:
        _pictures(sought)
    with here:
        _here()
    with cite:
        _cite()


@st.cache_data(show_spinner=False, max_entries=1)
def _cards() -> tuple[facts.Weights, ...]:
    return facts.weights()


@st.cache_data(show_spinner=False, max_entries=1)
def _sources() -> tuple[facts.Source, ...]:
    return facts.pictures()


# ---------------------------------------------------------------- tables


def _text(words: str) -> Cell:
    return html.escape(words)


def _formula(words: str) -> Cell:
    """An equation."""
    return f"<i>{_indexed(words)}</i>"


def _indexed(words: str) -> Cell:
    """Text with its _x, _{xy} and ^k as indices."""
    return INDEX.sub(_index, html.escape(words))


def _index(match: re.Match[str]) -> Cell:
    tag = "sub" if match[1] == "_" else "sup"
    return f"<{tag}>{match[2] or match[3] or match[4]}</{tag}>"


def _list(words: str) -> Cell:
    """What stands between commas, each on a line that is not broken."""
    return html.escape(words).replace(", ", "<br>").replace(" ", "&nbsp;")


def _named(title: str, key: str) -> Cell:
    return f"<strong>{html.escape(title)}</strong><br><code>{html.escape(key)}</code>"


def _link(address: str, words: str) -> Cell:
    return f'<a href="{html.escape(address)}" target="_blank" rel="noreferrer">{html.escape(words)}</a>'


def _table(name: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]], sought: str) -> None:
    """The rows in which the sought words stand, or a sentence that there are none."""
    all_of = list(rows)
    words = sought.casefold().split()
    kept = [row for row in all_of if all(word in _plain(row) for word in words)]
    if not kept:
        if all_of:
            _note(f"{name}: no entry contains “{sought}”.")
        return
    head = "".join(f'<th scope="col">{html.escape(word)}</th>' for word in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in kept)
    count = f"{len(kept)}" if len(kept) == len(all_of) else f"{len(kept)} of {len(all_of)}"
    st.html(
        f'<section class="deqviz-facts"><h2>{html.escape(name)} <span>{count}</span></h2>'
        f'<div tabindex="0" role="region" aria-label="{html.escape(name)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>"
    )


def _plain(row: Sequence[Cell]) -> str:
    return html.unescape(re.sub(r"<[^>]*>", " ", " ".join(row))).replace("\xa0", " ").casefold()


def _note(words: str) -> None:
    st.html(f'<p class="deqviz-note">{html.escape(words)}</p>')


def _methods(sought: str) -> None:
    for kind, name in facts.kinds().items():
        parts = facts.parts(kind)
        has_equation = any(part.equation for part in parts)
        rows = [
            (
                _named(part.title, part.key),
                *((_formula(part.equation),) if has_equation else ()),
                _indexed(part.summary),
                _text(part.source),
            )
            for part in parts
        ]
        heads = ("Name", *(("Equation",) if has_equation else ()), "What it is", "Source")
        _table(name, heads, rows, sought)
    papers = [
        (
            _text(paper.words),
            _link(f"https://arxiv.org/abs/{paper.arxiv}", f"arXiv {paper.arxiv}"),
            _text(paper.pages),
        )
        for paper in facts.PAPERS
    ]
    _table("Theory", ("Paper", "Where", "Pages"), papers, sought)
    _note(
        "The pages take up the settings of these papers. Constants and short proofs are derived for this "
        "project, in docs/methods.md and docs/experiments.md, and need not be those of the papers."
    )


def _weights(sought: str) -> None:
    rows: list[tuple[Cell, ...]] = []
    for one in _cards():
        card = one.card
        size = "file missing" if one.size is None else f"{one.size / 1000:,.0f} kB"
        digest = f'<code title="{html.escape(card.sha256)}">{html.escape(card.sha256[:12])}…</code>'
        notes = f"<br>{html.escape(card.notes)}" if card.notes else ""
        rows.append(
            (
                _named(card.title, card.key),
                f"{html.escape(card.network)}<br>{card.parameters:,} parameters",
                f"{html.escape(card.data)}<br>recipe <code>{html.escape(one.recipe)}</code>, "
                f"{html.escape(one.trained)}{notes}",
                _list(one.metrics),
                _list(one.constants or "nothing certified"),
                f"{size}<br>{digest}<br>{html.escape(card.license)}",
            )
        )
    heads = ("Name", "Network", "Trained on", "Validation", "Certified", "File, sha256, licence")
    _table("Weights", heads, rows, sought)
    for message in facts.failures():
        st.warning(plain(message))
    _note(
        "A weight file is loaded only if its sha256 is that of its card, and a card only as it was written. "
        "Certified are upper bounds of Lipschitz constants, and lower bounds of monotonicity, computed from "
        "the weights with a proof."
    )


def _pictures(sought: str) -> None:
    rows = [(_named(s.title, s.file), _text(s.author), _text(s.licence), _text(s.done)) for s in _sources()]
    _table("Images and volumes", ("Image", "Author and source", "Licence", "Processing"), rows, sought)
    _note(
        "The notices required by the licences are in assets/images/SOURCES.md and assets/volumes/SOURCES.md."
    )


# ---------------------------------------------------------------- the rest


def _here() -> None:
    versions = [(_text(name), f"<code>{html.escape(version)}</code>") for name, version in facts.versions()]
    _table("Versions", ("Package", "Version"), versions, "")
    machine = [
        ("Device", session.device_name(_SIDE)),
        ("Threads of a run", f"{thread_count(_SIDE)} on images of {_SIDE} × {_SIDE}"),
        ("Numbers", "float32 on the Reconstruct page; most experiments in float64"),
        ("CUDA", torch.version.cuda or "not built in"),
    ]
    _table("Machine", ("Property", "Value"), [(_text(a), _text(b)) for a, b in machine], "")
    added = [(_text(p.package), _text(p.kind), _text(", ".join(p.keys))) for p in plugins.plugins()]
    _table("Plugins", ("Package", "Kind", "Keys"), added, "")
    for message in plugins.failures():
        st.warning(plain(message))


def _cite() -> None:
    st.markdown("## How to cite")
    try:
        fields = facts.citation()
    except ValueError as error:
        st.warning(plain(str(error)))
    else:
        st.code(facts.cited(fields), language=None, wrap_lines=True)
        st.code(facts.bibtex(fields), language="bibtex", wrap_lines=True)
    _note("Please cite the paper of the method that you use as well: the first tab names it.")
    st.markdown("## Licence")
    st.code(facts.licence(), language=None, wrap_lines=True)
