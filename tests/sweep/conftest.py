"""What the tests of sweeps share."""

import pytest

from deqviz.sweep import measure, runner
from deqviz.sweep.row import Cell, Measured


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The cells that were run, in the order in which they were begun."""
    seen: list[str] = []
    real = measure.measure

    def counted(asked: Cell) -> Measured:
        seen.append(asked.id)
        return real(asked)

    monkeypatch.setattr(runner, "measure", counted)
    return seen
