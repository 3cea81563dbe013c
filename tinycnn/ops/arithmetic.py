"""Broadcasting arithmetic, element-wise functions, reductions and the matrix product.

Composed from NumPy: each is one pass over memory that NumPy already makes well.
"""
from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from ..autograd import Function, Shape


def unbroadcast(g: np.ndarray, shape: Shape) -> np.ndarray:
    """Sum a gradient over the axes along which an input of `shape` was repeated."""
    if g.shape == shape:
        return g
    g = g.sum(tuple(range(g.ndim - len(shape))))
    return g.sum(tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1), keepdims=True)


class Binary(Function):
    """What operations on two arrays of broadcastable shapes share."""

    inputs = ("a", "b")
    contiguous = False

    def shapes(self, a, b):
        """Numpy's broadcasting rule."""
        try:
            return np.broadcast_shapes(a, b)
        except ValueError:
            raise ValueError(f"{self.op}: b of shape {b} does not broadcast with a of shape {a}") from None


class Add(Binary, op="add"):
    """a + b."""

    def forward(self, a, b):
        self.save(a=a.shape, b=b.shape)
        return a + b

    def backward(self, gy):
        return unbroadcast(gy, self.saved.a), unbroadcast(gy, self.saved.b)


class Sub(Binary, op="sub"):
    """a - b."""

    def forward(self, a, b):
        self.save(a=a.shape, b=b.shape)
        return a - b

    def backward(self, gy):
        return unbroadcast(gy, self.saved.a), unbroadcast(-gy, self.saved.b)


class Mul(Binary, op="mul"):
    """a b."""

    def forward(self, a, b):
        self.save(a=a, b=b)
        return a * b

    def backward(self, gy):
        a, b = self.saved.a, self.saved.b
        return (unbroadcast(gy * b, a.shape) if self.needs("a") else None,
                unbroadcast(gy * a, b.shape) if self.needs("b") else None)


class Div(Binary, op="div"):
    """a / b."""

    def forward(self, a, b):
        self.save(a=a, b=b)
        return a / b

    def backward(self, gy):
        a, b = self.saved.a, self.saved.b
        return (unbroadcast(gy / b, a.shape) if self.needs("a") else None,
                unbroadcast(-gy * a / (b * b), b.shape) if self.needs("b") else None)


class Unary(Function):
    """What element-wise functions of one array share."""

    contiguous = False

    def shapes(self, x):
        """The shape of x."""
        return x


class Neg(Unary, op="neg"):
    """-x."""

    def forward(self, x):
        return -x

    def backward(self, gy):
        return -gy


class Pow(Unary, op="pow"):
    """x to a constant power."""

    attributes = ("exponent",)
    exponent: float

    def forward(self, x):
        self.save(x=x)
        return x ** x.dtype.type(self.exponent)

    def backward(self, gy):
        x, p = self.saved.x, self.saved.x.dtype.type(self.exponent)
        return gy * p * x ** (p - 1) if self.exponent else np.zeros_like(gy)


class Exp(Unary, op="exp"):
    """e^x."""

    def forward(self, x):
        y = np.exp(x)
        self.save(y=y)
        return y

    def backward(self, gy):
        return gy * self.saved.y


class Log(Unary, op="log"):
    """ln x."""

    def forward(self, x):
        self.save(x=x)
        return np.log(x)

    def backward(self, gy):
        return gy / self.saved.x


class Sqrt(Unary, op="sqrt"):
    """Square root."""

    def forward(self, x):
        y = np.sqrt(x)
        self.save(y=y)
        return y

    def backward(self, gy):
        return gy / (2 * self.saved.y)


class Abs(Unary, op="abs"):
    """|x|; gradient 0 at 0."""

    def forward(self, x):
        self.save(x=x)
        return np.abs(x)

    def backward(self, gy):
        return gy * np.sign(self.saved.x)


class Clip(Unary, op="clip"):
    """x kept within [low, high]; the gradient passes where x lies within, bounds included."""

    attributes = ("low", "high")
    low: float | None
    high: float | None

    def forward(self, x):
        self.save(x=x)
        return np.clip(x, self.low, self.high)

    def backward(self, gy):
        x = self.saved.x
        inside = np.ones(x.shape, bool)
        if self.low is not None:
            inside &= x >= self.low
        if self.high is not None:
            inside &= x <= self.high
        return gy * inside


class AsType(Unary, op="astype"):
    """Another element type."""

    attributes = ("dtype",)
    dtype: np.dtype

    def result_dtype(self, dtype):
        return self.dtype

    def forward(self, x):
        self.save(dtype=x.dtype)
        return x.astype(self.dtype)

    def backward(self, gy):
        return gy.astype(self.saved.dtype)


# ---------------------------------------------------------------- reductions
class Reduction(Function):
    """What reductions over one, several or all axes share."""

    attributes: ClassVar[tuple[str, ...]] = ("axis", "keepdims")
    contiguous = False
    axis: int | tuple[int, ...] | None
    keepdims: bool

    def axes(self, ndim: int) -> tuple[int, ...]:
        """The axes reduced over, as numbers from 0."""
        axis = range(ndim) if self.axis is None else self.axis if isinstance(self.axis, tuple) else (self.axis,)
        if any(not -ndim <= i < ndim for i in axis):
            raise ValueError(f"{self.op}: axis {self.axis} of an array with {ndim} axes")
        return tuple(i % ndim for i in axis)

    def shapes(self, x):
        """x without the reduced axes, or with extent 1 there."""
        axes = self.axes(len(x))
        return tuple(1 if i in axes else n for i, n in enumerate(x) if self.keepdims or i not in axes)

    def count(self, shape: Shape) -> int:
        """How many elements go into one."""
        return math.prod(shape[i] for i in self.axes(len(shape)))

    def spread(self, g: np.ndarray, shape: Shape) -> np.ndarray:
        """A reduced array, repeated to the shape it was reduced from (a view)."""
        axes = self.axes(len(shape))
        return np.broadcast_to(g.reshape([1 if i in axes else n for i, n in enumerate(shape)]), shape)


class Sum(Reduction, op="sum"):
    """Sum over axes."""

    def forward(self, x):
        self.save(shape=x.shape)
        return x.sum(self.axis, keepdims=self.keepdims)

    def backward(self, gy):
        return self.spread(gy, self.saved.shape)


class Mean(Reduction, op="mean"):
    """Mean over axes."""

    def forward(self, x):
        self.save(shape=x.shape)
        return x.mean(self.axis, keepdims=self.keepdims)

    def backward(self, gy):
        return self.spread(gy / self.count(self.saved.shape), self.saved.shape)


class Var(Reduction, op="var"):
    """Variance over axes, with n - correction below."""

    attributes = ("axis", "keepdims", "correction")
    correction: int

    def forward(self, x):
        self.save(centred=x - x.mean(self.axis, keepdims=True))
        return x.var(self.axis, ddof=self.correction, keepdims=self.keepdims)

    def backward(self, gy):
        c = self.saved.centred
        return self.spread(gy * (2 / (self.count(c.shape) - self.correction)), c.shape) * c


class Extreme(Reduction):
    """Largest or smallest over axes: those that are equal to it share the gradient, as torch's amax and amin."""

    def reduce(self, x: np.ndarray) -> np.ndarray:
        """The extreme over the axes, which are kept with extent 1."""
        raise NotImplementedError

    def forward(self, x):
        kept = self.reduce(x)
        self.save(hits=x == kept)
        return kept.reshape(self.out_shapes[0])

    def backward(self, gy):
        hits = self.saved.hits
        share = hits.sum(self.axis, keepdims=True).astype(gy.dtype)
        return self.spread(gy, hits.shape) * hits / share


class Max(Extreme, op="max"):
    """Largest over axes."""

    def reduce(self, x):
        return x.max(self.axis, keepdims=True)


class Min(Extreme, op="min"):
    """Smallest over axes."""

    def reduce(self, x):
        return x.min(self.axis, keepdims=True)


def maximum(a, b):
    """The larger of a and b, element by element, with broadcasting; where equal they share the gradient.

    >>> from tinycnn import Tensor
    >>> maximum(Tensor([1.0, 5.0]), Tensor([3.0, 2.0])).tolist()
    [3.0, 5.0]
    """
    return Maximum.apply(a, b)


def minimum(a, b):
    """The smaller of a and b, element by element, with broadcasting; where equal they share the gradient.

    >>> from tinycnn import Tensor
    >>> minimum(Tensor([1.0, 5.0]), Tensor([3.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    return Minimum.apply(a, b)


class Pick(Binary):
    """One of a and b, element by element; NaN where either is. Where they are equal they share gy."""

    pick: ClassVar[np.ufunc]
    first: ClassVar[np.ufunc]  # mask of the elements where a is picked

    def forward(self, a, b):
        self.save(a=a, b=b)
        return self.pick(a, b)

    def backward(self, gy):
        a, b = self.saved.a, self.saved.b
        half = np.where(a == b, gy / 2, 0)
        first = self.first(a, b)
        return (unbroadcast(np.where(first, gy, half), a.shape),
                unbroadcast(np.where(first, 0, gy - half), b.shape))


class Maximum(Pick, op="maximum"):
    """max(a, b)."""

    pick, first = np.maximum, np.greater


class Minimum(Pick, op="minimum"):
    """min(a, b)."""

    pick, first = np.minimum, np.less


def where(condition, a, b):
    """a where the condition holds, else b, with broadcasting; no gradient flows to the condition.

    >>> from tinycnn import Tensor
    >>> where(Tensor([True, False]), Tensor([1.0, 2.0]), Tensor([3.0, 4.0])).tolist()
    [1.0, 4.0]
    """
    return Where.apply(condition, a, b)


class Where(Function, op="where"):
    """Choice by a mask."""

    inputs = ("condition", "a", "b")
    indices = ("condition",)
    contiguous = False

    def shapes(self, condition, a, b):
        """Numpy's broadcasting rule over all three."""
        try:
            return np.broadcast_shapes(condition, a, b)
        except ValueError:
            raise ValueError(f"where: condition {condition}, a {a} and b {b} do not broadcast") from None

    def forward(self, condition, a, b):
        self.save(condition=condition.astype(bool), a=a.shape, b=b.shape)
        return np.where(condition, a, b)

    def backward(self, gy):
        s = self.saved
        return None, unbroadcast(np.where(s.condition, gy, 0), s.a), unbroadcast(np.where(s.condition, 0, gy), s.b)
