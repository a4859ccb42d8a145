"""What all tests share."""

import functools
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from streamlit.components.v2 import manifest_scanner

from tests import annotations

# `make test` runs a process for each core. With a pool of threads in each of them, threads that wait for
# their turn spin on cores that others need, and a loop of small operations takes many times as long.
torch.set_num_threads(1)
annotations.install()

from deqviz.runtime import worker  # noqa: E402  # with its annotations checked

# Every run of an AppTest looks through all installed packages for components; none come while tests run.
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)

# The same examples at every run, and nothing that fails because the machine is slow.
# `pytest --hypothesis-profile search` looks for others.
steady = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}
settings.register_profile("search", **steady)
settings.register_profile("steady", **steady, max_examples=25, derandomize=True)
settings.load_profile("steady")

pytest_plugins = ["tests.browser"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, for at the end a core would wait for them.

    Those with a browser, then those here, which check types, build the documentation, call what users call.
    """
    with_browser = {item.path for item in items if item.get_closest_marker("browser")}
    here = Path(__file__).parent
    items.sort(key=lambda item: (item.path not in with_browser, item.path.parent != here))


def pytest_runtest_teardown() -> None:
    """End what a test leaves in this process's worker: it would go on computing beside the tests after it."""
    left = worker._worker
    for entry in list(left._entries) if left is not None else []:
        if not entry.task.is_over():
            entry.task.end("The test is over.")


def pytest_runtest_setup() -> None:
    torch.manual_seed(0)
    annotations.begin()
