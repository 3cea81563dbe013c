"""How parameters start: functions that fill one in place, from the generator that `tinycnn.manual_seed` seeds.

Weights are (out, in / groups, ...): a unit of the output reads fan_in numbers, one of the input reaches fan_out.
"""
from __future__ import annotations

import math

import numpy as np

from ..autograd import Shape
from ..random import generator
from ..tensor import Tensor


def fans(shape: Shape, groups: int = 1) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight of this shape; ValueError where it has fewer than two axes.

    >>> fans((64, 32, 3, 3)), fans((32, 1, 3, 3), groups=32)
    ((288, 576), (9, 9))
    """
    if len(shape) < 2:
        raise ValueError(f"fans: a weight has two axes or more, got the shape {shape}")
    area = math.prod(shape[2:])
    return shape[1] * area, shape[0] // groups * area


def _fan(weight: Tensor, mode: str, groups: int) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"init: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    return fans(weight.shape, groups)[mode == "fan_out"]


def constant(parameter: Tensor, value: float) -> None:
    """The same number everywhere."""
    parameter.data[...] = value


def normal(parameter: Tensor, std: float, mean: float = 0.0) -> None:
    """Normal numbers."""
    values = generator().standard_normal(parameter.shape, np.float32)
    values *= std  # in place: the largest layers of VGG hold 400 MB
    values += mean
    parameter.data[...] = values


def uniform(parameter: Tensor, bound: float) -> None:
    """Uniform numbers in [-bound, bound)."""
    values = generator().random(parameter.shape, np.float32)
    values *= 2
    values -= 1
    values *= bound
    parameter.data[...] = values


def kaiming_normal(weight: Tensor, mode: str = "fan_in", gain: float = math.sqrt(2), groups: int = 1) -> None:
    """Normal numbers of deviation gain / sqrt(fan), which keeps the variance through layers of ReLU.

    He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015, equation 10 (equation 14 for mode="fan_out").
    """
    normal(weight, gain / math.sqrt(_fan(weight, mode, groups)))


def kaiming_uniform(weight: Tensor, mode: str = "fan_in", gain: float = math.sqrt(2), groups: int = 1) -> None:
    """Uniform numbers of the deviation that `kaiming_normal` has."""
    uniform(weight, gain * math.sqrt(3 / _fan(weight, mode, groups)))


def xavier_uniform(weight: Tensor) -> None:
    """Uniform numbers of variance 2 / (fan_in + fan_out): between what keeps activations and what keeps gradients.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
    equation 16.
    """
    uniform(weight, math.sqrt(6 / sum(fans(weight.shape))))
