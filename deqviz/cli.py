"""The command `deqviz`: serve the app, train the weights, print the measured tables, run a batch."""

import difflib
import json
import os
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deqviz import __version__
from deqviz.core.quoted import quoted
from deqviz.core.terminal import say, shown
from deqviz.resources import APP, SETTINGS

USAGE = """\
usage: deqviz COMMAND [...]

  deqviz app [--server.port N ...]          serve the app, to this machine alone unless told otherwise
  deqviz sweep FILE.toml [...]              run a batch into a Parquet table
  deqviz train RECIPE --data FOLDER [...]   train the weights of one network
  deqviz bench SUITE [...]                  print a measured table
  deqviz --version

`deqviz COMMAND --help` says more of each.
"""

APP_USAGE = """\
usage: deqviz app [--server.port N] [--server.address HOST] [...]

Serve the app and print the address to open in a browser. Ctrl-C stops it.

options, of Streamlit's those that people need:
  --server.port N            the port (8501)
  --server.address HOST      whom to serve (127.0.0.1: this machine alone); 0.0.0.0 is
                             everybody who reaches it, without accounts
  --server.allowedHosts NAME a name of this server besides localhost, its own name and
                             its addresses: other names get 403
  --server.baseUrlPath PATH  where the app is below the address of a proxy
  --server.maxUploadSize MB  the largest upload (200)

environment, what one visitor may ask of this server (docs/deploy.md):
  DEQVIZ_SLOTS       visitors who compute at a time (4)
  DEQVIZ_LEASE       seconds until a slot goes to the next in line (10)
  DEQVIZ_QUEUE       visitors computing and waiting (100)
  DEQVIZ_RUNS        runs that one visitor may have going on (24)
  DEQVIZ_SECONDS     seconds of computing that one run may take (3600)
  DEQVIZ_SIDE        pixels along the longer side of an image (512)
  DEQVIZ_ITERATIONS  iterations of one run (20000)
  DEQVIZ_DOCS        address of the documentation, for links in notes on symbols (none)
  OMP_NUM_THREADS    threads that torch may use (as many as there are cores)

Every option of Streamlit can be given: here, in the environment (such as
STREAMLIT_SERVER_PORT), or in ~/.streamlit/config.toml. It overrules what DEQViz
sets, its theme included. `streamlit run --help` lists them.
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
            return 0 if shown(USAGE, "deqviz") else 1
        case ["-V" | "--version"]:
            return 0 if shown(f"deqviz {__version__}\n", "deqviz") else 1
        case [command, *rest] if command in _COMMANDS:
            return _COMMANDS[command](rest)
        case _:
            command = arguments[0]
            near = difflib.get_close_matches(command, _COMMANDS, n=1)
            hint = f" Did you mean `deqviz {near[0]}`?" if near else ""
            say(f"deqviz: there is no command {quoted(command)}.{hint}")
            print(f"\n{USAGE}", end="", file=sys.stderr)
            return 2


def _app(rest: list[str]) -> int:
    if {"-h", "--help"} & set(rest):
        return 0 if shown(APP_USAGE, "deqviz") else 1
    if not APP.is_file():
        say(f"deqviz: {APP} is missing: install deqviz again.")
        return 1
    try:
        Path.cwd()
    except OSError:
        say("deqviz: the folder that this is started in is gone: change to another one.")
        return 1
    # The app itself would only say it to its first visitor. Nobody waits for torch where nothing is set.
    if any(name.startswith("DEQVIZ_") for name in os.environ):
        from deqviz.runtime.limits import limits

        try:
            limits()
        except ValueError as error:
            say(f"deqviz: {error}")
            return 2
    from streamlit import config
    from streamlit.web import cli

    import deqviz.ui.shell.server  # noqa: F401 — before a greeting of Streamlit's, which would ask another machine

    own = {"run": _settings()}
    with _ended_by_signals():
        try:
            return _status(lambda: cli.main(["run", str(APP), *rest], prog_name="streamlit", default_map=own))
        except OverflowError:  # of the socket: Streamlit takes any whole number
            if 0 <= (port := config.get_option("server.port")) <= 65535:
                raise
            say(f"deqviz: there is no port {quoted(port)}: --server.port is 0 … 65535.")
            return 2


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Ctrl-C and SIGTERM end a command as if it were done: the server hands them on once it has stopped."""
    before = {one: signal.signal(one, lambda *_: sys.exit(0)) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _settings() -> dict[str, object]:
    """DEQViz's settings of Streamlit by the names of its flags, but for those that a user's files have.

    They are the defaults of the flags: a flag or a STREAMLIT_ variable that is given overrules them. Beside
    the app Streamlit would find the file by itself, but let it overrule the user's own ~/.streamlit.
    """
    folders = (Path.home(), Path.cwd())
    user_keys = {key for folder in folders for key in _options(folder / ".streamlit" / "config.toml")}
    own = {key: value for key, value in _options(SETTINGS).items() if key not in user_keys}
    # A flag takes a list as JSON.
    return {
        key.replace(".", "_"): json.dumps(value) if isinstance(value, list) else value
        for key, value in own.items()
    }


def _options(file: Path) -> dict[str, object]:
    """What a file sets, by keys such as "theme.light.textColor"; nothing if it cannot be read."""
    try:
        todo = list(tomllib.loads(file.read_text(encoding="utf-8")).items())
    except (OSError, ValueError, RecursionError):  # Streamlit itself says what is wrong with it
        return {}
    options: dict[str, object] = {}
    while todo:
        key, value = todo.pop()
        if isinstance(value, dict):
            todo += [(f"{key}.{name}", part) for name, part in value.items()]
        else:
            options[key] = value
    return options


def _train(rest: list[str]) -> int:
    from deqviz.training.command import main as train

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
        say(code)
        return 1
    return code if isinstance(code, int) else 0


_COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "app": _app,
    "train": _train,
    "bench": _bench,
    "sweep": _sweep,
}
