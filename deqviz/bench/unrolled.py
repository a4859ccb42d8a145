"""The table of unrolled networks for sparse coding: descent, noise, other signals, duals, images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

from deqviz.bench.clock import one_thread
from deqviz.bench.rows import Row
from deqviz.core.space import Image
from deqviz.experiments._rows import only_rows
from deqviz.experiments.unrolled.baselines import Baseline
from deqviz.experiments.unrolled.layer_descent import LayerDescent, LayerRow
from deqviz.experiments.unrolled.layer_noise import LayerNoise
from deqviz.experiments.unrolled.layer_shift import LayerShift
from deqviz.experiments.unrolled.patch_strip import NOISY, SOLVED, PatchStrip
from deqviz.experiments.unrolled.training_run import Taught, TeachingRun
from deqviz.learning.descent import Descent
from deqviz.learning.primal_dual import Teaching
from deqviz.learning.problems import TEACHINGS, patch_problem, random_problem
from deqviz.networks import _weights
from deqviz.networks.lista import UnrolledSparseCoder
from deqviz.training.data import pictures

DEVIATIONS = (0.1, 0.3)
SHIFTS = (0.1, 0.6)
RATE = 0.2
SIGNALS = 2000


def rows(data: Path, only: str) -> Iterator[Row]:
    """Shipped networks on unseen signals, one training with its duals, Set12; `only` picks by name."""
    parts = {
        "layers": _layers,
        "noise": _noise,
        "shift": _shift,
        "duals": _duals,
        "pictures": lambda: _pictures(data),
    }
    with one_thread():
        for name, make in parts.items():
            if not only or only in name:
                yield from make()


def shipped(prefix: str = "lista_") -> tuple[Baseline, ...]:
    """The networks of this family by the names of their trainings."""
    networks: list[Baseline] = []
    stored = {card.key for card in _weights.cards()}
    names = {key: teaching.name for key, teaching in TEACHINGS.items()}
    for key, name in (names | {"coupled": "LISTA-CP", "analytic": "ALISTA"}).items():
        if prefix + key in stored:
            net = _weights.load(prefix + key)
            assert isinstance(net, UnrolledSparseCoder)
            networks.append(Baseline(name, net=net))
    return tuple(networks)


def _layers() -> Iterator[Row]:
    experiment = LayerDescent(random_problem(), shipped(), rate=RATE, signals=SIGNALS)
    by_network: dict[str, list[LayerRow]] = {}
    for row in only_rows(experiment.run()):
        by_network.setdefault(row.rival, []).append(row)
    for title, of in by_network.items():
        rises = sum((row.ratio or 0.0) > 1 for row in of)
        worst = max(row.ratio or 0.0 for row in of)
        bump = max(row.distance for row in of[2:-1]) / of[1].distance
        if title in ("C", "C0"):
            yield Row(f"layers, {title}: rises of the distance", rises, "", 0, "at most")
            yield Row(f"layers, {title}: largest ratio of means", worst, "", 1 - RATE + 0.01, "at most")
        elif title == "U":
            yield Row("layers, U: rises of the distance", rises, "", 4)
            yield Row("layers, U: largest distance of 2 to 9 over that after 1", bump, "", 1.2)
        else:
            yield Row(f"layers, {title}: rises of the distance", rises, "")
        limit = min(0.10, by_network["U"][-1].distance) if title == "C" else None
        yield Row(f"layers, {title}: distance after 10", of[-1].distance, "", limit, "at most")
        if title in ("C", "C0"):
            yield Row(f"layers, {title}: worst slack", of[-1].excess or 0.0, "")


def _noise() -> Iterator[Row]:
    experiment = LayerNoise(random_problem(), shipped(), DEVIATIONS, signals=SIGNALS)
    at = {(row.rival, row.deviation): row.distance for row in only_rows(experiment.run()) if row.layer == 10}
    for (title, s), distance in at.items():
        limit = 0.35 if (title, s) == ("C", 0.1) else None
        yield Row(f"noise s = {s:g}, {title}: distance after 10", distance, "", limit, "at most")
    for title in ("UN", "C0", "C"):
        gain = at["U", 0.1] / at[title, 0.1]
        yield Row(f"noise s = 0.1, U over {title}", gain, "times", 3.0 if title == "C" else None)


def _shift() -> Iterator[Row]:
    experiment = LayerShift(random_problem(), shipped(), SHIFTS, signals=SIGNALS)
    at = {(row.rival, row.shift): row.distance for row in only_rows(experiment.run())}
    for (title, p), distance in at.items():
        yield Row(f"shift p = {p:g}, {title}: distance after 10", distance, "")
    yield Row("shift p = 0.1, U over C", at["U", 0.1] / at["C", 0.1], "times", 1.4)


def _duals() -> Iterator[Row]:
    """The training of C anew, with the numbers that only a training has."""
    for form in ("difference of means", "mean of ratios"):
        teaching = Teaching("C", Descent("distance", form, RATE), is_noisy=True, steps=10_000)
        experiment = TeachingRun(random_problem(), (teaching,), rate=RATE, trained=16_000, signals=SIGNALS)
        lessons: list[Taught] = []
        layer_rows: list[LayerRow] = []
        for progress in experiment.run():
            if isinstance(progress, Taught):
                lessons.append(progress)
            elif progress.row is not None:
                layer_rows.append(progress.row)
        tail = lessons[-len(lessons) // 20 :]
        ratios = (row.each if form == "mean of ratios" else row.ratio for row in layer_rows)
        worst = max(value or 0.0 for value in ratios)
        name = f"duals, {form}"
        yield Row(f"{name}: largest dual at the end", max(lessons[-1].duals), "", 0.05, "at most")
        yield Row(f"{name}: largest slack, last twentieth", _mean_slack(tail), "", 0.0, "at most")
        yield Row(f"{name}: largest ratio in this form, unseen", worst, "", 1 - RATE + 0.01, "at most")
        yield Row(f"{name}: distance after 10, unseen", layer_rows[-1].distance, "", 0.10, "at most")


def _mean_slack(lessons: Sequence[Taught]) -> float:
    """The largest over the layers of the mean over steps: one batch alone is noise."""
    return max(fmean(values) for values in zip(*(lesson.slacks for lesson in lessons), strict=True))


def _pictures(data: Path) -> Iterator[Row]:
    """Set12 at σ = 25/255, the upper left 256 × 256 of each image."""
    quality: dict[tuple[str, int], list[float]] = {}
    for place, picture in enumerate(pictures(data / "test" / "set12")):
        truth: Image = picture[None, :, :256, :256]
        strip = PatchStrip(truth, patch_problem(), shipped("lista_patch_"), seed=place)
        for row in only_rows(strip.run()):
            quality.setdefault((row.rival, row.layer), []).append(row.psnr)
    for (title, layer), values in quality.items():
        if layer in (0, 1, 5, 10):
            where = "" if title in (NOISY, SOLVED) else f" after {layer}"
            yield Row(f"pictures, Set12, σ = 25: {title}{where}", fmean(values), "dB")
