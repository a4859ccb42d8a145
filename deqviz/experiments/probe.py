"""Probes of a finished run: other starts, perturbed data, the residual on a plane."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from deqviz.core.records import Iterate, Map, Method, Problem, Subject
from deqviz.core.space import Image, norm, random_picture, scale
from deqviz.core.stop import Stop
from deqviz.diagnostics.lipschitz import Lipschitz
from deqviz.diagnostics.trajectory import Plane, plane
from deqviz.methods._base import enclosed_gap, largest_gap

Path = tuple[tuple[int, Image], ...]

GRID = 13
"""Points per axis of the landscape: 169 evaluations of the map."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One answer, or how far it has come: `value` is None while it is being computed.

    `path` holds a few iterates of a run from another start; `landscape` the residual of the map on the
    plane of the run, NaN where it has not been evaluated yet.
    """

    key: str
    title: str
    value: float | None = None
    path: Path = ()
    landscape: "Landscape | None" = None


@dataclass(frozen=True, slots=True)
class Landscape:
    """‖T(x) − x‖ at the images plane.to_picture(a, b), rows by b, columns by a."""

    plane: Plane
    axis: tuple[float, ...]
    gap: torch.Tensor


def _starts(problem: Problem, rng: torch.Generator) -> tuple[tuple[str, str, Image], ...]:
    space = problem.operator.domain
    noise = random_picture(space, rng)
    return (("zero", "from zero", space.zeros()), ("noise", "from noise", noise))


def _gap_from_above(method: Method, problem: Problem, end: Iterate | None) -> float:
    """‖T(x) − x‖ at the end of a run, with its rounding where that is proved; infinite without an end."""
    if end is None:
        return math.inf
    enclosed = enclosed_gap(method, problem, end.x)
    return largest_gap(end) if enclosed is None else sum(enclosed)


def _or_infinite(value: float) -> float:
    """No number is no agreement, and `max` would overlook it."""
    return value if math.isfinite(value) else math.inf


def _thinned(k: int) -> bool:
    return k < 8 or (k < 100 and k % 10 == 0) or k % 100 == 0


@torch.no_grad()
def probes(
    method: Method,
    problem: Problem,
    *,
    limit: Image,
    tolerance: float,
    max_steps: int,
    seed: int,
    gap: float = 0.0,
    main: Path = (),
) -> Iterator[Probe]:
    """Ask a method, whose run ended at `limit`, what its theorems speak of; yields after every iteration.

    `gap` is ‖T(x) − x‖ at the limit, as the run had it. Where a method bounds what double precision loses of
    T, every gap is that of such an evaluation, with its rounding, and "slip" is what `gap` is off by at most;
    the sizes that rounding is relative to are 0 then.
    "start-zero" and "start-noise": ‖x − limit‖/‖limit‖ of runs from there; "spread": the larger of both, with
    "spread_gap", the largest sum of both ‖T(x) − x‖ over ‖limit‖, and "spread_size", that of both ‖x‖, or of
    the starts where they are larger;
    "gain": ‖x₁ − x₂‖/‖y₁ − y₂‖ for data changed by 1 % in a random direction, with "gain_gap", the sum of
    both ‖T(x) − x‖ over ‖y₁ − y₂‖, "gain_size", that of both ‖x‖, and "fit_gain" = ‖A(x₁ − x₂)‖/‖y₁ − y₂‖;
    where a method bounds a distance instead of ‖T(x) − x‖, that is what is summed. "expansion": ‖J_T‖ at the
    limit by power iteration, a lower bound; "landscape": the residual on the plane of the runs;
    "contraction": the largest ‖T(x) − T(z)‖/‖x − z‖ seen there, with "contraction_room" = (‖T(x)‖ +
    ‖T(z)‖)/‖x − z‖.
    """
    rng = torch.Generator().manual_seed(seed + 1)
    # On a GPU the number is looked at every 16 iterates only: each look waits for the device.
    every = 1 if limit.device.type == "cpu" else 16
    size = float(norm(limit).max())
    paths: list[Path] = [main] if main else []
    spread = gaps = sizes = 0.0
    own = max([size, *(float(norm(x).max()) for _, x in main[:1])])
    enclosed = enclosed_gap(method, problem, limit)
    if enclosed is not None:
        yield Probe("slip", "rounding of the last gap", _or_infinite(abs(enclosed[0] - gap) + enclosed[1]))
        gap = sum(enclosed)
    for key, title, start in _starts(problem, rng):
        path: list[tuple[int, Image]] = []
        x, end, stop = start, None, Stop(tolerance, max_steps, every)
        for end in method.iterates(problem, start):
            x = end.x
            is_end = stop.is_last(end)
            if is_end or _thinned(end.k):
                path.append((end.k, x.to("cpu", copy=True)))
            if is_end:
                break
            yield Probe(f"start-{key}", title, None, tuple(path))
        # A run that ends by itself, as exact as rounding allows, has a gap too, whatever was asked for.
        gaps = max(gaps, _or_infinite(gap + _gap_from_above(method, problem, end)))
        distance = _or_infinite(float(norm(x - limit).max()) / max(size, 1e-12))
        # What was lost while a run was far out does not come back: the start counts where it is the larger.
        reach = max(float(norm(start).max()), _or_infinite(float(norm(x).max())))
        spread, sizes = max(spread, distance), max(sizes, own + reach) if enclosed is None else 0.0
        paths.append(tuple(path))
        yield Probe(f"start-{key}", title, distance, tuple(path))
    yield Probe("spread_gap", "gaps at which the runs stopped", gaps / max(size, 1e-12))
    yield Probe("spread_size", "size of the runs", sizes / max(size, 1e-12))
    yield Probe("spread", "largest distance between the limits", spread)

    change = torch.randn(problem.data.shape, dtype=problem.data.dtype, generator=rng).to(problem.data.device)
    if problem.operator.measured is not None:
        change = change * problem.operator.measured
    # One per cent of the data; where they are 0, of the direction itself: no change at all says nothing.
    known = norm(problem.data)
    share = torch.where(known > 0, 0.01 * known / norm(change), torch.full_like(known, 0.01))
    change = scale(share, change)
    x, end, by = limit, None, float(norm(change).max())
    stop = Stop(tolerance, max_steps, every)
    changed = Problem(problem.operator, problem.data + change, problem.noise)
    for end in method.iterates(changed, limit):
        x = end.x
        yield Probe("gain", "gain of a perturbation")
        if stop.is_last(end):
            break
    # Two unfinished runs differ by more than the data.
    gaps = gap + _gap_from_above(method, changed, end)
    yield Probe("gain_gap", "gaps at which both runs stopped", gaps / by)
    sizes = size + float(norm(x).max()) if enclosed is None else 0.0
    yield Probe("gain_size", "size of both limits", sizes / by)
    fit = norm(problem.operator(x - limit)).max()
    yield Probe("fit_gain", "gain of a perturbation on the fit", float(fit) / by)
    yield Probe("gain", "gain of a perturbation", float((norm(x - limit) / norm(change)).max()))

    f = _map_of(method, problem)
    if f is None:
        return
    yield Probe("expansion", "local expansion")
    # A product with the Jacobian of a learned map costs several evaluations; eight suffice to see it.
    lipschitz = Lipschitz(products=8, seed=seed)
    yield Probe("expansion", "local expansion", lipschitz.measure(Subject(f, limit, limit)).value)
    points = [x for path in paths for _, x in path]
    if len(points) >= 3:
        yield from _landscape(f, plane(points, limit.to("cpu")), limit)


def _map_of(method: Method, problem: Problem) -> Map | None:
    """The map T on images where the method has one; None for primal-dual states and direct methods."""
    from deqviz.methods._base import FixedPointMethod

    return method.map(problem) if isinstance(method, FixedPointMethod) and method.is_on_pictures else None


def _landscape(f: Map, chart: Plane, limit: Image) -> Iterator[Probe]:
    """Evaluate ‖T(x) − x‖ on a grid, coarse points first, so that the shade fills in evenly."""
    reach = 1.08 * float(chart.coordinates.abs().max())
    axis = torch.linspace(-reach, reach, GRID).tolist()
    gap = torch.full((GRID, GRID), float("nan"))
    cells = [(i, j) for i in range(GRID) for j in range(GRID)]
    ratio = room = 0.0
    last: tuple[Image, Image] | None = None
    for i, j in sorted(cells, key=lambda c: (c[0] % 2 + c[1] % 2, c)):
        x = chart.to_picture(axis[j], axis[i]).to(limit.device, limit.dtype)
        fx = f(x)
        gap[i, j] = float(norm(fx - x).max())
        if last is not None:
            distance = float(norm(x - last[0]).max())
            ratio = max(ratio, _or_infinite(float(norm(fx - last[1]).max()) / distance))
            room = max(room, float((norm(fx) + norm(last[1])).max()) / distance)
        last = x, fx
        yield Probe(
            "landscape", "residual on the plane", None, (), Landscape(chart, tuple(axis), gap.clone())
        )
    yield Probe("contraction_room", "size of the pairs over their distance", room)
    yield Probe("contraction", "contraction on the plane", ratio)
    yield Probe("landscape", "residual on the plane", 1.0, (), Landscape(chart, tuple(axis), gap))
