"""X-ray computed tomography with parallel beams."""

import math
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from deqviz.core.catalog import OPERATORS
from deqviz.core.estimate import Estimate
from deqviz.core.operator import ForwardModel
from deqviz.core.registry import Options, Range
from deqviz.core.space import Data, Image, Space, wide


@dataclass(frozen=True, eq=False)
class _Matrix:
    """A sparse matrix beside its transpose. No tensor to torch.func, which cannot wrap sparse ones."""

    forward: Tensor
    backward: Tensor

    @property
    def T(self) -> "_Matrix":
        return _Matrix(self.backward, self.forward)


class _Product(Function):
    """M v, with derivatives of every order that cost one sparse product each."""

    @staticmethod
    def forward(v: Tensor, matrix: _Matrix) -> Tensor:
        return matrix.forward @ v

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, _Matrix], output: Tensor) -> None:
        del output
        ctx.matrix = inputs[1]

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None]:
        return _product(grad_outputs[0], ctx.matrix.T), None

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Tensor:
        return _product(grad_inputs[0], ctx.matrix)


def _product(v: Tensor, matrix: _Matrix) -> Tensor:
    result: Tensor = _Product.apply(v, matrix)  # pyright: ignore[reportAssignmentType]
    return result


class _System(NamedTuple):
    """A as a sparse matrix, the scale S in it, a lower bound of ‖A‖, and the most terms of its sums."""

    matrix: _Matrix
    scale: float
    norm: float
    terms: int


def _left_of(t: np.ndarray, cosine: np.ndarray, sine: np.ndarray) -> np.ndarray:
    """The share of a unit square's shadow that falls left of t; the shadow is a trapezoid around 0."""
    long, short = np.maximum(cosine, sine), np.minimum(cosine, sine).clip(1e-12)
    into = np.maximum((cosine + sine) / 2 - np.abs(t), 0)
    ramp = np.minimum(into, short)
    tail = (into - ramp * (1 - ramp / (2 * short))) / long
    return np.where(t < 0, tail, 1 - tail)


@OPERATORS.register("tomography", title="Computed tomography (parallel beam)", family="Computed tomography")
class Tomography(ForwardModel):
    """Strip integrals: (A x)_{θj} = (1/S) Σ_i |pixel i ∩ strip j of view θ|/d · x_i, strips d wide.

    Exact for images that are constant on each pixel. View k of V looks along θ_k = k·span/V, turned
    from the image's columns; the detector covers the whole diagonal, so corners count. A is a sparse
    matrix and A* its very transpose, kept as a second matrix: about 230 MB together for 256² and 60 views.
    In double precision, for sums of hundreds of terms would lose too much in single.

    The scale S makes ‖A‖ ≤ 1: S² = max_i (WᵀWp)_i/p_i bounds ‖W‖² for every p > 0 when W ≥ 0 (Collatz
    1942, Wielandt 1950), and p from up to twelve power iterations brings it within 1 % of ‖W‖² as a rule.
    """

    baseline_name = "FBP"
    takes_double = is_double = True

    views: Annotated[
        int, Range(10, 180, "Projection angles", symbol="V", help="Number of projection angles.")
    ] = 60
    span: Annotated[
        float,
        Range(30.0, 180.0, "Angular range", unit="°", help="Below 180°: limited-angle tomography."),
    ] = 180.0
    bin: Annotated[
        float,
        Range(1.0, 4.0, "Detector bin width", unit="px", symbol="d", help="In pixels.", advanced=True),
    ] = 1.0
    window: Annotated[
        Literal["hann", "ramp"],
        Options(
            "FBP window", "Window on the ramp filter of the filtered back-projection (FBP).", advanced=True
        ),
    ] = "hann"

    @property
    def _bins(self) -> int:
        """Enough for the diagonal, and one bin on each side."""
        return math.ceil(math.hypot(*self.image.shape[-2:]) / self.bin) + 2

    @property
    def codomain(self) -> Space:
        """Sinograms, c × angles × bins."""
        return Space((self.image.shape[0], self.views, self._bins), self.image.dtype, self.image.device)

    def _shadows(self) -> Any:
        """Wᵀ, pixels × (views · bins): each pixel meets at most three bins of a view, as d ≥ 1."""
        h, w = self.image.shape[-2:]
        theta = math.radians(self.span) / self.views * np.arange(self.views)
        cosine, sine = np.abs(np.cos(theta)), np.abs(np.sin(theta))
        across = (np.arange(w)[:, None] - (w - 1) / 2) * np.cos(theta) + self._bins / 2 * self.bin
        offset = np.arange(self.views, dtype=np.int32) * self._bins
        shares = np.empty((h, w, self.views, 3))
        bins = np.empty((h, w, self.views, 3), np.int32)
        # Row by row of the image: the work arrays stay in the cache and the results are contiguous.
        for i in range(h):
            place = across + (i - (h - 1) / 2) * np.sin(theta)
            low = np.floor((place - (cosine + sine) / 2) / self.bin)
            border = (low + 1) * self.bin - place
            first, two = (_left_of(border + n * self.bin, cosine, sine) for n in (0, 1))
            shares[i, ..., 0], shares[i, ..., 1], shares[i, ..., 2] = first, two - first, 1 - two
            column = low.astype(np.int32) + offset
            bins[i, ..., 0], bins[i, ..., 1], bins[i, ..., 2] = column, column + 1, column + 2
        if self.bin != 1:
            shares /= self.bin
        starts = np.arange(0, bins.size + 1, 3 * self.views, dtype=np.int32)
        size = (h * w, self.views * self._bins)
        # Imported here: it would add a tenth of a second to every start of the package.
        from scipy.sparse import csr_array

        matrix = csr_array((shares.reshape(-1), bins.reshape(-1), starts), shape=size)
        matrix.eliminate_zeros()
        return matrix

    @cached_property
    def _system(self) -> _System:
        shadows = self._shadows()
        columns = shadows.tocsc()
        n, m = math.prod(self.image.shape[-2:]), self.views * self._bins
        project = _sparse(columns.indptr, columns.indices, columns.data, (m, n))
        back = _sparse(shadows.indptr, shadows.indices, shadows.data, (n, m))
        p, norm, square = torch.ones(n, dtype=torch.float64), 0.0, math.inf
        for _ in range(12):
            image = project @ p
            q = back @ image
            norm, square = float(image.norm() / p.norm()), min(square, float((q / p).max()))
            p = q / q.max()
            if norm**2 >= 0.99 * square:
                break
        # Sums of n nonnegative terms are right up to the factor 1 ± n·u, u half the machine epsilon.
        terms = int(np.diff(columns.indptr).max() + np.diff(shadows.indptr).max())
        scale = math.sqrt(square * (1 + (terms + 8) * torch.finfo(torch.float64).eps))
        for half in (project, back):
            half.values().div_(scale)
        matrix = _Matrix(project.to(self.image.device), back.to(self.image.device))
        return _System(matrix, scale, norm / scale, terms)

    @property
    def roundings(self) -> float:
        """The terms of both sums; A ≥ 0 is its own |A|."""
        return self._system.terms + 8

    @staticmethod
    def _times(v: Tensor, matrix: _Matrix) -> Tensor:
        """Every row of the b × c × n batch v is multiplied by the matrix."""
        flat = wide(v.flatten(0, 1))
        # One row as a vector: a sparse product with a matrix of one column costs a third more.
        rows = (
            _product(flat[0], matrix)[None] if len(flat) == 1 else _product(flat.mT, matrix).mT.contiguous()
        )
        return rows.unflatten(0, v.shape[:2]).to(v.dtype)

    def apply(self, x: Image) -> Data:
        """The sinograms of x."""
        return self._times(x.flatten(-2), self._system.matrix).unflatten(-1, (self.views, self._bins))

    def adjoint(self, y: Data) -> Image:
        """The back-projection, by the transposed matrix."""
        return self._times(y.flatten(-2), self._system.matrix.T).unflatten(-1, self.image.shape[-2:])

    def norm(self) -> Estimate:
        """‖Ap‖/‖p‖ for the positive p of the class's docstring, within 0.5 % as a rule."""
        return Estimate("‖A‖", self._system.norm, "lower bound")

    def norm_bound(self) -> Estimate:
        """1, by the choice of the scale."""
        return Estimate("‖A‖", 1.0, "upper bound")

    def baseline(self, y: Data) -> Image:
        """Filtered back-projection with the ramp of Kak and Slaney 1988, eq. 3.61, and the chosen window."""
        size = 2 ** math.ceil(math.log2(2 * self._bins))
        place = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
        kernel = torch.where(place % 2 == 1, -1 / (math.pi * place).square(), 0.0)
        kernel[0] = 0.25
        response = torch.fft.rfft(kernel).real
        if self.window == "hann":
            response = response * (1 + torch.cos(math.pi * torch.linspace(0, 1, size // 2 + 1))) / 2
        response = response.to(y.device, y.dtype)
        filtered = torch.fft.irfft(torch.fft.rfft(y, n=size) * response, n=size)[..., : self._bins]
        # ∫ dθ over the span; A* carries 1/(S d) per share, the data 1/S, the ramp 1/d per sample.
        weight = math.radians(self.span) / self.views * self._system.scale**2
        return self.adjoint(filtered) * weight


def _sparse(starts: np.ndarray, places: np.ndarray, values: np.ndarray, size: tuple[int, int]) -> Tensor:
    """A compressed sparse row tensor on the CPU; 32-bit indices, which MKL and cuSPARSE take as they are."""
    rows, columns = (torch.from_numpy(part.astype(np.int32, copy=False)) for part in (starts, places))
    with warnings.catch_warnings():
        # torch says once per process that sparse CSR is in beta.
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(rows, columns, torch.from_numpy(values), size, check_invariants=False)
