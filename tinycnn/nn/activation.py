"""Activations as modules; the mathematics and the papers are with their functions in `tinycnn.functional`."""
from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .. import ops as F
from .module import Module, Parameter


class Activation(Module):
    """What activations share that act on each element and have no parameters."""

    function: ClassVar[Any]  # of `tinycnn.functional`

    def forward(self, x: Any) -> Any:
        return type(self).function(x)


class ReLU(Activation):
    """max(x, 0)."""

    function = staticmethod(F.relu)


class ReLU6(Activation):
    """min(max(x, 0), 6)."""

    function = staticmethod(F.relu6)


class Sigmoid(Activation):
    """1 / (1 + e^-x)."""

    function = staticmethod(F.sigmoid)


class Hardsigmoid(Activation):
    """min(max(x + 3, 0), 6) / 6."""

    function = staticmethod(F.hardsigmoid)


class Hardswish(Activation):
    """x hardsigmoid(x)."""

    function = staticmethod(F.hardswish)


class SiLU(Activation):
    """x sigmoid(x), also called swish."""

    function = staticmethod(F.silu)


class Tanh(Activation):
    """Hyperbolic tangent."""

    function = staticmethod(F.tanh)


class Mish(Activation):
    """x tanh(log(1 + e^x))."""

    function = staticmethod(F.mish)


class LeakyReLU(Module):
    """x where it is positive, else negative_slope x."""

    shown = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        return F.leaky_relu(x, self.negative_slope)


class PReLU(Module):
    """x where it is positive, else x times a learned slope: one for all (num_parameters=1), or one for each channel.

    Parameters: weight (num_parameters), which begins at `init`.  Weight decay on it draws it to ReLU: leave it out.
    """

    shown = ("num_parameters",)

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        if num_parameters < 1:
            raise ValueError(f"PReLU: num_parameters must be at least 1, got {num_parameters}")
        self.num_parameters = num_parameters
        self.weight = Parameter(np.full(num_parameters, init))

    def forward(self, x: Any) -> Any:
        return F.prelu(x, self.weight)


class LogSoftmax(Module):
    """The logarithm of softmax along axis `dim`."""

    shown = ("dim",)

    def __init__(self, dim: int = 1) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Any:
        return F.log_softmax(x, self.dim)


class Softmax(Module):
    """e^x over its sum along axis `dim`."""

    shown = ("dim",)

    def __init__(self, dim: int = 1) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Any:
        return F.softmax(x, self.dim)
