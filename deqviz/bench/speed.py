"""The speed table: ratios in one run, medians of interleaved repeats."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor

from deqviz.bench.rows import Row
from deqviz.core.catalog import METHODS, OPERATORS, SOLVERS
from deqviz.core.machine import thread_count, tune_allocator
from deqviz.core.records import Method, Problem
from deqviz.core.registry import Choice
from deqviz.core.space import Space, norm
from deqviz.scenario import Scenario

SIDE = 256
REPEATS = 15


def rows(device: str, only: str) -> Iterator[Row]:
    """All rows whose name contains `only`; the time of a row that is not asked for is not spent."""
    parts: tuple[tuple[str, Callable[[], Iterator[Row]]], ...] = (
        ("iteration", lambda: _iterations(device)),
        ("learned step", lambda: _learned(device)),
        ("Anderson", lambda: _anderson(device)),
        # The two that change the number of threads come last.
        ("operator", lambda: _operators(device)),
        ("threads", lambda: _threads()),
        ("import", lambda: _imports()),
    )
    tune_allocator()
    torch.set_num_threads(thread_count())
    if device == "cuda":
        yield Row(f"device: {torch.cuda.get_device_name()}", 1, "")
    for name, part in parts:
        if not only or only in name:
            yield from part()


def _problem(operator: Choice, device: str, noise: float = 0.01) -> Problem:
    scenario = Scenario(operator=operator, noise=Choice("gaussian", {"std": noise}), size=SIDE)
    return scenario.problem(scenario.truth(device))


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _seconds(work: Callable[[], object], device: str) -> float:
    _wait(device)
    begun = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - begun


def ratio(a: Callable[[], object], b: Callable[[], object], device: str) -> tuple[float, float, float]:
    """Median seconds of a, of b, and the median of the ratios a/b of neighbours in time."""
    a()
    b()
    pairs: list[tuple[float, float]] = []
    for i in range(REPEATS):
        # Alternating who goes first takes out a drift of the machine.
        if i % 2:
            right = _seconds(b, device)
            pairs.append((_seconds(a, device), right))
        else:
            left = _seconds(a, device)
            pairs.append((left, _seconds(b, device)))
    return (
        statistics.median(x for x, _ in pairs),
        statistics.median(y for _, y in pairs),
        statistics.median(x / y for x, y in pairs),
    )


def _pull(method: Method, problem: Problem, count: int) -> Callable[[], None]:
    """The next `count` iterations of a run whose first has set everything up before the clock runs."""
    stream = method.iterates(problem)
    next(stream)

    def work() -> None:
        for _ in islice(stream, count):
            pass

    return work


def _bare(f: Callable[[Tensor], Tensor], x0: Tensor, count: int) -> Callable[[], None]:
    """The loop anyone would write: x ← f(x) and the residual's norm."""

    @torch.no_grad()
    def work() -> None:
        x = x0
        for _ in range(count):
            fx = f(x)
            norm(fx - x) / norm(fx)  # pyright: ignore[reportUnusedExpression]
            x = fx

    return work


def _tikhonov(problem: Problem, alpha: float) -> Callable[[Tensor], Tensor]:
    """x ← (A*A + α)⁻¹(A*y + αx) for the Gaussian blur, in bare torch."""
    width = 1.6
    ky, kx = torch.fft.fftfreq(SIDE), torch.fft.rfftfreq(SIDE)
    h = torch.exp(-2 * (torch.pi * width) ** 2 * (ky[:, None] ** 2 + kx**2)).to(problem.data.device)
    back = torch.fft.irfft2(h * torch.fft.rfft2(problem.data), s=(SIDE, SIDE))
    inverse = 1 / (h * h + alpha)
    return lambda x: torch.fft.irfft2(inverse * torch.fft.rfft2(back + alpha * x), s=(SIDE, SIDE))


def _net(key: str, problem: Problem) -> torch.nn.Module:
    from deqviz.networks._weights import load

    return load(key, problem.data.dtype, str(problem.data.device))


def _iterations(device: str) -> Iterator[Row]:
    """Each method against the bare loop of the same arithmetic."""
    blur = _problem(Choice("gaussian_blur", {"width": 1.6}), device)
    operator, y = blur.operator, blur.data
    x0 = operator.baseline(y)
    picard = Choice("picard")
    alpha, sigma = 0.01, 10 / 255
    ridge, contractive = _net("convex_ridge", blur), _net("contractive", blur)
    tikhonov = _tikhonov(blur, alpha)
    shift = 0.5

    def ridge_step(s: float) -> Callable[[Tensor], Tensor]:
        back = operator.adjoint(y)
        return lambda x: x - s * (operator.gram(x) - back + alpha * ridge(x, sigma))

    def contractive_step(x: Tensor) -> Tensor:
        back = operator.adjoint(y)
        inner = shift + 0.9 * (contractive(x, sigma) - shift)
        return operator.resolvent(back + alpha * inner, alpha)

    def fbs_step(x: Tensor) -> Tensor:
        return contractive(x - (operator.gram(x) - operator.adjoint(y)), sigma)

    equilibrium = {"weight": alpha, "solver": picard}
    cases: tuple[tuple[str, Choice, Callable[[Tensor], Tensor], int], ...] = (
        ("iterated Tikhonov", Choice("iterated_tikhonov", {"weight": alpha}), tikhonov, 60),
        (
            "equilibrium, quadratic R, implicit",
            Choice("equilibrium", {**equilibrium, "regularizer": Choice("quadratic")}),
            lambda x: operator.resolvent(operator.adjoint(y) + alpha * (x - x), alpha),
            60,
        ),
        (
            "equilibrium, convex ridge, explicit",
            Choice(
                "equilibrium",
                {
                    **equilibrium,
                    "splitting": "explicit",
                    "regularizer": Choice("convex_ridge", {"sigma": sigma}),
                },
            ),
            ridge_step(0.5),
            6,
        ),
        (
            "equilibrium, contractive, implicit",
            Choice("equilibrium", {**equilibrium, "regularizer": Choice("contractive", {"sigma": sigma})}),
            contractive_step,
            3,
        ),
        (
            "plug-and-play forward-backward",
            Choice("pnp_fbs", {"solver": picard, "sigma": sigma}),
            fbs_step,
            3,
        ),
    )
    for title, choice, bare, count in cases:
        method = METHODS[choice.key].build(choice.params)
        ours, _, factor = ratio(_pull(method, blur, count), _bare(bare, x0, count), device)
        yield Row(f"iteration, {title}: time", 1e3 * ours / count, "ms")
        yield Row(f"iteration, {title}: over the bare loop", factor, "×", 1.15, "at most")
    tv = METHODS["tv"].build({})
    ours = statistics.median(_seconds(_pull(tv, blur, 60), device) for _ in range(REPEATS)) / 60
    yield Row("iteration, total variation (primal-dual): time", 1e3 * ours, "ms", 2.0, "at most")


def _learned(device: str) -> Iterator[Row]:
    blur = _problem(Choice("gaussian_blur"), device)
    for key in ("convex_ridge", "contractive", "unconstrained"):
        net, x = _net(key, blur), blur.data
        with torch.no_grad():
            times = [_seconds(lambda net=net, x=x: net(x, 0.05), device) for _ in range(REPEATS)]
        yield Row(f"learned step, {key}: one evaluation at 256²", 1e3 * statistics.median(times), "ms")
    method = METHODS["equilibrium"].build({"regularizer": Choice("contractive")})
    time_of = statistics.median(_seconds(_pull(method, blur, 4), device) for _ in range(REPEATS)) / 4
    yield Row("learned step, contractive implicit at 256²", 1e3 * time_of, "ms", 60.0, "at most")


def _operators(device: str) -> Iterator[Row]:
    """A and A* of parallel-beam CT on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    begun = time.perf_counter()
    ct = OPERATORS["tomography"].build({}, image=Space((1, SIDE, SIDE), torch.float32, device))
    x = ct.domain.random(torch.Generator().manual_seed(0))
    y = ct(x)
    ct.adjoint(y)
    started = time.perf_counter() - begun
    forward = statistics.median(_seconds(lambda: ct(x), device) for _ in range(REPEATS))
    back = statistics.median(_seconds(lambda: ct.adjoint(y), device) for _ in range(REPEATS))
    torch.set_num_threads(before)
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


def _threads() -> Iterator[Row]:
    """One torch thread against all of them, small and large: what the worker's policy rests on."""
    before, cores = torch.get_num_threads(), torch.get_num_threads()
    for side in (64, 128, 256):
        scenario = Scenario(size=side, method=Choice("iterated_tikhonov"))
        problem = scenario.problem(scenario.truth())
        method = scenario.build_method()
        count = 40

        pull = _pull(method, problem, count)

        def on(threads: int, pull: Callable[[], None] = pull) -> Callable[[], None]:
            def work() -> None:
                torch.set_num_threads(threads)
                pull()

            return work

        one, _, factor = ratio(on(1), on(cores), "cpu")
        yield Row(f"threads, cheap iteration at {side}²: one thread", 1e3 * one / count, "ms")
        yield Row(f"threads, cheap iteration at {side}²: one against {cores}", factor, "×")
    torch.set_num_threads(before)


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
