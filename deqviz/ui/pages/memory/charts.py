"""The charts of the Memory page, from the rows of its study; pure, no Streamlit."""

from collections.abc import Iterator, Sequence

from deqviz.core.numbers import number
from deqviz.experiments.memory.activation_memory import MemoryRow, per_iteration
from deqviz.experiments.memory.fresh_process import ProcessRow, slope
from deqviz.experiments.memory.gradient_agreement import AgreementRow, GradientAgreement
from deqviz.runtime.study import StudySnapshot
from deqviz.ui.components.board.records import Axis, Chart, Role, Series
from deqviz.ui.pages.memory.plan import unrolled_depth
from deqviz.ui.pages.memory.setting import Setting, written

MIB = 2**20
_UNROLLED: Role = "error"
_SOLVED: Role = "iterate"
CARD = 24
"""GiB of a large graphics card of today, for a sense of scale."""


def charts(setting: Setting, snapshot: StudySnapshot) -> Iterator[Chart]:
    """All cards in their order; each of them is there from the start and fills as rows come."""
    yield _bytes(setting, snapshot.of("bytes"))
    if setting.is_gradient:
        yield _gradients(snapshot.experiment("gradient"), snapshot.of("gradient"))
    if setting.is_fresh:
        yield _processes(setting, snapshot.of("process"))


def _bytes(setting: Setting, rows: Sequence[MemoryRow]) -> Chart:
    s = per_iteration(setting.scan)
    unrolled = [row for row in rows if row.kind == "unrolled"]
    solved = [row for row in rows if row.kind == "equilibrium"]
    ends = [1, setting.iterations]
    series = [
        *_measured("unrolled", unrolled, _UNROLLED),
        *_measured("equilibrium", solved, _SOLVED),
        # Last, hence on top of what it predicts.
        Series("formula", ends, [k * s / MIB for k in ends], "predicted", "dashed"),
        Series("", ends, [s / MIB] * 2, "predicted", "dashed"),
    ]
    return Chart(
        "bytes",
        "Activation memory",
        Axis("iterations K", low=0.0, high=1.03 * setting.iterations),
        Axis("activation memory (MiB)", low=0.0, high=1.05 * setting.iterations * s / MIB),
        tuple(series),
        note=f"{written(setting.scan.shape)}, c = {setting.width}",
        formula=f"s = {_mib(s)} MiB per iteration by the formula",
        sentence=_compared(setting, unrolled, solved),
    )


def _measured(name: str, rows: Sequence[MemoryRow], role: Role) -> Iterator[Series]:
    x = [row.iterations for row in rows]
    yield Series(name, x, [row.saved / MIB for row in rows], role, "points" if name == "unrolled" else "both")
    on_gpu = [row.allocated for row in rows if row.allocated is not None]
    if on_gpu and len(on_gpu) == len(rows):
        yield Series(f"{name}, GPU allocator", x, [n / MIB for n in on_gpu], role, "dotted")


def _compared(setting: Setting, unrolled: Sequence[MemoryRow], solved: Sequence[MemoryRow]) -> str:
    """How many times less, at the same number of iterations, and where the measurement ends."""
    parts: list[str] = []
    depth, iterations = unrolled_depth(setting), setting.iterations
    if depth < iterations:
        parts.append(f"The unrolled run ends at {depth} iterations, before it would need more than 750 MB.")
    if unrolled and solved:
        last, constant = unrolled[-1], max(row.saved for row in solved)
        parts.append(
            f"{last.iterations} iterations store {_mib(last.saved)} MiB unrolled, and {_mib(constant)} MiB "
            f"by implicit differentiation: {number(last.saved / constant)} times less."
        )
        fits = CARD * 2**30 // per_iteration(setting.scan)
        parts.append(f"{CARD} GiB would be full after {fits:,} iterations of this size.")
    return " ".join(parts) or "Unrolled, every iteration stores its activations for the backward pass."


def _processes(setting: Setting, rows: Sequence[ProcessRow]) -> Chart:
    s, rate = per_iteration(setting.scan), slope(rows)
    depth = unrolled_depth(setting)
    unrolled, solved = ([row for row in rows if row.kind == kind] for kind in ("unrolled", "equilibrium"))
    series = [
        Series("unrolled", [r.iterations for r in unrolled], [r.grown / MIB for r in unrolled], _UNROLLED),
        Series("equilibrium", [r.iterations for r in solved], [r.grown / MIB for r in solved], _SOLVED),
    ]
    ends, first = [0, depth], unrolled[0] if unrolled else None
    line = [(first.grown + s * (k - first.iterations)) / MIB for k in ends] if first else []
    series.append(Series("slope of the formula", ends[: len(line)], line, "predicted", "dashed"))
    top = max([depth * s / MIB, *(row.grown / MIB for row in rows)])
    sentence = (
        f"{_mib(rate)} MiB per unrolled iteration, {number(rate / s)} times the formula. The offset "
        "is due to buffers of the kernels and of the solve, independent of the depth."
        if rate
        else "RSS counts pages and temporary buffers: coarser than the hooks."
    )
    return Chart(
        "processes",
        "Peak RSS of a new process",
        Axis("iterations K", low=0.0, high=1.03 * depth),
        Axis("growth of the RSS (MiB)", low=0.0, high=1.08 * top),
        tuple(series),
        note="on the CPU",
        formula="peak RSS − RSS before training",
        sentence=sentence,
    )


def _gradients(experiment: GradientAgreement | None, rows: Sequence[AgreementRow]) -> Chart:
    x = [row.depth for row in rows]
    series = (
        Series("‖x_{K} − x‖/‖x_{0} − x‖", x, [row.distance for row in rows], "iterate"),
        Series("at most (1 − m)^{K}", x, [row.bound for row in rows], "predicted", "dashed"),
        Series("gradient: relative error", x, [row.error for row in rows], "error"),
        Series("gradient: 1 − cos", x, [row.angle for row in rows], "start-3"),
    )
    sentence = "Gradients of ½‖x − x†‖² with respect to all parameters; they converge as K grows."
    if rows:
        last = rows[-1]
        sentence = (
            f"At K = {last.depth} the relative difference of the gradients is {number(last.error)}, "
            f"and their cosine similarity 1 − {number(last.angle)}."
        )
    return Chart(
        "gradients",
        "Unrolled and implicit gradient",
        Axis("unrolled depth K", log=True),
        Axis("relative error", log=True),
        series,
        note="" if experiment is None else f"{written(experiment.scan.shape)}, float64",
        formula="∂L/∂θ = (∂_{θ}T)* u,  u = J*u + x − x†",
        sentence=sentence,
    )


def _mib(count: float) -> str:
    return number(count / MIB)
