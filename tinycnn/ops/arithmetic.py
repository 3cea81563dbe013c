"""Broadcasting arithmetic, and element-wise functions.

Composed from NumPy: each is one pass over memory that NumPy already makes well.  Sums and products of large arrays have
kernels, which share them out over threads.
"""
from __future__ import annotations

from typing import ClassVar

import numpy as np

from .._kernels import kernels
from .._kernels.dispatch import SUFFIX
from ..autograd import Function
from .contracts import broadcast
from .reductions import unbroadcast

LARGE = 1 << 16  # elements from which on sharing out is worth the call of a kernel; NumPy has one thread


def _binary(op: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a + b or a b, "add" or "mul"; by the kernel where the arrays are large and of one shape."""
    if (a.size < LARGE or a.shape != b.shape or a.dtype not in SUFFIX
            or not (a.flags.c_contiguous and b.flags.c_contiguous)):
        return a + b if op == "add" else a * b
    y = np.empty_like(a)
    getattr(kernels(a.dtype), f"{op}_forward")(a.reshape(-1), b.reshape(-1), y.reshape(-1))
    return y


class Binary(Function):
    """What operations on two arrays of broadcastable shapes share."""

    inputs = ("a", "b")
    contiguous = False

    def shapes(self, a, b):
        """Numpy's broadcasting rule."""
        try:
            return broadcast(a, b)
        except ValueError:
            raise ValueError(f"{self.op}: b of shape {b} does not broadcast with a of shape {a}") from None


class Add(Binary, op="add"):
    """a + b."""

    def forward(self, a, b):
        self.save(a=a.shape, b=b.shape)
        return _binary("add", a, b)

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
        return _binary("mul", a, b)

    def backward(self, gy):
        a, b = self.saved.a, self.saved.b
        return (unbroadcast(_binary("mul", gy, b), a.shape) if self.needs("a") else None,
                unbroadcast(_binary("mul", gy, a), b.shape) if self.needs("b") else None)


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
        if x.dtype in SUFFIX and x.flags.c_contiguous and x.size:
            y = np.empty_like(x)
            kernels(x.dtype).exp_forward(x.reshape(-1), y.reshape(-1))
        else:
            y = np.exp(x)
        self.save(y=y)
        return y

    def backward(self, gy):
        return _binary("mul", gy, self.saved.y)


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


class Detach(Unary, op="detach"):
    """The same numbers, to which no gradient comes: how a trace notes `Tensor.detach`."""

    contiguous = False

    def forward(self, x):
        return x

    def backward(self, gy):
        return None


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
