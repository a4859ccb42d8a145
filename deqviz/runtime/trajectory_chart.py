"""The path of the iterates in the plane of the run's two main directions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deqviz.diagnostics.trajectory import plane
from deqviz.experiments.probe import Landscape, Path, Probe


@dataclass(frozen=True, slots=True)
class Track:
    """One run's way, in the coordinates of the plane."""

    label: str
    a: np.ndarray
    b: np.ndarray
    k: np.ndarray


@dataclass(frozen=True, slots=True)
class Chart:
    """All tracks, and the landscape under them; `is_final` when the origin is the limit."""

    tracks: tuple[Track, ...]
    is_final: bool
    landscape: Landscape | None = None


def draw(main: Path, probes: Sequence[Probe], *, is_final: bool) -> Chart | None:
    """The chart of a run and of the runs from other starts; None until there are three images.

    While a run goes on its newest iterate stands for the limit. The plane changes as the run grows and
    stands still once the landscape has been begun on it.
    """
    labelled = [("from the direct inversion", main), *((p.title, p.path) for p in probes if p.path)]
    if not main or sum(len(path) for _, path in labelled) < 3:
        return None
    landscape = next((p.landscape for p in probes if p.landscape is not None), None)
    limit = main[-1][1]
    points = [x for _, path in labelled for _, x in path]
    chart = landscape.plane if landscape is not None else plane(points, limit)
    coordinates = (chart.place(points) if landscape is not None else chart.coordinates).numpy()
    tracks: list[Track] = []
    begin = 0
    for label, path in labelled:
        part = coordinates[begin : begin + len(path)]
        tracks.append(Track(label, part[:, 0], part[:, 1], np.array([k for k, _ in path])))
        begin += len(path)
    return Chart(tuple(tracks), is_final, landscape)
