"""From a run to what the live view draws; pure, no Streamlit."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from deqviz import domain, kspace
from deqviz.core.catalog import METHODS, OPERATORS, REGULARIZERS
from deqviz.core.guarantee import Curve as Line
from deqviz.core.guarantee import Guarantee, is_void
from deqviz.core.records import Method, Scalars
from deqviz.methods._base import DISTANCE, REACH, SLIP
from deqviz.operators.parallel_mri import ParallelMri
from deqviz.runtime.job import Job
from deqviz.runtime.run_snapshot import RunSnapshot
from deqviz.runtime.run_snapshot import State as JobState
from deqviz.runtime.trajectory_chart import Chart
from deqviz.scenario import Scenario
from deqviz.ui.components.guarantees import row
from deqviz.ui.components.run.records import (
    Curve,
    Explanation,
    Frames,
    Path,
    Pictures,
    Shade,
    State,
    Trajectory,
    View,
)

_STATES: Mapping[JobState, State] = {
    "preparing": "preparing",
    "running": "running",
    "paused": "paused",
    "checking": "checking",
    "done": "done",
    "stopped": "stopped",
    "diverged": "diverged",
    "failed": "error",
}

PATIENCE = 4
"""Seconds up to which a run need not say how long it still takes."""


def pictures(job: Job, snapshot: RunSnapshot) -> Pictures | None:
    """What never changes in a run; None while the problem is being built."""
    if snapshot.setup is None:
        return None
    setup, operator = snapshot.setup, OPERATORS[job.scenario.operator.key].cls
    return Pictures(
        job.id,
        setup.truth,
        setup.measured,
        measured_psnr=setup.measured_psnr,
        measured_name=operator.baseline_name,
    )


def frames(job: Job, snapshot: RunSnapshot) -> Frames:
    """The kept iterates."""
    return Frames(job.id, [f.k for f in snapshot.frames], [f.pixels for f in snapshot.frames])


def view(
    job: Job,
    snapshot: RunSnapshot,
    device: str,
    guarantees: Sequence[Guarantee],
    speed: int,
    waiting: str = "",
    *,
    is_moving: bool = False,
) -> View:
    """The run as it is now; `waiting` says where it stands in the line, if it does."""
    last = snapshot.marks[-1] if snapshot.marks else None
    entry = METHODS[job.scenario.method.key]
    return View(
        run=job.id,
        state=_STATES[snapshot.state],
        is_moving=is_moving,
        k=snapshot.latest.k if snapshot.latest else 0,
        k_max=job.scenario.iterations,
        message=waiting or _message(job, snapshot),
        evaluations=last.evaluations if last else None,
        rate=snapshot.rate or None,
        residual=entry.cls.residual(last) if last else None,
        psnr=snapshot.latest.psnr if snapshot.latest else None,
        error_max=snapshot.latest.error_max if snapshot.latest else None,
        speed=speed,
        device=device,
        method=entry.title,
        iterate=snapshot.latest.pixels if snapshot.latest else None,
        columns=_columns(snapshot, guarantees, entry.cls),
        quality=_quality(snapshot),
        trajectory=_trajectory(job.chart()),
        guarantees=tuple(row(g) for g in guarantees),
        explanation=_explanation(job),
    )


EARLY = 8
"""Iterates of which nothing follows yet: the limit alone would promise minutes to a run of seconds."""


def _message(job: Job, snapshot: RunSnapshot) -> str:
    if snapshot.state == "preparing":
        operator = OPERATORS[job.scenario.operator.key].title
        return f"{operator}: computing the operator norm and the constants"
    if snapshot.state == "running" and len(snapshot.marks) < EARLY:
        return ""
    if snapshot.state == "running":
        # Unrolled networks end by themselves.
        most = min(job.scenario.iterations, job.scenario.method.params.get("depth", math.inf))
        steps, is_most = steps_left(snapshot.marks, job.scenario.tolerance, int(most))
        return _time_left(steps, snapshot.rate, "at most" if is_most else "about")
    if snapshot.state == "checking":
        return f"{snapshot.message} Checking the guarantees: {_progress(snapshot)} …".strip()
    return snapshot.message


def steps_left(marks: Sequence[Scalars], tolerance: float, iterations: int) -> tuple[int, bool]:
    """The iterations to go, and whether that is the limit alone: no slope leads to the tolerance before it.

    The slope of log residual is that of the newer half, by its two ends: Anderson's residuals zigzag, and a
    fit would follow every tooth.
    """
    most = max(0, iterations - (marks[-1].k if marks else 0))
    half = marks[len(marks) // 2 :]
    if len(half) < 4 or min(half[0].residual, half[-1].residual) <= tolerance:
        return most, True
    fall = math.log(half[0].residual / half[-1].residual) / (half[-1].k - half[0].k)
    if not fall > 0:
        return most, True
    steps = math.ceil(math.log(half[-1].residual / tolerance) / fall)
    return (steps, False) if steps < most else (most, True)


def _time_left(steps: int, rate: float, bound: str = "at most") -> str:
    """How long so many iterations take. Rounded up, to count calmly."""
    seconds = steps / rate if rate > 0 else 0.0
    if seconds <= PATIENCE:
        return ""
    if seconds <= 55:
        return f"{bound} {5 * math.ceil(seconds / 5)} s left"
    minutes = math.ceil(seconds / 60)
    return f"{bound} {minutes} min left" if minutes < 90 else f"{bound} {math.ceil(minutes / 60)} h left"


def _progress(snapshot: RunSnapshot) -> str:
    """Which check is under way, and how far it is where that is known without asking it."""
    if not snapshot.probes:
        return "other starting points"
    probe = snapshot.probes[-1]
    if probe.landscape is not None:
        return f"{probe.title}, {100 * np.isfinite(probe.landscape.gap.numpy()).mean():.0f} %"
    if probe.path and probe.value is None and snapshot.marks:
        # The run itself is the only guess of how long a run from another start will take.
        return f"{probe.title}, iteration {probe.path[-1][0]} of about {snapshot.marks[-1].k}"
    return probe.title


def _explanation(job: Job) -> Explanation:
    """What the method, its regulariser and the operator are, in their own docstrings' words."""
    scenario = job.scenario
    entry = METHODS[scenario.method.key]
    parts = [entry.summary]
    regularizer = scenario.method.params.get("regularizer")
    if regularizer is not None:
        parts.append(f"Here {_decapitalised(REGULARIZERS[regularizer.key].summary)}")
    operator = OPERATORS[scenario.operator.key]
    if kspace.is_key(scenario.image) and issubclass(operator.cls, ParallelMri):
        parts.append(f"The measurements: {_measured(scenario)}")
    else:
        parts.append(f"The measurements: {_decapitalised(operator.summary)}")
    if (trained := domain.use(scenario)) is not None:
        parts.append(f"The weights: {_decapitalised(trained.sentence)}")
    hint = scenario.build_method().advice(operator.cls)
    return Explanation(entry.cls.equation, " ".join(parts), hint)


def _measured(scenario: Scenario) -> str:
    maps = "the coil maps come from its fully sampled centre"
    if scenario.is_judged:
        return f"your k-space, undersampled by the pattern; {maps}; the full k-space is the ground truth."
    return f"your k-space as it is; {maps}, and there is no ground truth."


def _decapitalised(text: str) -> str:
    """For the middle of a sentence; symbols and names of one letter keep their case."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _array(values: Sequence[float]) -> np.ndarray:
    return np.asarray(values, np.float32)


def _columns(
    snapshot: RunSnapshot, guarantees: Sequence[Guarantee], method: type[Method]
) -> dict[str, np.ndarray]:
    marks: Sequence[Scalars] = snapshot.marks
    largest = {f.k: f.error_max for f in snapshot.frames}
    columns = {
        "k": _array([m.k for m in marks]),
        "residual": _array([method.residual(m) for m in marks]),
        "psnr": _array(snapshot.psnr),
        "error_max": _array([largest.get(m.k, math.nan) for m in marks]),
        "error": _array(
            [math.sqrt(10 ** (-p / 10)) if math.isfinite(p) else math.nan for p in snapshot.psnr]
        ),
        "evaluations": _array([m.evaluations for m in marks]),
    }
    if marks and marks[0].objective is not None:
        columns["objective"] = _array([math.nan if m.objective is None else m.objective for m in marks])
    for name in _curves(marks):
        columns[name] = _array([m.scalars.get(name, math.nan) for m in marks])
    rate = next((g for g in guarantees if g.key == "rate"), None)
    if rate is not None and not is_void(rate.claim) and isinstance(rate.predicted, Line):
        columns["predicted_k"] = _array(rate.predicted.k)
        columns["predicted"] = _array(rate.predicted.values)
    if snapshot.ssim:
        columns["ssim_k"] = _array(sorted(snapshot.ssim))
        columns["ssim"] = _array([snapshot.ssim[k] for k in sorted(snapshot.ssim)])
    return columns


def _curves(marks: Sequence[Scalars]) -> tuple[str, ...]:
    """The method's own curves; the distance from the start serves a guarantee and says little by itself."""
    return tuple(name for name in marks[-1].scalars if name not in (DISTANCE, REACH, SLIP)) if marks else ()


def _quality(snapshot: RunSnapshot) -> tuple[Curve, ...]:
    is_judged = snapshot.setup is None or snapshot.setup.truth is not None
    curves = (
        _judged(snapshot) if is_judged else [Curve("residual", "Residual", "relative residual", log=True)]
    )
    if snapshot.marks and snapshot.marks[0].objective is not None:
        curves.append(Curve("objective", "Objective", "objective"))
    for name in _curves(snapshot.marks):
        curves.append(
            Curve(name, name.capitalize(), name, log=all(m.scalars.get(name, 1) > 0 for m in snapshot.marks))
        )
    return tuple(curves)


def _judged(snapshot: RunSnapshot) -> list[Curve]:
    """What a truth is needed for."""
    base = snapshot.setup.measured_psnr if snapshot.setup else None
    curves = [Curve("psnr", "PSNR", "PSNR (dB)", baseline=base)]
    if snapshot.ssim:
        curves.append(Curve("ssim", "SSIM", "SSIM", x="ssim_k"))
    error = None if base is None or not math.isfinite(base) else 10 ** (-base / 20)
    return [*curves, Curve("error", "RMSE", "RMSE", log=True, baseline=error)]


def _trajectory(chart: Chart | None) -> Trajectory | None:
    if chart is None:
        return None
    shade = None
    if chart.landscape is not None:
        axis, gap = chart.landscape.axis, chart.landscape.gap.numpy()
        shade = Shade(axis, axis, np.log10(np.maximum(gap, 1e-12)))
    paths = tuple(Path(t.label, t.a, t.b, t.k) for t in chart.tracks)
    return Trajectory(paths, (0.0, 0.0) if chart.is_final else None, shade)
