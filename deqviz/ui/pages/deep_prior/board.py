"""From a study of the Deep prior page to its board; pure, no Streamlit."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from deqviz.core.guarantee import Guarantee, Quantity, is_void
from deqviz.core.numbers import number
from deqviz.experiments._rows import panel
from deqviz.experiments.deep_prior.image_prior import HumpRow
from deqviz.experiments.deep_prior.recovery import RecoveryRow
from deqviz.experiments.deep_prior.run import RunRow
from deqviz.experiments.deep_prior.width_diagram import WidthRow
from deqviz.runtime.study import Study, StudySnapshot
from deqviz.ui.components.board.records import Board, Explanation, Row
from deqviz.ui.components.guarantees import row, row_of, verdict
from deqviz.ui.pages.deep_prior.charts import charts, image_tiles
from deqviz.ui.pages.deep_prior.setting import Setting
from deqviz.ui.shell.study_board import cells_behind, cells_done, study_board

SHARES = {
    "phase": 80.0,
    "certified": 40.0,
    "run": 40.0,
    "split": 150.0,
    "gap": 4.0,
    "momentum": 3.0,
    "hump": 14.0,
    "impedance": 56.0,
}
"""What a cell of each part costs, in milliseconds on one core; only ratios matter."""
ENOUGH = 0.05
"""Share of the work after which the time left is row_of."""
DOING = {
    "phase": "interpolation threshold",
    "certified": "singular values of wide networks",
    "run": "gradient flow at one width",
    "split": "recovery error",
    "gap": "distance to Landweber",
    "momentum": "step size and momentum",
    "hump": "deep image prior",
    "impedance": "impedance: four targets",
}


def board(study: Study, setting: Setting) -> Board:
    """The study as it is now."""
    snapshot = study.snapshot()
    return study_board(
        study,
        snapshot,
        unit="cells",
        progress=cells_done(snapshot)._replace(left=_left(snapshot)),
        preparing="computing the problems and the networks",
        doing=_doing(snapshot),
        charts=charts(setting, snapshot),
        tiles=image_tiles(setting, snapshot),
        guarantees=_guarantees(snapshot),
        explanation=_explanation(setting),
    )


def _doing(snapshot: StudySnapshot) -> str:
    """Which part is being computed."""
    if snapshot.state != "running":
        return ""
    return next((DOING[key] for key, done, size in cells_behind(snapshot) if done < size), "")


def _left(snapshot: StudySnapshot) -> float | None:
    """Seconds that are still needed, by what cells cost beside each other."""
    spent = sum(SHARES[key] * done for key, done, _ in cells_behind(snapshot))
    whole = sum(SHARES[key] * size for key, _, size in cells_behind(snapshot))
    if snapshot.state != "running" or spent < ENOUGH * whole:
        return None
    return snapshot.seconds * (whole - spent) / spent


def _guarantees(snapshot: StudySnapshot) -> Iterator[Row]:
    """What was tested on the rows; what is only estimated is row_of by its worst row."""
    yield from _run(snapshot.of("run"))
    yield from _phase(snapshot.of("phase"))
    split: tuple[RecoveryRow, ...] = snapshot.of("split")
    if split:
        worst = max(abs(r.error / r.limit - 1) for r in split)
        (bound,) = split[-1].guarantees
        yield replace(
            row(bound), numbers=f"deviation at most {number(100 * worst)} % over {len(split)} values of m"
        )
    for guarantee in panel(snapshot.of("momentum")):
        yield verdict(guarantee)
    hump: tuple[HumpRow, ...] = snapshot.of("hump")
    yield from (row(guarantee) for last in hump[-1:] for guarantee in last.guarantees)


def _run(rows: Sequence[RunRow]) -> Iterator[Row]:
    if not rows:
        return
    for guarantee in panel(rows):
        own = guarantee.key in ("width", "start", "recovery")
        yield verdict(guarantee if own else replace(guarantee, reason=rows[0].why))
    worst = max(r.above for r in rows)
    note = (
        f"exceeded by {worst} of {rows[0].draws} draws"
        if worst
        else f"holds for {rows[0].draws} of {rows[0].draws} draws"
    )
    sharp = Guarantee(
        "sharp",
        "A-priori linear rate by the tangent kernel",
        "‖r(t)‖ ≤ ‖r_{0}‖exp(−λ_{min}(K_{0})t/4)",
        "estimated",
        "K_{0} = AJ_{0}J_{0}*A* needs rank m only; that it changes little is not proved here",
        Quantity(0.0, "draws that exceed it"),
        Quantity(float(worst), "draws that exceed it"),
        paper="deep inverse prior",
    )
    yield row_of(sharp, note)


def _phase(rows: Sequence[WidthRow]) -> Iterator[Row]:
    for guarantee in panel(rows):
        if guarantee.key == "feasible" and not is_void(guarantee.claim):
            feasible = [r for r in rows if r.feasible is not None]
            kept = sum(r.fitted <= (r.feasible or 0.0) for r in feasible)
            gap = max((r.feasible or 0.0) - r.fitted for r in feasible)
            note = f"holds at {kept} of {len(feasible)} cells, largest gap {number(gap)}"
            yield row_of(rows[-1].guarantees[1], note)
        else:
            yield verdict(guarantee)
    laws = [(r.law, r.feasible) for r in rows if r.law is not None and r.feasible is not None]
    if laws:
        off, count = max(abs(law - share) for law, share in laws), rows[0].draws
        wendel = Guarantee(
            "law",
            "Wendel's law",
            "share feasible = P(Bin(k, ½) ≥ m)",
            "remark",
            f"exact in the mean; the shares of {count} draws scatter by up to {number(0.5 / count**0.5)}",
            paper="deep inverse prior",
        )
        yield row_of(wendel, f"deviation at most {number(off)} over {len(laws)} cells")


def _explanation(setting: Setting) -> Explanation:
    parts = ["An untrained network g with random weights is fitted to one measurement vector."]
    if setting.is_theory:
        parts.append(
            "With two layers and fixed V all gradients have rank one, so training is exactly a flow of k "
            "numbers z; this is what is computed here, for many draws at once."
        )
    if setting.is_phase:
        parts.append(
            "Three widths are compared: where the theorem certifies zero loss, where zero loss is "
            "attainable, and where gradient descent attains it (interpolation threshold)."
        )
    if setting.is_run:
        parts.append("Where R′ < R the residual decays at least as fast as its envelope, a pessimistic rate.")
    if setting.is_recovery:
        parts.append(
            "The limit is that of the Landweber iteration: the NTK of wide two-layer networks is a multiple "
            "of the identity, hence no prior for images."
        )
    if setting.is_momentum:
        parts.append("The NTK is almost constant, so momentum acts as for a quadratic: √κ steps, not κ.")
    if setting.is_picture:
        parts.append(
            "No theorem covers the convolutional network: Adam, normalisation, leaky ReLU, input noise and "
            "convolutions are outside the hypotheses. Its kernel is not isotropic as that of the two layers: "
            "smooth and self-similar parts are fitted first, which is the prior (spectral bias); early "
            "stopping is needed. “Oracle” is the best iterate by the ground truth, not available in practice."
        )
    equation = "ż = −φ′(z) ⊙ B*(Bφ(z) − y), B = AV/√k"
    if not setting.is_theory:
        equation = "min ½‖A g(u, θ) − y‖² over θ"
    return Explanation(equation, " ".join(parts), _hint(setting))


def _hint(setting: Setting) -> str:
    if setting.is_phase and not setting.is_both:
        return "train both layers: the interpolation threshold vanishes."
    if setting.is_run:
        return "double the width until R′ < R, and watch the guarantees."
    if setting.is_picture:
        return "lower σ to 0.02: no semiconvergence, and no early stopping is needed."
    if setting.is_momentum:
        return "a step size of 4/L: the residual grows more at first, and converges no sooner."
    if setting.is_recovery:
        return "switch the centred initialisation off: the initial null-space component remains as an error."
    return "fix V again: the interpolation threshold returns."
