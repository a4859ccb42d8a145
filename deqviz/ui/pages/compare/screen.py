"""From a comparison to what the view draws; pure, no Streamlit."""

import csv
import io
import json
import math
from dataclasses import asdict

import numpy as np

from deqviz import domain
from deqviz.core.catalog import METHODS, OPERATORS
from deqviz.core.guarantee import Guarantee
from deqviz.core.records import Method
from deqviz.runtime.run_snapshot import OVER, RunSnapshot
from deqviz.ui.components.compare.records import Frames, Lane, LaneState, View
from deqviz.ui.components.guarantees import row
from deqviz.ui.components.run.records import Pictures
from deqviz.ui.pages.compare.run import Comparison, Runner, thinned
from deqviz.ui.pages.compare.setting import names
from deqviz.ui.pages.compare.tune import Search, targets, tunables

_STATES: dict[str, LaneState] = {"failed": "error"}


def pictures(comparison: Comparison) -> Pictures | None:
    """Truth and data, which all runs share; None while no run has built its problem."""
    for run in comparison.runs:
        setup = run.snapshot().setup
        if setup is not None:
            operator = OPERATORS[comparison.setting.operator.key].cls
            return Pictures(
                comparison.id,
                setup.truth,
                setup.measured,
                measured_psnr=setup.measured_psnr,
                measured_name=operator.baseline_name,
            )
    return None


def frames(comparison: Comparison) -> Frames:
    """The kept iterates of all runs."""
    strips = []
    for run in comparison.runs:
        kept = run.snapshot().frames
        if kept:
            chosen = [kept[i] for i in thinned(len(kept), len(comparison.runs), kept[0].pixels.size)]
            strips.append((run.id, [f.k for f in chosen], [f.pixels for f in chosen]))
    return Frames(tuple(strips))


def view(comparison: Comparison, device: str, search: Search | None = None) -> View:
    """The comparison as it is now."""
    setting, candidates = comparison.setting, targets(comparison.setting)
    called = names(setting)
    # The state is read before the snapshots: what is then called over is over in them too.
    state = comparison.state
    is_settled = comparison.is_settled
    lanes = tuple(_lane(comparison, run, name) for run, name in zip(comparison.runs, called, strict=True))
    return View(
        run=comparison.id,
        state=state,
        lanes=lanes,
        k_max=setting.iterations,
        message=_message(comparison),
        device=device,
        tunables=tunables(candidates) if setting.scenario(0).is_judged else (),
        tune=search.view(setting) if search else None,
        csv=as_csv(lanes) if is_settled else None,
        json=as_json(comparison, lanes) if is_settled else None,
    )


def _message(comparison: Comparison) -> str:
    states = [run.state for run in comparison.runs]
    if comparison.state == "preparing":
        operator = OPERATORS[comparison.setting.operator.key].title
        return f"{operator}: computing the operator norm and the constants"
    over = sum(state in OVER for state in states)
    failed = sum(state in ("failed", "diverged") for state in states)
    message = f"{over} of {len(states)} methods finished"
    return f"{message}, {failed} of them failed or diverged" if failed else message


def _lane(comparison: Comparison, run: Runner, name: str) -> Lane:
    snapshot = run.snapshot()
    clock = run.clock
    marks = snapshot.marks[: len(clock)]
    last = marks[-1] if marks else None
    similar = {**comparison.judge.similarities(run), **snapshot.ssim}
    stated, trained = comparison.guarantees(run), domain.use(run.scenario)
    headline, method = _headline(stated), METHODS[run.scenario.method.key].cls
    return Lane(
        run=run.id,
        name=name,
        state=_STATES.get(snapshot.state, snapshot.state),  # type: ignore[arg-type]
        message=snapshot.message,
        k=snapshot.latest.k if snapshot.latest else 0,
        evaluations=last.evaluations if last else None,
        seconds=clock[len(marks) - 1] if marks else None,
        residual=method.residual(last) if last else None,
        psnr=snapshot.latest.psnr if snapshot.latest else None,
        ssim=similar.get(snapshot.latest.k) if snapshot.latest else None,
        iterate=snapshot.latest.pixels if snapshot.latest else None,
        columns=_columns(snapshot, clock[: len(marks)], similar, method),
        status=headline.status if headline else None,
        headline=headline.name if headline else "",
        guarantees=tuple(row(g) for g in stated),
        trained=trained.sentence if trained else "",
        is_outside=trained is not None and trained.is_outside,
    )


def _headline(stated: tuple[Guarantee, ...]) -> Guarantee | None:
    """What speaks for all: a statement that is violated, else that there is one limit, else the first."""
    wrong = (g for g in stated if g.status == "violated")
    unique = (g for g in stated if g.key == "uniqueness")
    return next(wrong, next(unique, next(iter(stated), None)))


def _columns(
    snapshot: RunSnapshot, clock: tuple[float, ...], similar: dict[int, float], method: type[Method]
) -> dict[str, np.ndarray]:
    marks = snapshot.marks[: len(clock)]
    ks = sorted(similar)
    columns = {
        "k": [m.k for m in marks],
        "residual": [method.residual(m) for m in marks],
        "psnr": snapshot.psnr[: len(marks)],
        "seconds": clock,
        "evaluations": [m.evaluations for m in marks],
        "ssim_k": ks,
        "ssim": [similar[k] for k in ks],
    }
    return {name: np.asarray(values, np.float32) for name, values in columns.items()}


def _plain(lane: Lane) -> dict[str, object]:
    """A line of the table; what is no finite number is left out."""
    numbers = {"psnr": lane.psnr, "ssim": lane.ssim, "residual": lane.residual, "seconds": lane.seconds}
    finite = {name: v if v is not None and math.isfinite(v) else None for name, v in numbers.items()}
    tally = [r.status for r in lane.guarantees]
    return {
        "method": lane.name,
        "state": lane.state,
        **finite,
        "iterations": lane.k,
        "evaluations": lane.evaluations,
        "guarantee": lane.status or "none",
        "statement": lane.headline,
        "certified": sum(status in ("certified", "waiting") for status in tally),
        "statements": len(tally),
        "message": lane.message,
    }


def as_csv(lanes: tuple[Lane, ...]) -> str:
    """The table as CSV, numbers by `repr`."""
    text = io.StringIO()
    lines = [_plain(lane) for lane in lanes]
    table = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(lines)
    return text.getvalue()


def as_json(comparison: Comparison, lanes: tuple[Lane, ...]) -> str:
    """The table with everything that repeats it, and every statement of every method."""
    body = {
        "setting": asdict(comparison.setting),
        "methods": [{**_plain(lane), "guarantees": [asdict(r) for r in lane.guarantees]} for lane in lanes],
    }
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"
