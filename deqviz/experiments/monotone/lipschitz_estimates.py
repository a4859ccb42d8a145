"""Upper and lower bounds of Lip(H) for every trained network.

Secants ‖H(x + d) − H(x)‖/‖d‖ and derivatives ‖H′(x)‖ bound Lip(H) from below; the norms of the layers bound
it from above. The first two are what approximate training sees; only the last one proves anything.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from deqviz.core.guarantee import Guarantee, quantity
from deqviz.core.records import Map
from deqviz.core.space import Image, inner, norm, scale
from deqviz.diagnostics._jacobian import Jacobian
from deqviz.experiments._rows import Experiment, Key, Progress, Row
from deqviz.networks.monotone import LayerNorms, MonotoneCNN
from deqviz.regularizers.monotone import certified_lipschitz, network

__all__ = ["ORDER", "LipschitzEstimates", "LipschitzRow", "Named", "Quantity"]

Quantity = Literal["secant", "derivative", "grid", "everywhere", "product"]
ORDER: tuple[Quantity, ...] = ("secant", "derivative", "grid", "everywhere", "product")
"""From below to above: the order in which the numbers must come, but for the product, which is of N alone."""
TITLES: Mapping[Quantity, str] = {
    "secant": "secant",
    "derivative": "derivative",
    "grid": "bound on this grid",
    "everywhere": "on every grid",
    "product": "∏‖Wᵢ‖",
}


@dataclass(frozen=True)
class Named:
    """One trained network: its weights, a title, and the m that it was meant to have, None without one."""

    key: str
    title: str
    margin: float | None


@dataclass(frozen=True, slots=True)
class LipschitzRow(Row):
    """One number about one network; `side` says on which side of Lip(H) it is.

    `where` names the image for numbers from below, and the layer ("layer 1", …) for norms of layers, whose
    side is that of ‖W_i‖. `above` is the least proved bound of the number, None where it is one itself.
    `badge` is "certified" where Lip(H) ≤ 1 − m is part of the weights, "estimated" where it was trained for.
    """

    network: str
    quantity: str
    where: str
    value: float
    side: str
    badge: str
    above: float | None = None
    limit: float | None = None

    @property
    def key(self) -> Key:
        """Network, quantity, place."""
        return (self.network, self.quantity, self.where)

    @property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """The order of the numbers, and Lip(H) ≤ 1 − m."""
        guarantees: list[Guarantee] = []
        if self.above is not None:
            guarantees.append(self._order(self.above))
        if self.quantity == ("everywhere" if self.badge == "certified" else "derivative"):
            guarantees.append(self._margin())
        return tuple(guarantees)

    def _order(self, above: float) -> Guarantee:
        name, statement = "Lower ≤ upper bounds of Lip(H)", "below ≤ Lip(H) ≤ (1 − m)(1 − t + t ∏‖W_i‖)"
        reason = "the layers are periodic convolutions, and sorting pairs is 1-Lipschitz"
        row = Guarantee(
            "order",
            name,
            statement,
            "certified",
            reason,
            quantity(above),
            quantity(self.value),
            1e-5 * above,
        )
        return replace(row, paper="monotone operator learning")

    def _margin(self) -> Guarantee:
        key, name = f"margin.{self.network}", "Monotonicity modulus m of F"
        statement = "Lip(H) ≤ 1 − m, hence ⟨F(x) − F(z), x − z⟩ ≥ m‖x − z‖²"
        if self.limit is None:
            reason = "this network was trained without constraint"
            return Guarantee(key, name, statement, "not applicable", reason, value=quantity(self.value))
        if self.badge != "certified":
            reason = "derivatives at a few images bound Lip(H) from below: this proves nothing elsewhere"
            return Guarantee(
                key, name, statement, "estimated", reason, quantity(self.limit), quantity(self.value)
            )
        reason = "by the norms of the layers, for periodic images of every size"
        return Guarantee(
            key, name, statement, "certified", reason, quantity(self.limit), quantity(self.value)
        )


@dataclass(frozen=True)
class LipschitzEstimates(Experiment[LipschitzRow]):
    """The numbers of every network at every image, b × c × h × w by its title; double precision.

    Secants are of length `radius`·‖x‖, raised by `ascent` steps as in training; derivatives take `products`
    of H′ and its adjoint, at x and where the secant ends, so that the secant's direction is among them.
    """

    networks: tuple[Named, ...]
    pictures: tuple[tuple[str, Image], ...]
    radius: float = 0.01
    ascent: int = 10
    products: int = 12

    @property
    def row_type(self) -> type[LipschitzRow]:
        """`LipschitzRow`."""
        return LipschitzRow

    @property
    def cells(self) -> tuple[Key, ...]:
        """Networks; of each the layers, the bounds, and two numbers for each image."""
        return tuple(cell for named in self.networks for cell in self._cells(named))

    def _cells(self, named: Named) -> tuple[Key, ...]:
        layers = tuple(f"layer {n + 1}" for n in range(len(network(named.key).layers)))
        of_layers = ((named.key, "layer", where) for where in layers)
        bounds = ((named.key, quantity, "") for quantity in ORDER[2:])
        below = ((named.key, q, title) for title, _ in self.pictures for q in ORDER[:2])
        return (*of_layers, *bounds, *below)

    def run(self, old_rows: Sequence[LipschitzRow] = ()) -> Iterator[Progress[LipschitzRow]]:
        """The rows, network by network."""
        by_key, total, done = {row.key: row for row in old_rows}, len(self.cells), 0
        for named in self.networks:
            cells = self._cells(named)
            if all(cell in by_key for cell in cells):
                rows: Iterator[LipschitzRow | None] = (by_key[cell] for cell in cells)
            else:
                rows = self._rows(named)
            for row in rows:
                done += row is not None
                yield Progress(done, total, row)

    def _rows(self, named: Named) -> Iterator[LipschitzRow | None]:
        badge = _badge(named)
        limit = None if named.margin is None else 1 - named.margin
        net = network(named.key, torch.float64)
        grid = net.norms(self.pictures[0][1].shape[2:])
        yield None
        everywhere = net.norms()
        for n, value in enumerate(everywhere.layers):
            yield LipschitzRow(named.key, "layer", f"layer {n + 1}", value, "upper bound", badge, None, limit)
        for kind, value in _bounds(grid, everywhere).items():
            yield LipschitzRow(named.key, kind, "", value, "upper bound", badge, None, limit)
        above = min(grid.lipschitz, everywhere.lipschitz)
        for title, x in self.pictures:
            secant, end = yield from self._secant(net, x)
            derivative = 0.0
            for z, d in ((x, end - x), (end, end - x)):
                derivative = max(derivative, _norm(net, z, d, self.products))
                yield None
            for kind, value in (("secant", secant), ("derivative", derivative)):
                yield LipschitzRow(named.key, kind, title, value, "lower bound", badge, above, limit)

    def _secant(self, H: Map, x: Image) -> Generator[None, None, tuple[float, Image]]:
        """The largest ‖H(x + d) − H(x)‖/‖d‖ of an ascent over ‖d‖ = `radius`·‖x‖, and x + d."""
        size = self.radius * norm(x)
        d = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
        d = scale(size / norm(d), d)
        with torch.no_grad():
            here = H(x)
        best, end = 0.0, x
        for _ in range(self.ascent + 1):
            rise, value = _rise(H, x, d, here)
            if value > best:
                best, end = value, x + d
            d = scale(size / norm(rise).clamp_min(1e-30), rise)
            yield
        return best, end


def _badge(named: Named) -> str:
    if certified_lipschitz(named.key) is not None:
        return "certified"
    return "none" if named.margin is None else "estimated"


def _bounds(grid: LayerNorms, everywhere: LayerNorms) -> dict[str, float]:
    return {"grid": grid.lipschitz, "everywhere": everywhere.lipschitz, "product": everywhere.product}


@torch.enable_grad()
def _rise(H: Map, x: Image, d: Image, here: Image) -> tuple[Image, float]:
    """The gradient of ‖H(x + d) − H(x)‖ in d, and ‖H(x + d) − H(x)‖/‖d‖."""
    d = d.detach().requires_grad_()
    far = norm(H(x + d) - here)
    (rise,) = torch.autograd.grad(far.sum(), d)
    return rise, float((far / norm(d)).detach())


def _norm(H: MonotoneCNN, z: Image, d: Image, products: int) -> float:
    """‖H′(z)‖ from below: ‖H′(z)v‖/‖v‖ after some steps of power iteration from v = d."""
    J, v, value = Jacobian(H, z), d / norm(d), 0.0
    for _ in range(products):
        hv = J.apply(v)
        value = max(value, float(inner(hv, hv)) ** 0.5)
        v = J.adjoint(hv)
        v = v / norm(v).clamp_min(1e-30)
    return value
