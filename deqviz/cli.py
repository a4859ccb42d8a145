"""The command `deqviz`: serve the app, train the weights, print the measured tables, run a batch."""

import difflib
import os
import sys
from collections.abc import Callable, Sequence

from deqviz import __version__
from deqviz.resources import APP

USAGE = """\
usage: deqviz COMMAND [...]

  deqviz app [--server.port N ...]          serve the app; further options are Streamlit's
  deqviz train RECIPE --data FOLDER [...]   train weights; `deqviz train --help` lists the recipes
  deqviz bench SUITE [...]                  print a measured table; `deqviz bench --help` lists the suites
  deqviz sweep FILE.toml [...]              run a batch into a Parquet table; `deqviz sweep --help` says more
  deqviz --version
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; 2 means that it was not understood.

    Nothing heavy is imported before the command is known, so that help is instant.
    """
    # Before torch is imported; app.py says why.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    arguments = list(sys.argv[1:] if argv is None else argv)
    match arguments:
        case [] | ["-h" | "--help" | "help"]:
            print(USAGE, end="")
            return 0
        case ["-V" | "--version"]:
            print(f"deqviz {__version__}")
            return 0
        case [command, *rest] if command in _COMMANDS:
            return _COMMANDS[command](rest)
        case _:
            command = arguments[0]
            near = difflib.get_close_matches(command, _COMMANDS, n=1)
            hint = f" Did you mean `deqviz {near[0]}`?" if near else ""
            print(f"deqviz: there is no command {command!r}.{hint}\n\n{USAGE}", end="", file=sys.stderr)
            return 2


def _app(rest: list[str]) -> int:
    if not APP.is_file():
        print(
            f"deqviz: {APP} is missing. The app runs from its repository: clone it, then `make app` there.",
            file=sys.stderr,
        )
        return 1
    # The app itself would only say it to its first visitor. Nobody waits for torch where nothing is set.
    if any(name.startswith("DEQVIZ_") for name in os.environ):
        from deqviz.ui.limits import limits

        try:
            limits()
        except ValueError as error:
            print(f"deqviz: {error}", file=sys.stderr)
            return 2
    from streamlit.web import cli

    return _status(lambda: cli.main(["run", str(APP), *rest], prog_name="streamlit"))


def _train(rest: list[str]) -> int:
    from deqviz.training.__main__ import main as train

    return _status(lambda: train(rest))


def _bench(rest: list[str]) -> int:
    from deqviz.bench import main as bench

    return _status(lambda: bench(rest))


def _sweep(rest: list[str]) -> int:
    from deqviz.sweep.command import main as sweep

    return _status(lambda: sweep(rest))


def _status(run: Callable[[], object]) -> int:
    """The status of a command, whether it returns one, returns nothing or exits by itself."""
    try:
        code = run()
    except SystemExit as stop:
        code = stop.code
    except KeyboardInterrupt:
        return 130
    if isinstance(code, str):
        print(code, file=sys.stderr)
        return 1
    return code if isinstance(code, int) else 0


_COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "app": _app,
    "train": _train,
    "bench": _bench,
    "sweep": _sweep,
}
