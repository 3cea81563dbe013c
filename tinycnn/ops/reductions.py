"""Sums, means, variances and extremes over axes."""
from __future__ import annotations

import math
from functools import lru_cache
from typing import ClassVar

import numpy as np

from .._kernels import kernels
from .._kernels.dispatch import SUFFIX
from ..autograd import Function, Shape


def reduce(op: str, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The "sum", "mean", "max" or "min" of x over ascending axes, each of which is kept with extent 1."""
    if not _suits(x, axes):
        return np.asarray(getattr(x, op)(axes, keepdims=True))
    kernel = getattr(kernels(x.dtype), f"{op}_forward")
    views, kept = _views(x.shape, axes)
    for view in views:
        y = np.empty(view[::2], x.dtype)
        kernel(x.reshape(view), y)
        x = y
    return x.reshape(kept)


def _suits(x: np.ndarray, axes: tuple[int, ...]) -> bool:
    """Whether there are kernels for this; if not, NumPy knows what to do."""
    return bool(axes) and x.size > 0 and x.dtype in SUFFIX and x.flags.c_contiguous


@lru_cache
def _axes(op: str, axis: int | tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    """What `axis` means, as ascending numbers from 0."""
    given = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(sorted({i % ndim for i in given if -ndim <= i < ndim}))
    if len(axes) != len(given):
        raise ValueError(f"{op}: axis {axis} is none of an array with {ndim} axes, or names one twice")
    return axes


@lru_cache
def _views(shape: Shape, axes: tuple[int, ...]) -> tuple[tuple[Shape, ...], Shape]:
    """(O, N, I) for each stretch of axes that lie side by side, the last one first; the shape with extents 1 there."""
    views = []
    while axes:
        first = len(axes) - 1
        while first and axes[first - 1] == axes[first] - 1:
            first -= 1
        begin, end = axes[first], axes[-1] + 1
        views.append((math.prod(shape[:begin]), math.prod(shape[begin:end]), math.prod(shape[end:])))
        shape, axes = shape[:begin] + (1,) * (end - begin) + shape[end:], axes[:first]
    return tuple(views), shape


def unbroadcast(g: np.ndarray, shape: Shape) -> np.ndarray:
    """Sum a gradient over the axes along which an input of `shape` was repeated."""
    if g.shape == shape:
        return g
    lead = g.ndim - len(shape)
    axes = tuple([i for i, n in enumerate(g.shape) if i < lead or n != shape[i - lead]])
    return reduce("sum", g, axes).reshape(shape)


class Reduction(Function):
    """What reductions over one, several or all axes share."""

    attributes: ClassVar[tuple[str, ...]] = ("axis", "keepdims")
    contiguous = False
    axis: int | tuple[int, ...] | None
    keepdims: bool

    def axes(self, ndim: int) -> tuple[int, ...]:
        """The axes reduced over, as ascending numbers from 0."""
        return _axes(self.op, self.axis, ndim)

    def shapes(self, x):
        """x without the reduced axes, or with extent 1 there."""
        axes = self.axes(len(x))
        return _views(x, axes)[1] if self.keepdims else tuple([n for i, n in enumerate(x) if i not in axes])

    def count(self, shape: Shape) -> int:
        """How many elements go into one."""
        return math.prod([shape[i] for i in self.axes(len(shape))])

    def spread(self, g: np.ndarray, shape: Shape) -> np.ndarray:
        """A reduced array, repeated to the shape it was reduced from (a view)."""
        return np.broadcast_to(g.reshape(_views(shape, self.axes(len(shape)))[1]), shape)


class Sum(Reduction, op="sum"):
    """Sum over axes."""

    def forward(self, x):
        self.save(shape=x.shape)
        return reduce("sum", x, self.axes(x.ndim)).reshape(self.out_shapes[0])

    def backward(self, gy):
        return self.spread(gy, self.saved.shape)


class Mean(Reduction, op="mean"):
    """Mean over axes."""

    def forward(self, x):
        self.save(shape=x.shape)
        return reduce("mean", x, self.axes(x.ndim)).reshape(self.out_shapes[0])

    def backward(self, gy):
        return self.spread(gy / self.count(self.saved.shape), self.saved.shape)


class Var(Reduction, op="var"):
    """Variance over axes, with n - correction below."""

    attributes = ("axis", "keepdims", "correction")
    correction: int

    def forward(self, x):
        axes = self.axes(x.ndim)
        centred = x - reduce("mean", x, axes)
        self.save(centred=centred)
        squares = reduce("sum", centred * centred, axes).reshape(self.out_shapes[0])
        return squares / squares.dtype.type(self.count(x.shape) - self.correction)

    def backward(self, gy):
        c = self.saved.centred
        return self.spread(gy * (2 / (self.count(c.shape) - self.correction)), c.shape) * c


class Extreme(Reduction):
    """Largest or smallest over axes: those that are equal to it share the gradient, as torch's amax and amin."""

    def forward(self, x):
        y = reduce(self.op, x, self.axes(x.ndim))
        self.save(x=x, y=y)
        return y.reshape(self.out_shapes[0])

    def backward(self, gy):
        x, y = self.saved.x, self.saved.y
        axes = self.axes(x.ndim)
        views, _ = _views(x.shape, axes)
        if len(views) != 1 or not _suits(x, axes):
            hits = x == y
            return self.spread(gy, x.shape) * hits / hits.sum(axes, keepdims=True).astype(gy.dtype)
        view, gx = views[0], np.empty_like(x)
        kernels(x.dtype).extreme_backward(x.reshape(view), y.reshape(view[::2]),
                                          np.ascontiguousarray(gy).reshape(view[::2]), gx.reshape(view))
        return gx


class Max(Extreme, op="max"):
    """Largest over axes."""


class Min(Extreme, op="min"):
    """Smallest over axes."""
