"""The trajectory of a run in its two main directions, with a logarithmic radius around the limit."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deqviz.core.space import Data


@dataclass(frozen=True)
class Plane:
    """The plane limit + span(u, v), drawn in polar coordinates with the radius log(1 + ‖x − limit‖/unit).

    u and v are orthonormal. `coordinates` are those of the points it was made from, `n × 2` in float64:
    their distance to the limit is the true one, only their direction is projected.
    """

    limit: Data
    u: Data
    v: Data
    unit: float
    coordinates: Tensor

    def place(self, points: Sequence[Data]) -> Tensor:
        """The coordinates of any states, `n × 2`; exact inverse of `to_pictures` within the plane."""
        origin = self.limit.flatten()
        differences = torch.stack([x.detach().flatten() for x in points]) - origin
        flat = torch.stack(
            [torch.linalg.vecdot(_real(w.flatten()), _real(differences)) for w in (self.u, self.v)], 1
        )
        return _polar(flat.double().cpu(), _distances(differences), self.unit)

    def to_pictures(self, coordinates: Tensor) -> Data:
        """The states at `n × 2` coordinates, stacked along the batch: there T's residual can be drawn."""
        radius = torch.linalg.vector_norm(coordinates.double(), dim=1)
        stretch = torch.where(radius > 0, self.unit * radius.expm1() / radius.clamp_min(1e-300), self.unit)
        a, b = (coordinates.double() * stretch[:, None]).to(self.limit.device, self.limit.dtype).unbind(1)
        shape = (-1, *[1] * (self.limit.ndim - 1))
        return self.limit + a.view(shape) * self.u + b.view(shape) * self.v

    def to_picture(self, a: float, b: float) -> Data:
        """The state at one pair of coordinates."""
        return self.to_pictures(torch.tensor([[a, b]], dtype=torch.float64))


def plane(points: Sequence[Data], limit: Data, *, unit: float | None = None) -> Plane:
    """The plane through `limit` that fits the points best as they will be drawn.

    Its directions are the two main ones of the differences after their lengths are made logarithmic, so
    that late iterates count too; they come from the small Gram matrix of the differences. States have a
    batch of one. `unit` is the distance below which the drawing is linear, by default a thousandth of the
    largest; give it when an image must stay put while the run goes on.
    """
    if limit.shape[0] != 1:
        raise ValueError(f"a trajectory is of one image, not of a batch of {limit.shape[0]}")
    limit = limit.detach()
    differences = torch.stack([x.detach().flatten() for x in points]) - limit.flatten()
    distances = _distances(differences)
    if unit is None:
        unit = 1e-3 * float(distances.max()) or 1.0
    flat = _real(differences).double()
    log_scale = torch.where(distances > 0, (distances / unit).log1p() / distances.clamp_min(1e-300), 0.0)
    drawn = flat * log_scale.to(flat.device)[:, None]
    values, vectors = torch.linalg.eigh((drawn @ drawn.mT).cpu())
    basis: list[Tensor] = []
    for i in range(1, min(2, len(values)) + 1):
        if values[-i] > 1e-12 * values[-1].clamp_min(1e-300):
            mix = vectors[:, -i]
            # The sign of an eigenvector is arbitrary: the point that counts most lies on the positive side.
            mix = mix * torch.sign(mix[mix.abs().argmax()])
            _add_orthonormal(basis, mix.to(drawn.device) @ drawn)
    # A run along one line, or of one point, still needs a plane: any fixed smooth image will do.
    ramp = torch.linspace(-1, 1, flat.shape[1], dtype=flat.dtype, device=flat.device)
    for direction in (torch.ones_like(ramp), ramp, ramp**2, ramp**3):
        if len(basis) < 2:
            _add_orthonormal(basis, direction)
    if len(basis) < 2:
        raise ValueError("a state of one number has no plane")
    u, v = (_like(w, limit) for w in basis)
    coordinates = _polar(torch.stack([flat @ w for w in basis], 1).cpu(), distances, unit)
    return Plane(limit, u, v, unit, coordinates)


def _real(x: Tensor) -> Tensor:
    """Complex entries as pairs of real ones."""
    return torch.view_as_real(x).flatten(-2) if x.is_complex() else x


def _like(w: Tensor, x: Tensor) -> Data:
    """The inverse of `_real`, shaped like x."""
    w = w.to(x.dtype.to_real())
    return torch.view_as_complex(w.view(*x.shape, 2)) if x.is_complex() else w.view(x.shape)


def _distances(differences: Tensor) -> Tensor:
    """Their norms, in float64 on the CPU."""
    return torch.linalg.vector_norm(_real(differences).double(), dim=1).cpu()


def _add_orthonormal(basis: list[Tensor], w: Tensor) -> None:
    """Append the part of w that is orthogonal to what was found, if there is any."""
    size = torch.linalg.vector_norm(w)
    for _ in range(2):
        for p in basis:
            w = w - torch.dot(p, w) * p
    rest = torch.linalg.vector_norm(w)
    if rest > 1e-6 * size:
        basis.append(w / rest)


def _polar(flat: Tensor, distances: Tensor, unit: float) -> Tensor:
    """Projections to coordinates: their direction, with the radius of the true distance."""
    length = torch.linalg.vector_norm(flat, dim=1)
    radius = (distances / unit).log1p()
    return flat * torch.where(length > 0, radius / length.clamp_min(1e-300), 0.0)[:, None]
