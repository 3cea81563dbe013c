"""What element-wise losses share: one pair of kernels, which runs any kind of them."""
from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..._kernels import kernels
from ...autograd import Function
from ..contracts import require_elements
from .reduction import divisor, gradient_of_each, quotient


class PairLoss(Function):
    """A loss of each pair (input, target), weighted where `weight` is an input; gradients for both."""

    inputs: ClassVar[tuple[str, ...]] = ("input", "target")
    attributes: ClassVar[tuple[str, ...]] = ("reduction",)
    kind: str  # the name that the kernels know it by
    reduction: str

    def constants(self) -> tuple[float, float, float]:
        """The numbers a, b, c of the kernels."""
        return 0.0, 0.0, 0.0

    def shapes(self, x, *others):
        """() where the losses are reduced, else the shape of the input, which the other inputs must have."""
        require_elements(self.op, self.inputs[0], x)
        for name, shape in zip(self.inputs[1:], others):
            if shape is not None and shape != x:
                raise ValueError(f"{self.op}: {name} has shape {shape}, expected that of {self.inputs[0]}, {x}")
        return x if self.reduction == "none" else ()

    def forward(self, x, target, weight=None, other=None):
        """w f(x, target), each or reduced."""
        flat = [None if a is None else a.reshape(-1) for a in (x, target, weight, other)]
        each = np.empty_like(x) if self.reduction == "none" else None
        total = kernels(x.dtype, "losses").elementwise_loss_forward(
            *flat, self.kind, *self.constants(), None if each is None else each.reshape(-1))
        self.save(arguments=flat, shape=x.shape)
        return quotient(total, divisor(self.reduction, x.shape), x.dtype) if each is None else each

    def backward(self, gy):
        """gy w df/dx, and gy w df/dtarget where it is wanted."""
        g = gradient_of_each(gy, divisor(self.reduction, self.saved.shape))
        constants = (None,) * (len(self.inputs) - 2)
        return (self._gradient(g, False) if self.needs(self.inputs[0]) else None,
                self._gradient(g, True) if self.needs(self.inputs[1]) else None, *constants)

    def _gradient(self, g: np.ndarray, to_target: bool) -> np.ndarray:
        gx = np.empty(self.saved.shape, g.dtype)
        kernels(g.dtype, "losses").elementwise_loss_backward(*self.saved.arguments, self.kind, *self.constants(), g,
                                                             to_target, gx.reshape(-1))
        return gx
