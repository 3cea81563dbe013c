"""Activations: element-wise, each a kernel with its gradient."""
from __future__ import annotations

import numpy as np

from .._kernels import kernels
from ..autograd import Function


class Activation(Function):
    """What element-wise functions with a kernel share; `kernel` is the stem of the kernels' names."""

    kernel: str

    def shapes(self, x):
        """The shape of x."""
        return x

    def forward(self, x):
        """y = f(x)."""
        self.save(x=x)
        y = np.empty_like(x)
        getattr(kernels(x.dtype), f"{self.kernel}_forward")(x.reshape(-1), y.reshape(-1))
        return y

    def backward(self, gy):
        """gx = gy f'(x)."""
        gx = np.empty_like(gy)
        getattr(kernels(gy.dtype), f"{self.kernel}_backward")(self.saved.x.reshape(-1), gy.reshape(-1), gx.reshape(-1))
        return gx


class ReLU(Activation, op="relu"):
    """max(x, 0)."""

    kernel = "relu"


def relu(x):
    """max(x, 0), of any shape; the gradient at 0 is 0.

    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

    >>> from tinycnn import Tensor
    >>> relu(Tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return ReLU.apply(x)
