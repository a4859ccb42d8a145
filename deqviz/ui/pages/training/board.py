"""From a study of the Training page to its board; pure, no Streamlit."""

from collections.abc import Iterator
from dataclasses import replace

from deqviz.experiments._rows import Row as Measured
from deqviz.experiments._rows import panel
from deqviz.experiments.losses.deep_equilibrium import BeyondDepth
from deqviz.experiments.losses.loss_lab import LossLab
from deqviz.runtime.study import Study, StudySnapshot
from deqviz.ui.components.board.records import Board, Explanation, Row
from deqviz.ui.components.guarantees import named, verdict
from deqviz.ui.pages.training.charts import charts
from deqviz.ui.pages.training.setting import Setting
from deqviz.ui.shell.study_board import Progress, study_board

SHARES = {"lab": (1.3, 0.3), "adjoint": (0.0, 5.0), "map": (0.0, 3.7), "depth": (24.0, 0.2)}
"""What a training step and a row of each part cost, in milliseconds on one core; only ratios matter."""
SLOW = 9.0
"""The same for a training step through the equilibrium."""
ENOUGH = 0.05
"""Share of the work after which the time left is told."""
REASONS = {
    "lab": "N is linear: c and L_{R} are eigenvalues, exact for every loss",
    "map": "Id + M is linear with ‖M‖ = ε, and μ ≤ λ(A*A) ≤ ‖A‖²",
}
"""For all rows of a part together, whose own reasons name the numbers of one."""


def board(study: Study, setting: Setting) -> Board:
    """The study as it is now."""
    snapshot = study.snapshot()
    return study_board(
        study,
        snapshot,
        unit="steps",
        progress=Progress(
            len(snapshot.lessons) + snapshot.done,
            sum(_lessons(snapshot).values()) + snapshot.total,
            _left(snapshot),
        ),
        preparing="computing the signals and the operators",
        charts=charts(setting, snapshot),
        guarantees=_guarantees(setting, snapshot),
        explanation=_explanation(setting),
    )


def _lessons(snapshot: StudySnapshot) -> dict[str, int]:
    """How many training steps every network takes."""
    lab: LossLab | None = snapshot.experiment("lab")
    depth: BeyondDepth | None = snapshot.experiment("depth")
    steps = {} if lab is None else {objective.name: objective.steps for objective in lab.objectives}
    return steps | ({} if depth is None else {learner.name: depth.steps for learner in depth.learners})


def _left(snapshot: StudySnapshot) -> float | None:
    """Seconds that are still needed, by what steps and rows cost beside each other."""
    done = {name: 0 for name in _lessons(snapshot)}
    for lesson in snapshot.lessons:
        done[lesson.training] += 1
    lab: LossLab | None = snapshot.experiment("lab")
    names = () if lab is None else tuple(objective.name for objective in lab.objectives)
    spent = whole = 0.0
    for name, steps in _lessons(snapshot).items():
        cost = SHARES["lab" if name in names else "depth"][0]
        cost = SLOW if name == "through the equilibrium" else cost
        spent, whole = spent + cost * done[name], whole + cost * steps
    for part, rows in zip(snapshot.parts, snapshot.rows, strict=True):
        cost = SHARES[part.key][1]
        spent, whole = spent + cost * len(rows), whole + cost * len(part.experiment.cells)
    if snapshot.state != "running" or spent < ENOUGH * whole:
        return None
    return snapshot.seconds * (whole - spent) / spent


def _guarantees(setting: Setting, snapshot: StudySnapshot) -> Iterator[Row]:
    """What was tested on the rows; κ, L and the formula belong to one network or architecture each."""
    for guarantee in panel(snapshot.of("lab")):
        yield verdict(replace(guarantee, reason=REASONS["lab"]))
    for part in ("depth", "adjoint", "map"):
        for name, rows in _apart(snapshot.of(part)).items():
            for guarantee in panel(rows):
                # The random network says no more than the worst one, so it is told once.
                if guarantee.key != "typical" or name == setting.drawn:
                    reason = REASONS.get(part, guarantee.reason)
                    yield verdict(named(replace(guarantee, reason=reason), name))


def _apart(rows: tuple[Measured, ...]) -> dict[str, tuple[Measured, ...]]:
    """The rows of every network or architecture, the first part of their keys."""
    names = dict.fromkeys(str(row.key[0]) for row in rows)
    return {name: tuple(row for row in rows if row.key[0] == name) for name in names}


def _explanation(setting: Setting) -> Explanation:
    parts: list[str] = []
    hint = (
        "choose DE-Grad for the contraction map: it has admissible step sizes where DE-Prox has none."
        if setting.is_map
        else "switch on the contraction map: DE-Grad has admissible step sizes where DE-Prox has none."
    )
    if setting.is_lab:
        parts.append(
            "The range condition R(x) ≈ A*w is necessary and sufficient for a small error. So R = Id − N can "
            "be trained on it alone, without data, noise or equilibria, and the value of the loss bounds the "
            "error. The denoising loss does not use A; end-to-end training uses A, the noise and the "
            "equilibrium."
        )
        hint = "lower β: the plateau decreases, and the error at high noise approaches that of L₀."
    if setting.is_depth:
        parts.append(
            "An equilibrium network keeps its PSNR however long it iterates; one unrolled for K iterations "
            "is trained for the K-th only. Weights of its own per iteration may give a better image at K."
        )
    if setting.is_adjoint:
        parts.append(
            "The gradient through a fixed point solves a linear fixed-point equation with the same factor L."
        )
    if setting.is_map:
        parts.append(
            "Networks are written Id + M here, Lip(M) ≤ ε. DE-Prox then needs a smallest eigenvalue μ > 0 "
            "of A*A: for an A with a null space no step size is admissible."
        )
    equation = "A*(Ax − y) + α(x − Nx) = 0" if setting.is_lab else "x = T(x), T made of A, y and a network"
    return Explanation(equation, " ".join(parts), hint)
