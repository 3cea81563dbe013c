"""Activations as modules; the mathematics and the papers are with their functions in `tinycnn.functional`."""
from __future__ import annotations

from typing import Any, ClassVar

from .. import ops as F
from .module import Module


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


class Softmax(Module):
    """e^x over its sum along axis `dim`."""

    shown = ("dim",)

    def __init__(self, dim: int = 1) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Any:
        return F.softmax(x, self.dim)
