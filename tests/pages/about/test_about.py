"""The About page: its facts are read from where they are kept, and can be searched."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from playwright.sync_api import expect
from streamlit.testing.v1 import AppTest

import deqviz
from deqviz import domain
from deqviz.core.registry import REGISTRIES
from deqviz.networks import _weights
from deqviz.networks._weights import cards
from deqviz.regularizers.contractive import denoiser_lipschitz
from deqviz.resources import PRETRAINED
from deqviz.ui.pages.about import facts
from tests.pages.journey import APP, check_looks, move_away, switch
from tests.pages.reconstruct.test_page import opened, settle
from tests.places import PATIENCE


def test_every_entry_is_told_with_what_it_is():
    for kind in facts.kinds():
        parts = facts.parts(kind)
        assert [part.key for part in parts] == list(REGISTRIES[kind].keys())
        assert all(part.summary.endswith(".") for part in parts)
    methods = {part.key: part for part in facts.parts("method")}
    assert methods["equilibrium"].equation == "A*(Ax − y) + αR(x) = 0"
    assert methods["equilibrium"].source.startswith("Obmann and Haltmeier, 2023, arXiv 2306.01421")
    assert set(facts.kinds()) == set(REGISTRIES)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A thing.\n\nIt works. Tikhonov, 1963.", "Tikhonov, 1963."),
        ("A thing (Krasnoselskii, 1955; Mann, 1953). More.", "Krasnoselskii, 1955; Mann, 1953."),
        ("A thing of 2306.01421 parts.", ""),
        ("", ""),
    ],
)
def test_sources_are_the_sentences_with_a_year(text: str, found: str):
    assert facts.source(text) == found


def test_every_card_and_picture_is_there():
    weights = facts.weights()
    assert [one.card.key for one in weights] == [card.key for card in cards()]
    assert all(one.size and one.size > 0 for one in weights)
    strict = next(one for one in weights if one.card.key == "mol_sn")
    assert strict.constants.startswith("lipschitz ≤ 0.9")
    titles = {source.file: source for source in facts.pictures()}
    assert titles["camera.png"].licence == "CC0"
    assert titles["head.png"].author.startswith("Louis Collins")
    assert "phantom" in titles


def test_the_citation_is_that_of_the_file(tmp_path: Path):
    fields = facts.citation()
    assert fields["version"] == deqviz.__version__
    assert facts.cited(fields).startswith("DEQViz developers")
    text = facts.bibtex(fields)
    assert text.startswith("@software{deqviz,")
    assert text.count("{") == text.count("}")
    path = tmp_path / "CITATION.cff"
    path.write_text("title: X\nversion: 1\nauthors:\n  - name: A\n  - name: B\ndate-released: 2026-01-02\n")
    assert facts.cited(facts.citation(path)) == "A and B (2026). X. Version 1."
    path.write_text("title: X\n")
    with pytest.raises(ValueError, match="no version"):
        facts.citation(path)
    with pytest.raises(ValueError, match="cannot be read"):
        facts.citation(tmp_path / "none.cff")


def shown(at: AppTest) -> str:
    return " ".join(e.proto.body for e in at.get("html"))


def test_the_tables_are_searched():
    at = switch(AppTest.from_file(APP, default_timeout=PATIENCE), "about").run()
    assert not at.exception, at.exception
    assert all(f"<code>{card.key}</code>" in shown(at) for card in cards())
    at.text_input(key="about.search").set_value("obmann").run()
    assert "<code>equilibrium</code>" in shown(at)
    assert "<code>tikhonov</code>" not in shown(at)
    at.text_input(key="about.search").set_value("<script>alert(1)</script>").run()
    assert not at.exception
    assert "<code>equilibrium</code>" not in shown(at)
    assert "no entry contains “&lt;script&gt;" in shown(at)


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Shipped weights of which one card promises half of the constant that its network has."""
    shutil.copytree(PRETRAINED, tmp_path / "pretrained")
    file = tmp_path / "pretrained" / "contractive.json"
    file.write_text(file.read_text().replace('"lipschitz": 1.0', '"lipschitz": 0.5'))
    monkeypatch.setattr(_weights, "PRETRAINED", tmp_path / "pretrained")
    kept = (_weights._load, domain._use, denoiser_lipschitz)
    for cache in kept:
        cache.cache_clear()
    yield
    st.cache_data.clear()
    for cache in kept:
        cache.cache_clear()


def test_an_edited_card_is_told_and_lights_no_theorem(edited: None):
    st.cache_data.clear()
    at = switch(AppTest.from_file(APP, default_timeout=PATIENCE), "about").run()
    assert not at.exception, at.exception
    (warning,) = at.warning
    assert "contractive.json was changed after it was written. Restore the file" in warning.value
    assert "<strong>1-Lipschitz, trained by the range</strong>" in shown(at)
    assert "<strong>1-Lipschitz denoiser</strong>" not in shown(at)
    query = {"method": "equilibrium", "method.regularizer": "contractive"}
    at = settle(opened(query))
    job = at.session_state.job
    assert job.state == "failed"
    assert "contractive.json was changed after it was written" in job.snapshot().message
    assert not [g for g in job.guarantees() if g.status == "certified"]


@pytest.mark.browser
def test_every_tab_can_be_read(visit):
    page = visit("about", width=900, theme="dark")
    expect(page.get_by_role("tab")).to_have_count(5)
    for name in ("Methods", "Weights", "Images", "This installation", "Cite and licence"):
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
        move_away(page)
        check_looks(page)
