"""Activations: element-wise, each a kernel with its gradient."""
from __future__ import annotations

from typing import ClassVar

import numpy as np

from .._kernels import kernels
from ..autograd import Function
from .contracts import require_elements


class Activation(Function):
    """What element-wise functions with a kernel share: the kernels are `<op>_forward` and `<op>_backward`."""

    keeps: ClassVar[str] = "x"  # what backward is told from: "x", or "y" where it suffices (x may then be freed)

    def shapes(self, x):
        """The shape of x."""
        require_elements(self.op, "x", x)
        return x

    def forward(self, x):
        """y = f(x)."""
        y = np.empty_like(x)
        getattr(kernels(x.dtype), f"{self.op}_forward")(x.reshape(-1), y.reshape(-1))
        self.save(kept=x if self.keeps == "x" else y)
        return y

    def backward(self, gy):
        """gx = gy f'(x)."""
        gx = np.empty_like(gy)
        kernel = getattr(kernels(gy.dtype), f"{self.op}_backward")
        kernel(self.saved.kept.reshape(-1), gy.reshape(-1), gx.reshape(-1))
        return gx


class ReLU(Activation, op="relu"):
    """max(x, 0)."""

    keeps = "y"


def relu(x):
    """max(x, 0), of any shape; the gradient at 0 is 0.

    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

    >>> from tinycnn import Tensor
    >>> relu(Tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return ReLU.apply(x)


class ReLU6(Activation, op="relu6"):
    """min(max(x, 0), 6)."""

    keeps = "y"


def relu6(x):
    """min(max(x, 0), 6), of any shape; the gradient at 0 and at 6 is 0.

    Howard et al., "MobileNets", 2017.

    >>> from tinycnn import Tensor
    >>> relu6(Tensor([-1.0, 2.0, 7.0])).tolist()
    [0.0, 2.0, 6.0]
    """
    return ReLU6.apply(x)


class HardSigmoid(Activation, op="hardsigmoid"):
    """relu6(x + 3) / 6."""

    keeps = "y"


def hardsigmoid(x):
    """relu6(x + 3) / 6, of any shape: sigmoid, of straight lines; the gradient at -3 and at 3 is 0.

    Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.

    >>> from tinycnn import Tensor
    >>> hardsigmoid(Tensor([-4.0, 0.0, 3.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return HardSigmoid.apply(x)


class HardSwish(Activation, op="hardswish"):
    """x relu6(x + 3) / 6."""


def hardswish(x):
    """x relu6(x + 3) / 6, of any shape: SiLU, of straight lines; the gradient is 0 at -3 and 1 at 3.

    Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.

    >>> from tinycnn import Tensor
    >>> hardswish(Tensor([-4.0, 0.0, 3.0])).tolist()
    [-0.0, 0.0, 3.0]
    """
    return HardSwish.apply(x)


class Sigmoid(Activation, op="sigmoid"):
    """1 / (1 + e^-x)."""

    keeps = "y"


def sigmoid(x):
    """1 / (1 + e^-x), of any shape.

    >>> from tinycnn import Tensor
    >>> sigmoid(Tensor([-200.0, 0.0, 200.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return Sigmoid.apply(x)


class SiLU(Activation, op="silu"):
    """x sigmoid(x)."""


def silu(x):
    """x sigmoid(x), of any shape; also called swish.

    Elfwing et al., "Sigmoid-weighted linear units", 2017; Ramachandran et al., "Searching for activation functions",
    2017.

    >>> from tinycnn import Tensor
    >>> silu(Tensor([0.0, 1.0])).numpy().round(4).tolist()
    [0.0, 0.7311...]
    """
    return SiLU.apply(x)


class Tanh(Activation, op="tanh"):
    """(e^x - e^-x) / (e^x + e^-x)."""

    keeps = "y"


def tanh(x):
    """The hyperbolic tangent, of any shape.

    >>> from tinycnn import Tensor
    >>> tanh(Tensor([-20.0, 0.0, 20.0])).tolist()
    [-1.0, 0.0, 1.0]
    """
    return Tanh.apply(x)
