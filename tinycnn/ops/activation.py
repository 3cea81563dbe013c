"""Activations: element-wise, each a kernel with its gradient."""
from __future__ import annotations

from typing import ClassVar

import numpy as np

from .._kernels import kernels, scratch
from ..autograd import Function
from .contracts import planes, require_elements


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


class Mish(Activation, op="mish"):
    """x tanh(log(1 + e^x))."""


def mish(x):
    """x tanh(log(1 + e^x)), of any shape: like SiLU, a little steeper; keeps its digits however far x is from 0.

    Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020.

    >>> from tinycnn import Tensor
    >>> mish(Tensor([-1e4, 0.0, 1.0, 1e4])).numpy().round(4).tolist()
    [-0.0, 0.0, 0.865..., 10000.0]
    """
    return Mish.apply(x)


class LeakyReLU(Function, op="leaky_relu"):
    """x where it is positive, else negative_slope x."""

    attributes = ("negative_slope",)
    negative_slope: float

    def shapes(self, x):
        """The shape of x."""
        require_elements("leaky_relu", "x", x)
        return x

    def forward(self, x):
        """y, as a PReLU of one channel."""
        y = np.empty_like(x)
        kernels(x.dtype).prelu_forward(x.reshape(1, 1, -1), self._slope(x), y.reshape(1, 1, -1))
        self.save(x=x)
        return y

    def backward(self, gy):
        gx, _ = _prelu_gradients(self.saved.x, gy, self._slope(gy), (1, 1, gy.size))
        return gx

    def _slope(self, x):
        return np.array([self.negative_slope], x.dtype)


def leaky_relu(x, negative_slope: float = 0.01):
    """x where it is positive, else negative_slope x, of any shape; the gradient at 0 is negative_slope.

    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.

    >>> from tinycnn import Tensor
    >>> leaky_relu(Tensor([-2.0, 3.0]), 0.5).tolist()
    [-1.0, 3.0]
    """
    return LeakyReLU.apply(x, negative_slope=float(negative_slope))


class PReLU(Function, op="prelu"):
    """x where it is positive, else weight x, with a weight for all channels or one for each."""

    inputs = ("x", "weight")

    def shapes(self, x, weight):
        """The shape of x."""
        require_elements("prelu", "x", x)
        if weight != (1,) and (len(x) < 2 or weight != x[1:2]):
            channels = f" or ({x[1]},)" if len(x) > 1 else ""
            raise ValueError(f"prelu: weight must have the shape (1,){channels} for x of shape {x}, got {weight}")
        return x

    def forward(self, x, weight):
        y, shape = np.empty_like(x), self._planes(x, weight)
        kernels(x.dtype).prelu_forward(x.reshape(shape), weight, y.reshape(shape))
        self.save(x=x, weight=weight)
        return y

    def backward(self, gy):
        """gx = gy where x > 0, else weight gy; gw = the sum of gy x where x <= 0."""
        x, weight = self.saved.x, self.saved.weight
        return _prelu_gradients(x, gy, weight, self._planes(x, weight))

    @staticmethod
    def _planes(x, weight):
        return (1, 1, x.size) if weight.size == 1 else planes(x.shape)


def _prelu_gradients(x, gy, weight, shape):
    """Gradients of x and of the slopes."""
    gx, gw, kernel = np.empty_like(gy), np.empty_like(weight), kernels(gy.dtype)
    kernel.prelu_backward(x.reshape(shape), gy.reshape(shape), weight, gx.reshape(shape), gw,
                          scratch(kernel.prelu_scratch(*shape), gy.dtype))
    return gx, gw


def prelu(x, weight):
    """x where it is positive, else weight x, with learned slopes.

    x: (N, C, ...), or any shape where weight is (1,).  weight: (1,) for all channels, or (C,).  Returns x's shape.
    The gradient of weight is the sum of gy x where x <= 0.  Raises ValueError where weight does not fit.
    He et al., "Delving deep into rectifiers", ICCV 2015.

    >>> from tinycnn import Tensor
    >>> prelu(Tensor([[-2.0, -2.0, 3.0]]), Tensor([0.5, 0.1, 0.1])).numpy().round(3).tolist()
    [[-1.0, -0.2..., 3.0]]
    """
    return PReLU.apply(x, weight)
