"""The glossary: it has every symbol that a guarantee prints, with one meaning in one line of theory."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from deqviz.core.catalog import METHODS
from deqviz.core.records import Evidence
from deqviz.core.registry import REGISTRIES, Choice
from deqviz.experiments.monotone.uniqueness_counterexample import CounterexampleRow
from deqviz.glossary import INDEX, address, symbols_in, terms, tokens, value
from deqviz.scenario import Scenario
from tests.places import ROOT

STATED = sorted(
    path
    for path in (ROOT / "deqviz").rglob("*.py")
    if {"methods", "experiments"} & set(path.parts) and "Guarantee(" in path.read_text("utf-8")
)
PAPERS = {term.paper for term in terms()}
_FORMULA = re.compile(r"[‖≤≥√∈→∮]")


@pytest.mark.parametrize("term", terms(), ids=lambda term: f"{term.symbol} {term.paper}")
def test_every_entry_is_complete(term):
    assert all((term.symbol, term.term, term.line, term.link))
    assert term.line.endswith(".")
    assert term.link.startswith("https://") or re.fullmatch(r"[\w/-]+\.md(#[\w-]+)?", term.link)


def test_a_symbol_has_one_meaning_in_one_line_of_theory():
    counted = Counter((symbol, term.paper) for term in terms() for symbol in term.symbols)
    assert {key for key, count in counted.items() if count > 1} == set()
    assert Counter((term.anchor, term.paper) for term in terms()).most_common(1)[0][1] == 1


@pytest.mark.parametrize("key", METHODS.keys())
@pytest.mark.parametrize("operator", ["denoising", "inpainting", "tomography", "parallel_mri"])
def test_every_symbol_that_a_method_states_is_in_it(key, operator):
    scenario = Scenario(operator=Choice(operator), method=Choice(key), size=32)
    problem, _ = scenario.posed()
    for row in scenario.build_method().guarantees(problem, Evidence()):
        missing = [t.text for t in tokens(row.statement, row.paper) if t.term is None]
        assert missing == [], (row.name, row.statement)


@pytest.mark.parametrize("path", STATED, ids=lambda path: path.stem)
def test_every_symbol_in_the_formulas_of_an_experiment_is_in_it(path: Path):
    """Statements and reasons, in the letters of the lines of theory that the module names."""
    tree = ast.parse(path.read_text("utf-8"))
    papers = {text for text in _texts(tree) if text in PAPERS} | {""}
    for text in _texts(tree):
        if _FORMULA.search(text):
            known = [{t.text for t in tokens(text, paper) if t.term is None} for paper in papers]
            assert set.intersection(*known) == set(), text


def _texts(tree: ast.AST) -> Iterator[str]:
    """All texts but docstrings; of an f-string what stands between its values."""
    said = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


def test_no_operator_is_swallowed_by_an_index():
    """Without braces an index is one word or one number: of μ_ℓA* it would be ℓA."""
    entries = [entry for registry in REGISTRIES.values() for entry in registry]
    texts = [text for entry in entries if (text := str(getattr(entry.cls, "equation", "") or ""))]
    indices = [found[4] for text in texts for found in INDEX.finditer(text) if found[4]]
    assert len(indices) > 5
    assert [i for i in indices if not re.fullmatch(r"−?\d+|[a-zα-ωℓ]|[a-z]{3,}|[A-ZΑ-Ω]", i)] == []


def test_the_longest_symbol_wins_and_words_are_none():
    found = [(t.text, t.start) for t in tokens("‖J_T(x_k)‖ ≤ κᵏ for all R(x†) ∈ ran A*, if σ_{min} ≥ Lip(N)")]
    names = ["J_T", "x_k", "κ", "k", "R", "x†", "ran A*", "σ_min", "Lip", "N"]
    assert [text for text, _ in found] == names
    assert found[1] == ("x_k", 5)


def test_a_paper_keeps_its_letters():
    common, mol = (symbols_in("α < 1", paper)[0].term for paper in ("", "monotone operator learning"))
    assert (common, mol) == ("regularisation parameter", "step size of MOL")


def test_the_counterexample_is_written_in_the_letters_of_its_lesson():
    row = CounterexampleRow("example", 0.0, 0.0, 0.0, -1.0, 0.5, 1.0, "yes", 1.0, 1.0)
    text = " ".join(f"{g.statement} {g.reason}" for g in row.guarantees)
    symbols = {t.text: t.term for t in tokens(text, "monotone operator learning")}
    of_the_lesson = {symbol: term.paper for symbol, term in symbols.items() if term and term.paper}
    assert set("rbgh") <= set(of_the_lesson)
    assert not {"y", "G", "u", "v"} & set(symbols)
    lesson = (ROOT / "assets/lessons/monotone.md").read_text("utf-8")
    assert all(text in lesson for text in ("r(x) = ", "h = x - z", "g = F(z) - F(x)", "(Ax - b)"))


def test_a_symbol_within_a_formula_of_a_script_is_no_symbol_of_its_own():
    assert [t.text for t in tokens("x_{k+1} − κ^{k − 1}")] == ["x", "κ"]


@pytest.mark.parametrize(
    ("symbol", "text", "expected"),
    [
        ("κ", "κ = αL/(αβ + σ_min²) = 0.93, σ_min(A)² ≥ 0", "= 0.93"),
        ("κ", "κ ≤ 0.5 is all that is proved", "≤ 0.5"),
        ("c", "N is linear: c = 0.3 and L_R = 1.2 are eigenvalues", "= 0.3"),
        ("τ", "κ = max|1 − τ(λ + αβ)| + ταL = 0.9, τ = 1.8e-05", "= 1.8e-05"),
        ("L", "α = 1.2 is not below 2/(1 + L) = 1.1", ""),
        ("m", "no number here", ""),
    ],
)
def test_the_value_of_a_symbol_is_read_from_the_reason(symbol, text, expected):
    assert value(symbol, text) == expected


def test_a_link_needs_a_documentation(monkeypatch):
    kappa = symbols_in("κ < 1")[0]
    monkeypatch.delenv("DEQVIZ_DOCS", raising=False)
    assert address(kappa) is None
    monkeypatch.setenv("DEQVIZ_DOCS", "https://example.org/docs/")
    assert address(kappa) == "https://example.org/docs/glossary.html#contraction-factor"
