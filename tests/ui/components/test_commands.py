"""Commands of a tab: each is acted on once, whatever numbers came before."""

from types import SimpleNamespace

import pytest

from deqviz.ui.components import commands
from deqviz.ui.components.board.protocol import parse_commands

LARGEST = 2**53 - 1


class Tab:
    """A session with a board."""

    def __init__(self) -> None:
        self.session: dict[str, object] = {}

    def __call__(self, *numbers: int) -> list[int]:
        """Send commands of these numbers; those of them that are acted on."""
        acted: list[int] = []
        sent = [{"name": "pause", "run": "r", "number": number} for number in numbers]
        self.session["board"] = {"command": {"commands": sent}}
        commands.hear("board", parse_commands, lambda command: acted.append(command.number))
        return acted


@pytest.fixture
def tab(monkeypatch) -> Tab:
    one = Tab()
    monkeypatch.setattr(commands, "st", SimpleNamespace(session_state=one.session))
    return one


def test_each_is_acted_on_once_and_in_order(tab):
    assert tab(7, 5) == [5, 7]
    assert commands.acknowledged("board") == 7
    assert tab(5, 7, 9) == [9]
    assert tab(9) == []


@pytest.mark.parametrize("number", [LARGEST, LARGEST - 1, 10**15, 1])
def test_no_number_makes_the_tab_deaf(tab, number):
    now = 1_700_000_000_000
    assert tab(now) == [now]
    assert tab(number) == [number]
    assert tab(now + 1) == [now + 1]
    assert commands.acknowledged("board") == now + 1, "or the browser would not stop to send it"


def test_what_is_remembered_is_bounded(tab):
    for number in range(1, 3 * commands.REMEMBERED):
        tab(number)
    assert len(commands._heard("board")) == commands.REMEMBERED


@pytest.mark.parametrize("state", [None, 5, "pause", [], {"command": 5}, {"command": {"commands": 5}}])
def test_what_is_no_list_of_commands_is_nothing(tab, state):
    tab.session["board"] = state
    commands.hear("board", parse_commands, lambda command: pytest.fail("acted on"))
    assert commands.acknowledged("board") == 0
