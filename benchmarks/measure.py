"""What the measurements have in common: the server, the closing table, the scripts that run in the page."""

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deqviz.bench.rows import Row, report

ROOT = Path(__file__).parents[1]


def run(rows: Callable[..., Iterator[Row]], description: str | None, **defaults: float | str | bool) -> int:
    """Print the rows as they come, write them where `--json` says; 1 when a target is missed.

    `defaults` are options with their defaults, which `rows` is called with; False is one of a switch.
    """
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=formatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to this file")
    for name, value in defaults.items():
        if value is False:
            parser.add_argument(f"--{name}", action="store_true")
        else:
            parser.add_argument(f"--{name}", type=type(value), default=value, help=f"({value})")
    options = vars(parser.parse_args())
    file = options.pop("json")
    return report(rows(**options), file)


def _free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextmanager
def serving(
    *options: str, log: IO[bytes] | int = subprocess.DEVNULL, **environment: str
) -> Iterator[tuple[int, int]]:
    """The port and the process of a `deqviz app` with these options of Streamlit's."""
    port = _free_port()
    server = _started(port, options, log, environment)
    try:
        yield port, server.pid
    finally:
        server.terminate()
        server.wait(10)


def met(errors: Sequence[str]) -> Row:
    """How many errors visitors met, of which there should be none; the first are printed."""
    for text in errors[:10]:
        print(text, file=sys.stderr)
    return Row("errors", len(errors), "", 0, "at most")


def _started(
    port: int, options: Sequence[str], log: IO[bytes] | int, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """The server, once it answers."""
    command = [sys.executable, "-c", "import sys, deqviz.cli; sys.exit(deqviz.cli.main())", "app"]
    process = subprocess.Popen(
        [*command, "--server.port", str(port), "--server.address", "127.0.0.1", *options],
        cwd=ROOT,
        stdout=log,
        stderr=log,
        env={**os.environ, **environment},
    )
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).read()
        except OSError:
            time.sleep(0.05)
        else:
            return process
    process.kill()
    raise SystemExit("the server did not answer within 30 s")


# the first iterate is on its canvas, which is one pixel wide until then
PAINTED = "() => document.querySelector('[data-panel=iterate] canvas')?.width > 1"

# whether a chart shows its line; the charts are drawn for the first time one after the other
LINED = """name => Boolean(document.querySelector(
  `.dqv[data-painted] [data-chart=${name}] .scatterlayer path.js-line`)?.getAttribute('d'))"""

# every chart has been drawn for the first time: from here on none may ever be blank
DRAWN = f"() => ['residual', 'quality', 'path'].every({LINED})"

# painted updates in each second, and how often a chart stood without its line in an animation frame
WATCH = (
    """async seconds => {
  const root = document.querySelector('.dqv[data-painted]'), rates = [], start = +root.dataset.painted;
  const lined = """
    + LINED
    + """;
  let frames = 0, last = [performance.now(), start];
  const blank = [], end = last[0] + 1000 * seconds;
  while (performance.now() < end) {
    await new Promise(requestAnimationFrame);
    frames++;
    blank.push(...['residual', 'quality', 'path'].filter(name => !lined(name)));
    const now = performance.now();
    if (now - last[0] >= 1000) {
      rates.push((+root.dataset.painted - last[1]) * 1000 / (now - last[0]));
      last = [now, +root.dataset.painted];
    }
  }
  return { blank, frames, rates, painted: +root.dataset.painted - start };
}"""
)

# from the click to the last change of the picture before the server has answered
PAUSE = """async () => {
  const root = document.querySelector('.dqv[data-painted]'), button = root.querySelector('.dqv-primary');
  const start = performance.now();
  button.click();
  let last = performance.now() - start, k = root.dataset.k;
  if (!button.textContent.includes('Play')) return 1e9;
  while (root.dataset.state === 'running' && performance.now() - start < 3000) {
    await new Promise(requestAnimationFrame);
    if (root.dataset.state !== 'running' || root.dataset.k === k) continue;
    k = root.dataset.k;
    last = performance.now() - start;
  }
  return last;
}"""

SCRUB = """async () => {
  const root = document.querySelector('.dqv[data-painted]'), range = root.querySelector('input[type=range]');
  const times = []; window.seen = [];
  range.focus();
  for (let i = 0; i < 25; i++) {
    const start = performance.now();
    range.value = (i * 17) % 60;
    range.dispatchEvent(new Event('input', { bubbles: true }));
    await new Promise(requestAnimationFrame);
    await new Promise(done => setTimeout(done));
    times.push(performance.now() - start);
    window.seen.push(root.dataset.k);
  }
  return times;
}"""
