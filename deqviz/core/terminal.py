"""What commands read from a terminal and write to it: nonsense is answered in one sentence."""

import argparse
import contextlib
import math
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from deqviz.core.quoted import brief, clipped, printable, quoted


class Parser(argparse.ArgumentParser):
    """argparse, whose messages quote a long argument by its ends and print no control characters."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message; the exit status is 2."""
        super().error(clipped(printable(message), 600))


def say(text: str, *, is_result: bool = False) -> None:
    """One line on stderr, or on stdout; what the terminal cannot write is written as its code."""
    stream = sys.stdout if is_result else sys.stderr
    encoding = stream.encoding or "utf-8"
    stream.write(printable(text).encode(encoding, "backslashreplace").decode(encoding) + "\n")


def shown(text: str, command: str) -> bool:
    """Whether a text could be printed on stdout as it is; if not, the command has said why."""
    try:
        print(text, end="", flush=True)  # noqa: T201 — what somebody asked for
    except OSError as error:
        say(f"{command}: {unheard(error)}")
        return False
    return True


def unheard(error: OSError) -> str:
    """Why results cannot be printed: a full disk behind stdout, or a pipe that nobody reads to its end.

    What is still waiting to be written goes nowhere: Python would fail of it once more when it ends.
    """
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return f"The results cannot be printed: {because(error)}."


def because(error: OSError) -> str:
    """What the system says of a file, without the number and the name that Python adds."""
    return error.strerror or brief(error)


def whole(low: int, high: int) -> Callable[[str], int]:
    """An argument that is a whole number of a range."""

    def parsed(text: str) -> int:
        try:
            value = int(text)
        except ValueError:  # also of thousands of digits
            raise argparse.ArgumentTypeError(f"{quoted(text)} is no whole number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{quoted(value)} is not in {low} … {high}")
        return value

    return parsed


def duration(text: str) -> float:
    """An argument that is a length of time, inf included."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is no length of time")
    return value
