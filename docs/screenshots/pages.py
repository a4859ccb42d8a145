"""The pages of the app in the order of its bar: what they are called, and where they are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """`address` is the path of the URL, empty for the page that opens first."""

    title: str
    address: str


PAGES = (
    Page("Reconstruct", ""),
    Page("Compare", "compare"),
    Page("Batch", "batch"),
    Page("Convergence", "convergence"),
    Page("Noise", "noise"),
    Page("Robustness", "robustness"),
    Page("Training", "training"),
    Page("Unrolled", "unrolled"),
    Page("Deep prior", "deep_prior"),
    Page("Memory", "memory"),
    Page("Playground", "playground"),
    Page("Lessons", "lessons"),
    Page("About", "about"),
)
