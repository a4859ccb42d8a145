"""The speed table: ratios in one run, medians of interleaved repeats."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from deqviz.bench import attack, bare
from deqviz.bench.clock import REPEATS, one_thread, pull, ratio, seconds, whole
from deqviz.bench.rows import Row
from deqviz.core.catalog import METHODS, OPERATORS, SOLVERS
from deqviz.core.machine import processor, thread_count, tune_allocator
from deqviz.core.records import Evidence, Problem, Scalars
from deqviz.core.registry import Choice
from deqviz.core.space import Space
from deqviz.methods.pnp_hqs import PnpHqs
from deqviz.methods.tv import Tv
from deqviz.scenario import Scenario

SIDE = 256


def rows(device: str, only: str) -> Iterator[Row]:
    """All rows whose name contains `only`; the time of a row that is not asked for is not spent."""
    parts: tuple[tuple[str, Callable[[], Iterator[Row]]], ...] = (
        ("iteration", lambda: _iterations(device)),
        ("learned step", lambda: _learned(device)),
        ("Anderson", lambda: _anderson(device)),
        ("attack", lambda: attack.rows(device)),
        ("guarantees", lambda: _guarantees(device)),
        # The two that change the number of threads come last.
        ("operator", lambda: _operators(device)),
        ("threads", lambda: _threads()),
        ("import", lambda: _imports()),
    )
    if not any(only in name for name, _ in parts):
        return
    tune_allocator()
    torch.set_num_threads(thread_count())
    if device == "cuda":
        yield Row(f"device: {torch.cuda.get_device_name()}", 1, "")
    else:
        yield Row(f"device: {processor()}", thread_count(), "threads")
    for name, part in parts:
        if not only or only in name:
            yield from part()


def _problem(operator: Choice, device: str, noise: float = 0.01) -> Problem:
    scenario = Scenario(operator=operator, noise=Choice("gaussian", {"std": noise}), size=SIDE)
    return scenario.problem(scenario.truth(device))


def _net(key: str, problem: Problem) -> torch.nn.Module:
    from deqviz.networks._weights import load

    return load(key, problem.data.dtype, str(problem.data.device))


def _iterations(device: str) -> Iterator[Row]:
    """Each method against the bare loop of the same arithmetic."""
    blur = _problem(Choice("gaussian_blur", {"width": 1.6}), device)
    operator, y = blur.operator, blur.data
    x0, back = operator.baseline(y), operator.adjoint(y)
    picard = Choice("picard")
    alpha, sigma, shift = 0.01, 10 / 255, 0.5
    ridge, contractive = _net("convex_ridge", blur), _net("contractive", blur)
    tv = METHODS["tv"].build({})
    assert isinstance(tv, Tv)
    hqs = PnpHqs()

    def quadratic_step(x: Tensor) -> Tensor:
        return operator.resolvent(back + alpha * (x - x), alpha)

    def ridge_step(x: Tensor) -> Tensor:
        return x - 0.5 * (operator.gram(x) - back + alpha * ridge(x, sigma))

    def contractive_step(x: Tensor) -> Tensor:
        inner = shift + 0.9 * (contractive(x, sigma) - shift)
        return operator.resolvent(back + alpha * inner, alpha)

    def fbs_step(x: Tensor) -> Tensor:
        return contractive(x - (operator.gram(x) - back), sigma)

    def hqs_step(x: Tensor) -> Tensor:
        return contractive(operator.resolvent(back + hqs.penalty * x, hqs.penalty), sigma)

    def equilibrium(regularizer: Choice, **params: Any) -> Choice:
        return Choice(
            "equilibrium", {"weight": alpha, "solver": picard, "regularizer": regularizer, **params}
        )

    level = {"sigma": sigma}
    cases: tuple[tuple[str, Choice, Callable[[Tensor], Tensor], int], ...] = (
        (
            "iterated Tikhonov",
            Choice("iterated_tikhonov", {"weight": alpha}),
            bare.tikhonov(blur, alpha),
            60,
        ),
        ("equilibrium, quadratic R, implicit", equilibrium(Choice("quadratic")), quadratic_step, 60),
        (
            "equilibrium, convex ridge, explicit",
            equilibrium(Choice("convex_ridge", level), splitting="explicit"),
            ridge_step,
            6,
        ),
        (
            "equilibrium, contractive, implicit",
            equilibrium(Choice("contractive", level)),
            contractive_step,
            3,
        ),
        (
            "plug-and-play forward-backward",
            Choice("pnp_fbs", {"solver": picard, **level}),
            fbs_step,
            3,
        ),
        (
            "plug-and-play half-quadratic",
            Choice("pnp_hqs", {"solver": picard, **level}),
            hqs_step,
            3,
        ),
        (
            "total variation",
            Choice("tv"),
            bare.total_variation(blur, tv.weight, *tv.steps(blur)),
            60,
        ),
    )
    for title, choice, step, count in cases:
        method = METHODS[choice.key].build(choice.params)
        yield from _against(title, pull(method, blur, count), bare.loop(step, x0, count), count, device)
    method = METHODS["tikhonov"].build({"weight": 1e-4, "mode": "conjugate gradients"})
    count = 60
    ours = whole(method, blur, count)
    yield from _against(
        "Tikhonov, conjugate gradients", ours, bare.conjugate_gradients(blur, 1e-4, count), count, device
    )
    with one_thread():
        alone = statistics.median(seconds(pull(tv, blur, 60), device) for _ in range(REPEATS)) / 60
    yield Row("iteration, total variation on one core: time", 1e3 * alone, "ms", 2.0, "at most")


def _against(
    title: str, ours: Callable[[], None], plain: Callable[[], None], count: int, device: str
) -> Iterator[Row]:
    time_of, _, factor = ratio(ours, plain, device)
    yield Row(f"iteration, {title}: time", 1e3 * time_of / count, "ms")
    yield Row(f"iteration, {title}: over the bare loop", factor, "×", 1.15, "at most")


def _learned(device: str) -> Iterator[Row]:
    blur = _problem(Choice("gaussian_blur"), device)
    for key in ("convex_ridge", "contractive", "unconstrained"):
        net, x = _net(key, blur), blur.data
        with torch.no_grad():
            times = [seconds(lambda net=net, x=x: net(x, 0.05), device) for _ in range(REPEATS)]
        yield Row(f"learned step, {key}: one evaluation at 256²", 1e3 * statistics.median(times), "ms")
    method = METHODS["equilibrium"].build({"regularizer": Choice("contractive")})
    time_of = statistics.median(seconds(pull(method, blur, 4), device) for _ in range(REPEATS)) / 4
    yield Row("learned step, contractive implicit at 256²", 1e3 * time_of, "ms", 60.0, "at most")


def _operators(device: str) -> Iterator[Row]:
    """A and A* of parallel-beam CT on one thread."""
    with one_thread():
        begun = time.perf_counter()
        ct = OPERATORS["tomography"].build({}, image=Space((1, SIDE, SIDE), torch.float32, device))
        x = ct.domain.random(torch.Generator().manual_seed(0))
        y = ct(x)
        ct.adjoint(y)
        started = time.perf_counter() - begun
        forward = statistics.median(seconds(lambda: ct(x), device) for _ in range(REPEATS))
        back = statistics.median(seconds(lambda: ct.adjoint(y), device) for _ in range(REPEATS))
    yield Row("operator, CT 256², 60 views: start", started, "s")
    yield Row("operator, CT 256², 60 views: A", 1e3 * forward, "ms", 25.0, "at most")
    yield Row("operator, CT 256², 60 views: A*", 1e3 * back, "ms", 25.0, "at most")


def _anderson(device: str) -> Iterator[Row]:
    """Evaluations to a relative residual of 10⁻⁶ on a linear contraction of 0.95."""
    rng = torch.Generator().manual_seed(0)
    spectrum = (0.95 * torch.rand(64, 64, generator=rng)).to(device)
    spectrum[0, 0] = 0.95
    b = torch.randn(1, 1, 64, 64, generator=rng).to(device)

    def f(x: Tensor) -> Tensor:
        return spectrum * x + b

    counts = {}
    for key in ("picard", "anderson", "broyden", "conjugate_gradients"):
        solver = SOLVERS[key].build({})
        for step in solver.steps(f, torch.zeros_like(b)):
            if float(step.residual) <= 1e-6 or step.k >= 1000:
                counts[key] = step.evaluations
                break
        yield Row(f"Anderson, evaluations of {key} to 1e-6", counts[key], "")
    share = counts["anderson"] / counts["picard"]
    yield Row("Anderson, share of Picard's evaluations", share, "×", 1 / 3, "at most")


def _guarantees(device: str) -> Iterator[Row]:
    """What a method's table of guarantees takes after 1,000 iterations; it is renewed while a run goes on."""
    scenario = Scenario(size=64)  # the table is made of numbers: the image may be small
    blur = scenario.problem(scenario.truth(device))
    slowest = 0.0
    for entry in METHODS:
        method = entry.build({})
        marks = [Scalars.of(iterate) for iterate in islice(method.iterates(blur), 4)]
        last = marks[-1]
        marks += [replace(last, k=k, gap=1e-3 / k, residual=1e-2 / k) for k in range(len(marks), 1000)]
        evidence = Evidence(marks, {"spread": 1.0, "gain": 1.0, "expansion": 0.5})
        method.guarantees(blur, evidence)  # constants are computed once
        slowest = max(
            slowest,
            statistics.median(
                seconds(lambda m=method, e=evidence: m.guarantees(blur, e), device) for _ in range(REPEATS)
            ),
        )
    yield Row("guarantees, the slowest method after 1,000 iterations", 1e3 * slowest, "ms", 100.0, "at most")


def _threads() -> Iterator[Row]:
    """One torch thread against all of them, cheap and learned: what the worker's policy rests on."""
    cores = torch.get_num_threads()
    learned = Choice("equilibrium", {"regularizer": Choice("contractive")})
    for title, choice, side, count in (
        ("cheap", Choice("iterated_tikhonov"), 64, 40),
        ("cheap", Choice("iterated_tikhonov"), 128, 40),
        ("cheap", Choice("iterated_tikhonov"), 256, 40),
        ("learned", learned, 64, 4),
        ("learned", learned, 256, 2),
    ):
        scenario = Scenario(size=side, method=choice)
        problem = scenario.problem(scenario.truth())
        run = pull(scenario.build_method(), problem, count)

        def on(threads: int, run: Callable[[], None] = run) -> Callable[[], None]:
            def work() -> None:
                torch.set_num_threads(threads)
                run()

            return work

        one, _, factor = ratio(on(1), on(cores), "cpu")
        yield Row(f"threads, {title} iteration at {side}²: one thread", 1e3 * one / count, "ms")
        yield Row(f"threads, {title} iteration at {side}²: one against {cores}", factor, "×")
    torch.set_num_threads(cores)


def _imports() -> Iterator[Row]:
    """Fresh processes, alternating; the processor time of each, which a busy machine disturbs least."""

    def cost(code: str) -> float:
        script = f"import time\n{code}\nprint(time.process_time())"
        out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return float(out.stdout)

    cost("import torch")
    pairs = [
        (cost("import torch"), cost("import torch, deqviz"), cost("import deqviz.scenario")) for _ in range(5)
    ]
    over = statistics.median(b - a for a, b, _ in pairs)
    yield Row("import deqviz over import torch", over, "s", 0.2, "at most")
    over = statistics.median(c - a for a, _, c in pairs)
    yield Row("import deqviz.scenario (every method) over import torch", over, "s", 0.2, "at most")
