"""Everything that somebody may send, at a server of its own on this machine: what is refused, what it costs.

    python benchmarks/attack.py [--quick] [--seed N] [--only GROUP] [--number N] [--json FILE]

Six groups, each made from the seed: addresses, files, more files than fit (hoards), what a browser says
(states), requests, and damaged files of a sweep, settings and cards (damage).

A try is refused, by a sentence of the page or the log, by a status below 500 or by the end of its connection;
or accepted; or it escapes: an exception on the page, a traceback in the log, a status of 500 or more, what is
no sentence, a file of the machine or of another visitor, or no answer. `--only GROUP --number N` makes one
again; `--quick` makes every tenth. After each group a bystander reconstructs an image, and all the while the
server is asked how it is, twenty times a second.
"""

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import websockets

from benchmarks import hostile
from benchmarks.intruder import Intruder, intruder, token
from benchmarks.measure import ROOT, run, serving
from benchmarks.tour import Stop, tourist
from benchmarks.watch import PATIENCE, megabytes, watched
from deqviz.bench.rows import Row
from deqviz.ui.pages import PAGES
from deqviz.ui.shell import intake

COUNTS = {"addresses": 300, "files": 150, "hoards": 3, "states": 300, "requests": 800, "damage": 1000}
"""Tries of each group."""
LIMITS = {"DEQVIZ_SIDE": "128", "DEQVIZ_ITERATIONS": "300", "DEQVIZ_SECONDS": "60"}
BYSTANDER = Stop("", "size=48&method=tv&iterations=30")
TRACEBACK = "Traceback (most recent call last)"
LARGEST = 200 * 2**20
"""Bytes of an upload, as .streamlit/config.toml has it."""
LONGEST = 1000
"""Letters of a sentence."""


class Outcome(NamedTuple):
    """What became of a try, and in which words."""

    what: Literal["refused", "accepted", "escaped"]
    text: str = ""


# ---------------------------------------------------------------- the server's log


class Log:
    """What the server printed."""

    def __init__(self, path: Path) -> None:
        self.path, self._read = path, 0

    def more(self) -> str:
        """What came since it was last asked."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        self._read += len(data)
        return data.decode("utf-8", "replace")


# ---------------------------------------------------------------- the tries


@dataclass(frozen=True)
class Target:
    """The server that is attacked."""

    port: int
    token: str
    seed: int


async def addresses(at: Target, number: int) -> Outcome:
    """A page is opened from a spoiled address."""
    async with intruder(at.port) as one:
        await one.visit(hostile.address(hostile.random_of(at.seed, "addresses", number)))
        return _answer_of(one)


async def files(at: Target, number: int) -> Outcome:
    """A file is put where a page takes one."""
    draw = hostile.random_of(at.seed, "files", number)
    file = hostile.file(draw, number)
    page, box = hostile.box(draw, file)
    place = Stop(page, "size=48&method=baseline" if page == "" else "")
    async with intruder(at.port) as one:
        await one.visit(place)
        widget = one.uploaders[box]
        status = await one.put(file)
        if status >= 400:
            return Outcome("refused" if status < 500 else "escaped", f"{status} to the put")
        await one.pick(widget, file, one.place)
        await one.look()
        outcome = _answer_of(one)
        if one.refusals and draw.random() < 0.2:
            async with intruder(at.port) as other:
                await other.visit(place)
                await other.pick(widget, file, one.place)
                if other.refusals:
                    return Outcome("escaped", "the file of one visitor was read for another")
    return outcome


async def hoards(at: Target, number: int) -> Outcome:
    """One tab sends more files than the server keeps of one: the last ones are not taken."""
    file = hostile.File("a.png", hostile.random_of(at.seed, "hoards", number).randbytes(hostile.HOARD))
    async with intruder(at.port) as one:
        await one.visit(Stop("", "size=48&method=baseline"))
        most = intake.SHARE * LARGEST // hostile.HOARD
        answers = [await one.put(file) for _ in range(most + 2)]
    is_bounded = answers[0] < 300 and answers[-1] == 413
    return Outcome("refused") if is_bounded else Outcome("escaped", f"status {answers[0]} to {answers[-1]}")


async def states(at: Target, number: int) -> Outcome:
    """A browser sends states, commands and frames that no page of ours makes."""
    draw = hostile.random_of(at.seed, "states", number)
    kind = draw.choice(("states", "commands", "frames"))
    async with intruder(at.port) as one:
        await one.visit(Stop(draw.choice(PAGES).address, ""))
        for _ in range(3):
            message = one.message(draw.choice(("", *one.fragments)))
            match kind:
                case "states":
                    for widget in draw.sample(sorted(one.kinds), min(len(one.kinds), 8)):
                        hostile.forge(message.rerun_script.widget_states.widgets.add(id=widget), draw)
                    await one.send(message)
                case "commands":
                    for widget in (id for id, kind in one.kinds.items() if kind == "bidi_component"):
                        state = message.rerun_script.widget_states.widgets.add()
                        state.id = f"$$STREAMLIT_INTERNAL_KEY_{widget}__events"
                        state.json_trigger_value = hostile.triggers(draw, one.runs)
                    await one.send(message)
                case _:
                    await one.raw(hostile.frame(message, draw))
                    # Many of these have no answer; that the next question has one is what counts.
                    await asyncio.sleep(0.1)
                    if not one.is_closed:
                        await one.run()
            if one.is_closed:
                return Outcome("refused", "the connection was ended")
        return _answer_of(one)


async def requests(at: Target, number: int) -> Outcome:
    """A request over a socket of its own."""
    draw = hostile.random_of(at.seed, "requests", number)
    request = hostile.request(draw, f"127.0.0.1:{at.port}", at.token)
    answer = await asyncio.to_thread(_answer, at.port, request)
    if answer is None:
        return Outcome("escaped" if request.is_whole else "refused", "no answer")
    if not answer:
        return Outcome("refused", "the connection was ended")
    head = answer.split(b"\r\n", 1)[0].decode("latin-1")
    status = int(head.split()[1]) if head.startswith("HTTP/1.1 ") else 999
    if status not in request.statuses or any(secret in answer for secret in hostile.SECRETS):
        return Outcome("escaped", f"{head} to {request.data[:200]!r}")
    return Outcome("refused" if status >= 400 else "accepted", head)


def _answer(port: int, request: hostile.Request) -> bytes | None:
    """What comes back, up to a megabyte; nothing where the server hangs up, None where it waits."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as wire, suppress(ConnectionError):
        with suppress(ConnectionError):  # it has heard enough; what it said of it may be there
            wire.sendall(request.data)
        wire.settimeout(PATIENCE if request.is_whole else 1.0)
        try:
            while len(answer) < 2**20 and (part := wire.recv(2**16)):
                answer += part
                if answer.startswith(b"HTTP/1.1 101"):
                    break
        except TimeoutError:
            return answer or None
    return answer


def _answer_of(one: Intruder) -> Outcome:
    """What the page made of it."""
    if one.errors:
        return Outcome("escaped", one.errors[0])
    for text in (*one.refusals, *one.notes):
        if not is_sentence(text):
            return Outcome("escaped", f"no sentence: {text!r:.300}")
    return Outcome("refused", one.refusals[0]) if one.refusals else Outcome("accepted")


def is_sentence(text: str) -> bool:
    """Whether a person can read it."""
    plain = text.replace("\u2060", "")  # which parts addresses, so that they are no links
    lines = plain.split("\n")
    is_short = len(text) <= LONGEST and "Traceback" not in text
    return is_short and plain.endswith((".", ".)")) and all(map(str.isprintable, lines))


GROUPS = {one.__name__: one for one in (addresses, files, hoards, states, requests)}


async def _tried(group: str, at: Target, number: int, log: Log) -> Outcome:
    """One try, and what the log said of it."""
    try:
        outcome = await GROUPS[group](at, number)
    except TimeoutError:
        outcome = Outcome("escaped", f"no answer within {PATIENCE:g} s")
    except (OSError, websockets.WebSocketException) as error:
        outcome = Outcome("escaped", f"{type(error).__name__}: {error}")
    printed = log.more()
    if TRACEBACK in printed:
        return Outcome("escaped", f"a traceback in the log: {printed[printed.index(TRACEBACK) :][-400:]}")
    if outcome.what == "accepted" and printed.strip():
        return Outcome("refused", printed.strip().splitlines()[0])
    return outcome


def damage(seed: int, numbers: list[int]) -> Iterator[tuple[int, Outcome] | float]:
    """What reading damaged files did, in processes that are begun again after one that broke."""
    rest = list(numbers)
    while rest:
        command = [sys.executable, "-m", "benchmarks.damaged", str(seed), *map(str, rest)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            found = json.loads(line)
            if "peak" in found:
                yield found["peak"]
                continue
            rest.remove(found["number"])
            what, text = found["what"], f"{found['kind']}: {found['text']}"
            if what == "refused" and not is_sentence(text):
                what = "escaped, no sentence"
            short = what if what in ("refused", "accepted") else "escaped"
            yield found["number"], Outcome(short, text if short == what else f"{what}: {text}")
        if done.returncode and rest:
            broken = f"the process ended: {done.returncode} {done.stderr[-300:]}"
            yield rest.pop(0), Outcome("escaped", broken)


async def _bystander(port: int) -> str:
    """What went wrong with somebody who means well; nothing where all went well."""
    async with tourist(port) as one:
        await one.open(BYSTANDER, 120)
        return "; ".join(one.errors) or ("" if one.state == "done" else f"ended as {one.state!r}")


# ---------------------------------------------------------------- the table


def rows(quick: bool, seed: int, only: str, number: int) -> Iterator[Row]:
    """What became of the tries of each group, then what the server went through."""
    numbers = {
        group: [number] if number >= 0 else list(range(0, count, 10 if quick else 1))
        for group, count in COUNTS.items()
        if only in group
    }
    kept = tempfile.NamedTemporaryFile(prefix="deqviz-attack-", suffix=".log", delete=False)  # noqa: SIM115
    log, failures = Log(Path(kept.name)), list[str]()
    with serving(log=kept, **LIMITS) as (port, pid):
        at = Target(port, token(port), seed)
        for n in numbers.get("files", ()):  # made before anybody looks at the clock
            hostile.file(hostile.random_of(seed, "files", n), n)
        failures += [asyncio.run(_bystander(port))]
        log.more()
        with watched(port, pid) as watch:
            for group, tries in numbers.items():
                found = _damage(seed, tries) if group == "damage" else _group(group, at, tries, log)
                start = len(watch.waits)
                yield from found
                yield Row(f"{group}: longest answer of health", max(watch.waits[start:], default=0.0), "s")
                failures += [asyncio.run(_bystander(port))]
        for text in filter(None, failures):
            print(f"bystander: {text}", file=sys.stderr)
        yield Row("the server's highest memory", megabytes(pid, "VmHWM"), "MB", 2000, "at most")
        yield Row("its readers' highest memory", watch.readers, "MB", 2500, "at most")
        yield Row("the longest answer of /_stcore/health", max(watch.waits), "s", 1.0, "at most")
        yield Row("questions to it without an answer", watch.unanswered, "", 0, "at most")
        yield Row("reconstructions of a bystander", len(failures), "")
        yield Row("reconstructions of a bystander that failed", sum(map(bool, failures)), "", 0, "at most")
        count = log.path.read_text("utf-8", "replace").count(TRACEBACK)
        yield Row("tracebacks in the log", count, "", 0, "at most")
        print(f"the log: {log.path}", file=sys.stderr)


def _group(group: str, at: Target, numbers: list[int], log: Log) -> Iterator[Row]:
    async def all_of_them() -> list[Outcome]:
        return [_reported(group, at.seed, n, await _tried(group, at, n, log)) for n in numbers]

    yield from _counted(group, asyncio.run(all_of_them()))


def _damage(seed: int, numbers: list[int]) -> Iterator[Row]:
    outcomes, peaks = list[Outcome](), [0.0]
    for found in damage(seed, numbers):
        if isinstance(found, float):
            peaks.append(found)
        else:
            outcomes.append(_reported("damage", seed, *found))
    yield from _counted("damage", outcomes)
    yield Row("highest memory of the process that reads the damaged ones", max(peaks), "MB")


def _reported(group: str, seed: int, number: int, outcome: Outcome) -> Outcome:
    """Tell of an escape, and how it is made again."""
    if outcome.what == "escaped":
        again = f"--seed {seed} --only {group} --number {number}"
        print(f"{again}\n    {outcome.text}", file=sys.stderr, flush=True)
    return outcome


def _counted(group: str, outcomes: list[Outcome]) -> Iterator[Row]:
    counts = Counter(outcome.what for outcome in outcomes)
    yield Row(f"{group}: tried", len(outcomes), "")
    yield Row(f"{group}: refused", counts["refused"], "")
    yield Row(f"{group}: accepted", counts["accepted"], "")
    yield Row(f"{group}: escaped", counts["escaped"], "", 0, "at most")


if __name__ == "__main__":
    sys.exit(run(rows, __doc__, quick=False, seed=1, only="", number=-1))
