"""Run one cell to its stop and measure it; a failure becomes a row that says so."""

import math
import time
from collections.abc import Generator, Iterator
from typing import TypeVar

import torch

from deqviz import __version__
from deqviz.core.guarantee import Guarantee
from deqviz.core.metrics import no_ssim, psnr, ssim
from deqviz.core.quoted import brief, capitalised
from deqviz.core.records import Evidence, Iterate, Method, Problem, Scalars
from deqviz.core.space import Image
from deqviz.core.stopping_rule import StoppingRule, exhausted
from deqviz.sweep.row import Cell, Measured, State, label

T = TypeVar("T")


def measure(cell: Cell) -> Measured:
    """The row of one cell, on one thread; never raises for what the cell asks.

    Module-level and of plain arguments, so that any process can be sent it.
    """
    torch.set_num_threads(1)
    return _end(measuring(cell))


def _end(work: Generator[int, None, T]) -> T:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


@torch.no_grad()
def measuring(cell: Cell) -> Generator[int, None, Measured]:
    """The row of one cell as the return value; yields after every iteration, to be left at any time."""
    try:
        cell.keep_picture()
        problem, truth = cell.scenario.posed()
        if truth is None:
            raise ValueError("this k-space has gaps: there is no truth to compare with")
        method = cell.scenario.build_method()
        stream = method.iterates(problem)
        data = problem.operator.baseline(problem.data)
        last, state, reason, seconds = yield from _settling(cell, method, stream, problem.operator.image.size)
        row = _judged(cell, problem, truth, data, method, last, state, reason, seconds)
        # A method of a package may count in anything: no table could hold it, nor any other row then.
        return Measured.of(row.plain())
    except ValueError as error:
        return _row(cell, "refused", _sentence(error))
    except MemoryError:
        return _row(cell, "failed", "There was not enough memory.")
    except KeyboardInterrupt:  # of whoever watches, as far as anybody can tell
        raise
    except BaseException as error:  # a sweep of a night must not end at one cell
        # torch says of exhausted memory that it is a RuntimeError
        return _row(cell, "failed", _sentence(error, type(error).__name__))


def _settling(
    cell: Cell, method: Method, stream: Iterator[Iterate], entries: int
) -> Generator[int, None, tuple[Iterate, State, str, float]]:
    """The last iterate, how it ended, and the seconds that the iterates took."""
    scenario, seconds = cell.scenario, 0.0
    referee = StoppingRule(method.arrival(scenario.tolerance), entries)
    last: Iterate | None = None
    while True:
        begun = time.perf_counter()
        iterate = next(stream, None)
        if iterate is None:
            if last is None:
                raise ValueError("the method gives no image")
            return last, "ended", "", seconds
        mark = Scalars.of(iterate)
        seconds += time.perf_counter() - begun
        last = iterate
        if (verdict := referee.judge(mark)) is not None:
            if verdict[0] == "diverged":
                return last, "diverged", verdict[1], seconds
            return last, "arrived" if method.has_limit else "ended", "", seconds
        if last.k >= scenario.iterations:
            return last, "limit", exhausted(scenario.iterations, mark.residual), seconds
        yield last.k


def _judged(
    cell: Cell,
    problem: Problem,
    truth: Image,
    data: Image,
    method: Method,
    last: Iterate,
    state: State,
    reason: str,
    seconds: float,
) -> Measured:
    main = _main(method, problem, last)
    x = last.x if state != "diverged" else None
    reason = f"{reason} {no_ssim(truth)}".strip() if x is not None else reason
    return _row(
        cell,
        state,
        reason,
        level=_finite(problem.noise),
        psnr=None if x is None else _finite(psnr(x, truth)),
        ssim=None if x is None or (value := ssim(x, truth)) is None else _finite(value),
        data_psnr=_finite(psnr(data, truth)),
        residual=_finite(float(last.residual)),
        iterations=last.k,
        evaluations=last.evaluations,
        seconds=seconds,
        guarantee=main.name if main else "",
        status=main.claim if main else "",
    )


def _main(method: Method, problem: Problem, last: Iterate) -> Guarantee | None:
    """The theorem that a method is known by: uniqueness of its limit, or else the first that it states."""
    guarantees = method.guarantees(problem, Evidence((Scalars.of(last),)))
    return next((g for g in guarantees if g.key == "uniqueness"), guarantees[0] if guarantees else None)


def _row(cell: Cell, state: State, reason: str, **results: object) -> Measured:
    """A row whose numbers are missing where `results` does not give them."""
    s = cell.scenario
    missing = {"level": None, "psnr": None, "ssim": None, "data_psnr": None, "residual": None}
    numbers = {"iterations": 0, "evaluations": 0, "seconds": 0.0, "guarantee": "", "status": ""}
    return Measured(
        cell=cell.id,
        picture=cell.picture,
        operator=label("operator", s.operator),
        noise=label("noise", s.noise),
        method=cell.method,
        seed=s.seed,
        state=state,
        reason=reason,
        version=__version__,
        scenario=s.to_json(),
        **{**missing, **numbers, **results},  # pyright: ignore[reportArgumentType]
    )


def _sentence(error: BaseException, kind: str = "") -> str:
    text = brief(error, 400)
    text = f"{kind}: {text}" if kind else capitalised(text)
    return text if text.endswith(".") else f"{text}."


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
