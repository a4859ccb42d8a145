"""The pages, one folder each: the table that the bar, tests, screenshots and documentation read.

A page is one row here and one folder beside, whose module `page` has a function `render`.
"""

from dataclasses import dataclass
from importlib import import_module

import streamlit as st


@dataclass(frozen=True)
class PageEntry:
    """One page: its folder and address, its title in the bar, and what one does there in a sentence."""

    name: str
    title: str
    summary: str

    @property
    def address(self) -> str:
        """The last part of its URL; empty for the first page, which opens by itself."""
        return "" if self is PAGES[0] else self.name

    def render(self) -> None:
        """Draw the page; it is imported when somebody opens it for the first time."""
        import_module(f"{__name__}.{self.name}.page").render()

    def link(self) -> st.Page:
        """The page as `st.navigation` and `st.page_link` take it."""
        return st.Page(self.render, title=self.title, url_path=self.name, default=self is PAGES[0])


PAGES = (
    PageEntry(
        "reconstruct", "Reconstruct", "One image, one degradation, one method, live with its guarantees"
    ),
    PageEntry("compare", "Compare", "Two to six methods on the same measurements, side by side"),
    PageEntry("batch", "Batch", "Grids of images, operators, noise levels and methods into one table"),
    PageEntry(
        "convergence", "Convergence", "Uniqueness of the limit, rates of convergence, monotone operators"
    ),
    PageEntry(
        "noise", "Noise", "Convergence as the noise vanishes: stability, rates, two-sided error bounds"
    ),
    PageEntry("robustness", "Robustness", "Adversarial perturbations against certified Lipschitz bounds"),
    PageEntry("training", "Training", "Losses and architectures of an equilibrium, trained live"),
    PageEntry("unrolled", "Unrolled", "Unrolled networks with descending constraints, layer by layer"),
    PageEntry(
        "deep_prior", "Deep prior", "The overparametrised deep inverse prior: widths, rates, early stopping"
    ),
    PageEntry("memory", "Memory", "Activation memory of unrolled and equilibrium training"),
    PageEntry("playground", "Playground", "The equilibrium equation in the plane, moved by hand"),
    PageEntry("lessons", "Lessons", "Eight guided experiments with a question that the data answer"),
    PageEntry("about", "About", "Versions, licences, references and what is installed"),
)


def entry(name: str) -> PageEntry:
    """The page of this name; raises KeyError where there is none."""
    return {page.name: page for page in PAGES}[name]
