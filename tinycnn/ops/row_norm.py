"""Layer, group and instance normalisation: one kernel, over rows of channels."""
from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .._kernels import kernels, scratch
from ..autograd import Function, Shape
from .contracts import planes, require_elements


class RowNorm(Function):
    """What normalisations share that take the statistics of an image alone, of all its channels or of some."""

    inputs = ("x", "weight", "bias")
    eps: float

    def rows(self, x: Shape) -> tuple[int, int, int, int]:
        """x as (N, G, K, P): each of N G rows, of K channels of P pixels, has its own mean and variance."""
        raise NotImplementedError

    def expected(self, x: Shape) -> Shape:
        """The shape of weight and bias."""
        return x[1:2]

    def shapes(self, x, weight, bias):
        """The shape of x, where the others have an element per channel."""
        require_elements(self.op, "x", x)
        for name, shape in (("weight", weight), ("bias", bias)):
            if shape is not None and shape != self.expected(x):
                raise ValueError(f"{self.op}: {name} has shape {shape}, expected {self.expected(x)} for x of shape {x}")
        return x

    def forward(self, x, weight, bias):
        """y = (x - mean) inverse_std weight + bias."""
        rows = self.rows(x.shape)
        channels = rows[1] * rows[2]
        weight = np.ones(channels, x.dtype) if weight is None else weight.reshape(-1)
        bias = np.zeros(channels, x.dtype) if bias is None else bias.reshape(-1)
        y, mean, inverse_std = np.empty_like(x), *np.empty((2, rows[0] * rows[1]), x.dtype)
        kernels(x.dtype).row_norm_forward(x.reshape(rows), weight, bias, y.reshape(rows), mean, inverse_std, self.eps)
        self.save(x=x, weight=weight, mean=mean, inverse_std=inverse_std)
        return y

    def backward(self, gy):
        """gx, and the gradients of weight and bias, which fall out of the sums that gx needs."""
        saved, rows, kernel = self.saved, self.rows(gy.shape), kernels(gy.dtype)
        gx, gw, gb = np.empty_like(gy), np.empty_like(saved.weight), np.empty_like(saved.weight)
        room = scratch(kernel.row_norm_scratch(rows[0], gw.size, rows[3]), gy.dtype)
        kernel.row_norm_backward(saved.x.reshape(rows), gy.reshape(rows), saved.weight, saved.mean, saved.inverse_std,
                                 gx.reshape(rows), gw, gb, room)
        shape = self.expected(gy.shape)
        return gx, gw.reshape(shape), gb.reshape(shape)


class LayerNorm(RowNorm, op="layer_norm"):
    """Each row of the last axes with mean 0 and variance 1, then scaled and moved element by element."""

    attributes = ("normalized_shape", "eps")
    normalized_shape: Shape

    def shapes(self, x, weight, bias):
        """The shape of x, which ends in normalized_shape, the shape of weight and bias."""
        n = len(self.normalized_shape)
        if n == 0 or x[-n:] != self.normalized_shape:
            raise ValueError(f"layer_norm: x must end in the extents normalized_shape={self.normalized_shape}, "
                             f"got the shape {x}")
        return super().shapes(x, weight, bias)

    def rows(self, x):
        n = math.prod(self.normalized_shape)
        return math.prod(x) // n, 1, n, 1

    def expected(self, x):
        return self.normalized_shape


class GroupNorm(RowNorm, op="group_norm"):
    """Each group of an image's channels with mean 0 and variance 1, then scaled and moved channel by channel."""

    attributes = ("num_groups", "eps")
    num_groups: int

    def shapes(self, x, weight, bias):
        """The shape of x, (N, C, ...) with C a multiple of num_groups."""
        if len(x) < 2:
            raise ValueError(f"group_norm: x must be (N, C, ...), got the shape {x}")
        if self.num_groups < 1 or x[1] % self.num_groups:
            raise ValueError(f"group_norm: num_groups={self.num_groups} must divide the {x[1]} channels "
                             f"of x of shape {x}")
        return super().shapes(x, weight, bias)

    def rows(self, x):
        n, c, p = planes(x)
        return n, self.num_groups, c // self.num_groups, p


class InstanceNorm(RowNorm, op="instance_norm"):
    """Each channel of each image with mean 0 and variance 1, then scaled and moved."""

    attributes = ("eps",)

    def shapes(self, x, weight, bias):
        """The shape of x, (N, C, ...) with more than one pixel."""
        if len(x) < 3:
            raise ValueError(f"instance_norm: x must be (N, C, L), (N, C, H, W) or of more axes, got the shape {x}")
        require_elements("instance_norm", "x", x)
        if planes(x)[2] == 1:
            raise ValueError(f"instance_norm: expected more than 1 value per channel, got x of shape {x}")
        return super().shapes(x, weight, bias)

    def rows(self, x):
        n, c, p = planes(x)
        return n, c, 1, p


def layer_norm(x, normalized_shape: int | Sequence[int], weight=None, bias=None, eps: float = 1e-5):
    """x (..., *normalized_shape), each row of the last axes normalised by its own mean and (biased) variance.

    y = (x - mean) / sqrt(variance + eps) weight + bias.  weight, bias: of the shape normalized_shape, or None
    for 1 and 0.  Raises ValueError where x does not end in normalized_shape, or an argument does not fit.
    Ba, Kiros and Hinton, "Layer normalization", 2016, section 3.

    >>> import numpy as np
    >>> layer_norm(np.array([[1, 3], [10, 30]], "f"), 2).numpy().round(3).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, (int, np.integer)) else normalized_shape
    return LayerNorm.apply(x, weight, bias, normalized_shape=tuple([int(n) for n in shape]), eps=float(eps))


def group_norm(x, num_groups: int, weight=None, bias=None, eps: float = 1e-5):
    """x (N, C, ...), each of num_groups groups of an image's channels normalised by its own mean and (biased) variance.

    y = (x - mean) / sqrt(variance + eps) weight + bias.  weight, bias: (C,), or None for 1 and 0.  Raises ValueError
    where num_groups does not divide C, or an argument does not fit.  Wu and He, "Group normalization", ECCV 2018.

    >>> import numpy as np
    >>> group_norm(np.array([[1, 3, 10, 30]], "f"), 2).numpy().round(3).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    return GroupNorm.apply(x, weight, bias, num_groups=int(num_groups), eps=float(eps))


def instance_norm(x, weight=None, bias=None, eps: float = 1e-5):
    """x (N, C, L) or (N, C, H, W), each plane normalised by its own mean and (biased) variance.

    y = (x - mean) / sqrt(variance + eps) weight + bias.  weight, bias: (C,), or None for 1 and 0.  There are no running
    statistics: training and use are alike.  Raises ValueError where a plane has one element, or an argument does not
    fit.  Ulyanov, Vedaldi and Lempitsky, "Instance normalization", 2016.

    >>> import numpy as np
    >>> instance_norm(np.array([[[1, 3], [10, 30]]], "f")).numpy().round(3).tolist()
    [[[-1.0, 1.0], [-1.0, 1.0]]]
    """
    return InstanceNorm.apply(x, weight, bias, eps=float(eps))
