"""The derivative of a map at one point, as an operator and its adjoint."""

import warnings

import torch
from torch.autograd import forward_ad

from deqviz.core.records import Map
from deqviz.core.space import Data, Result


class Jacobian:
    """J = f′(x), as J v and J*u; exact wherever autograd is; f may lead to another space.

    Complex tensors carry the real inner product, for which PyTorch's gradient is the adjoint.
    """

    def __init__(self, f: Map, x: Data) -> None:
        """Record one graph of f at x, which every product reuses."""
        self.f = f
        with torch.enable_grad():
            self.x = x.detach().clone().requires_grad_()
            self.fx = f(self.x)

    def adjoint(self, u: Data) -> Result:
        """J*u by one backward pass."""
        if not self.fx.requires_grad:
            return torch.zeros_like(self.x)
        (product,) = torch.autograd.grad(self.fx, self.x, u, retain_graph=True, materialize_grads=True)
        return product

    def apply(self, v: Data) -> Result:
        """J v by two backward passes, or by forward differentiation where an operation allows only one.

        Not the other way round: the first use of forward differentiation imports for seconds.
        """
        try:
            return self._apply_backward(v)
        except RuntimeError:
            return self._apply_forward(v)

    def _apply_backward(self, v: Data) -> Result:
        """J v as the gradient of ⟨J*u, v⟩ with respect to u, which is linear in u."""
        if not self.fx.requires_grad:
            return torch.zeros_like(self.fx)
        with torch.enable_grad():
            u = torch.zeros_like(self.fx, requires_grad=True)
            (ju,) = torch.autograd.grad(self.fx, self.x, u, create_graph=True, materialize_grads=True)
            if not ju.requires_grad:
                return torch.zeros_like(self.fx)
            (product,) = torch.autograd.grad(ju, u, v, materialize_grads=True)
        return product

    def _apply_forward(self, v: Data) -> Result:
        """J v as the tangent of f(x + t v)."""
        with warnings.catch_warnings():
            # Loading the rules makes PyTorch 2.13 warn of its own torch.jit.script.
            warnings.simplefilter("ignore", DeprecationWarning)
            with torch.no_grad(), forward_ad.dual_level():
                tangent = forward_ad.unpack_dual(self.f(forward_ad.make_dual(self.x.detach(), v))).tangent
                return torch.zeros_like(self.fx) if tangent is None else tangent.clone()


def probe(x: Data, seed: int) -> Data:
    """Standard normal entries like x, the same on every device."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(x.shape, dtype=x.dtype, generator=rng).to(x.device)
