"""Tensor: a NumPy array, a gradient, and the node that made it.

The operators below look their Function up in `autograd.OPS`; the Functions live in `tinycnn.ops`.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .autograd import OPS, Function, Shape, backward, tracer


class Tensor:
    """An n-dimensional array that can be differentiated.

    data: anything `numpy.asarray` takes; Python floats become float32, arrays keep their type unless `dtype` says
    otherwise.  requires_grad: collect d(result)/d(this) in `grad` (an array of the same shape) when `backward` runs.

    No operation changes a Tensor in place.  Raises TypeError where the data are not numbers, or where a gradient is
    asked of something that is not floating point.

    >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad.tolist()
    [[2.0, 4.0], [6.0, 8.0]]
    """

    __slots__ = ("__weakref__", "data", "grad", "index", "node", "requires_grad")
    __array_priority__ = 100.0  # array + Tensor: numpy leaves it to Tensor.__radd__
    __array_ufunc__ = None
    __hash__ = object.__hash__

    data: np.ndarray
    grad: np.ndarray | None
    node: Function | None

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None) -> None:
        if isinstance(data, Tensor):
            data = data.data
        array = np.asarray(data, dtype)
        if dtype is None and not isinstance(data, (np.ndarray, np.generic)) and array.dtype == np.float64:
            array = array.astype(np.float32)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"Tensor: data must be numbers, got the type {array.dtype}")
        if requires_grad and array.dtype.kind != "f":
            raise TypeError(f"Tensor: only floating-point tensors have gradients, got {array.dtype}")
        self.data, self.requires_grad = array, bool(requires_grad)
        self.grad, self.node, self.index = None, None, 0

    @staticmethod
    def _result(array: np.ndarray, node: Function | None, index: int) -> Tensor:
        """A Tensor as an operation returns it; skips the checks of the constructor."""
        result = Tensor.__new__(Tensor)
        result.data = np.asarray(array) if isinstance(array, np.generic) else array
        result.grad, result.node, result.index = None, node, index
        result.requires_grad = node is not None
        return result

    # ---- what it is
    @property
    def shape(self) -> Shape:
        """Extents of the axes."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        """Element type, as numpy names it."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.data.size

    def numel(self) -> int:
        """Number of elements."""
        return self.data.size

    def numpy(self) -> np.ndarray:
        """The array itself, not a copy."""
        return self.data.__array__()  # of a traced tensor there is none, which this says

    def item(self) -> float | int | bool:
        """The one element, as a Python number; ValueError where there are several."""
        return self.data.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self.data.tolist()

    def detach(self) -> Tensor:
        """The same array, cut off from the tape."""
        return Tensor._result(self.data, None, 0) if tracer() is None else OPS["detach"].apply(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.data, dtype, copy=True) if copy else np.asarray(self.data, dtype)

    def __len__(self) -> int:
        return len(self.data)

    def __float__(self) -> float:
        return float(self.data.item())

    def __int__(self) -> int:
        return int(self.data.item())

    def __bool__(self) -> bool:
        return bool(self.data.item())

    def __repr__(self) -> str:
        body = np.array2string(self.data, precision=4, separator=", ", prefix="Tensor(", threshold=100)
        return f"Tensor({body}, dtype={self.dtype}{', requires_grad=True' if self.requires_grad else ''})"

    # ---- differentiation
    def backward(self, gy: Any = None, retain_graph: bool = False) -> None:
        """Add d(self . gy)/d(leaf) to the `grad` of every leaf this was computed from.

        gy: gradient of some loss with respect to this, of its shape; may be left out for a single element (1).
        Raises RuntimeError where there is nothing to differentiate, ValueError for a gy of another shape.
        """
        if not self.requires_grad:
            raise RuntimeError("backward: this tensor was not computed from any that requires a gradient")
        if gy is None:
            if self.size != 1:
                raise ValueError(f"backward: gy can only be left out for one element, this has shape {self.shape}")
            gy = np.ones(self.shape, self.dtype)
        gy = np.asarray(gy, self.dtype)
        if gy.shape != self.shape:
            raise ValueError(f"backward: gy has shape {gy.shape}, expected {self.shape}")
        backward(self, gy, retain_graph)

    # ---- arithmetic
    def __add__(self, other: Any) -> Tensor:
        return _binary("add", self, other)

    def __sub__(self, other: Any) -> Tensor:
        return _binary("sub", self, other)

    def __mul__(self, other: Any) -> Tensor:
        return _binary("mul", self, other)

    def __truediv__(self, other: Any) -> Tensor:
        return _binary("div", self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return _binary("sub", other, self)

    def __rtruediv__(self, other: Any) -> Tensor:
        return _binary("div", other, self)

    __radd__ = __add__
    __rmul__ = __mul__

    def __matmul__(self, other: Any) -> Tensor:
        return OPS["matmul"].apply(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return OPS["matmul"].apply(other, self)

    def __neg__(self) -> Tensor:
        return OPS["neg"].apply(self)

    def __pow__(self, exponent: float) -> Tensor:
        return OPS["pow"].apply(self, exponent=float(exponent))

    def __abs__(self) -> Tensor:
        return OPS["abs"].apply(self)

    # ---- comparison: no gradient, a Tensor of bool
    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return Tensor(self.data == _array(other))

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return Tensor(self.data != _array(other))

    def __lt__(self, other: Any) -> Tensor:
        return Tensor(self.data < _array(other))

    def __le__(self, other: Any) -> Tensor:
        return Tensor(self.data <= _array(other))

    def __gt__(self, other: Any) -> Tensor:
        return Tensor(self.data > _array(other))

    def __ge__(self, other: Any) -> Tensor:
        return Tensor(self.data >= _array(other))

    # ---- element-wise functions
    def exp(self) -> Tensor:
        """e to the power of each element."""
        return OPS["exp"].apply(self)

    def log(self) -> Tensor:
        """Natural logarithm of each element."""
        return OPS["log"].apply(self)

    def sqrt(self) -> Tensor:
        """Square root of each element."""
        return OPS["sqrt"].apply(self)

    def abs(self) -> Tensor:
        """Magnitude of each element; the gradient at 0 is 0."""
        return OPS["abs"].apply(self)

    def clip(self, low: float | None = None, high: float | None = None) -> Tensor:
        """Each element, kept within [low, high]."""
        return OPS["clip"].apply(self, low=low, high=high)

    # ---- reductions; axis: an int, several, or None for all
    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Sum over `axis`."""
        return OPS["sum"].apply(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Mean over `axis`."""
        return OPS["mean"].apply(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, keepdims: bool = False, correction: int = 0) -> Tensor:
        """Mean squared distance from the mean, over n - correction (correction=1: the unbiased estimate)."""
        return OPS["var"].apply(self, axis=axis, keepdims=keepdims, correction=correction)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Largest over `axis`; equal largest elements share the gradient."""
        return OPS["max"].apply(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Smallest over `axis`; equal smallest elements share the gradient."""
        return OPS["min"].apply(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None) -> Any:
        """Index of the largest along `axis`, as an array: it has no gradient."""
        return self.data.argmax(axis)

    # ---- shape
    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape; one extent may be -1."""
        return OPS["reshape"].apply(self, shape=tuple(shape[0] if _is_sequence(shape) else shape))

    def flatten(self, start: int = 0) -> Tensor:
        """Axes from `start` on, made one."""
        return self.reshape(*self.shape[:start], -1)

    def transpose(self, *axes: Any) -> Tensor:
        """Axes in another order; reversed where none is given."""
        order = tuple(axes[0] if _is_sequence(axes) else axes) or tuple(reversed(range(self.ndim)))
        return OPS["transpose"].apply(self, axes=order)

    permute = transpose

    @property
    def T(self) -> Tensor:
        """Axes reversed."""
        return self.transpose()

    def squeeze(self, axis: int | None = None) -> Tensor:
        """Without the axes of extent 1 (or without that one)."""
        return self.reshape(np.squeeze(_of_shape(self.shape), axis).shape)

    def unsqueeze(self, axis: int) -> Tensor:
        """With a new axis of extent 1 at `axis`."""
        return self.reshape(np.expand_dims(_of_shape(self.shape), axis).shape)

    def expand(self, *shape: Any) -> Tensor:
        """Repeated along axes of extent 1 (numpy's broadcast_to)."""
        return OPS["expand"].apply(self, shape=tuple(shape[0] if _is_sequence(shape) else shape))

    def astype(self, dtype: Any) -> Tensor:
        """In another element type; the gradient comes back in this one."""
        return OPS["astype"].apply(self, dtype=np.dtype(dtype))

    def __getitem__(self, index: Any) -> Tensor:
        return OPS["getitem"].apply(self, index=_plain_index(index))


Function.tensor = Tensor


def _of_shape(shape: Shape) -> np.ndarray:
    """An array of a shape that takes no memory, for numpy to say what becomes of the shape."""
    return np.broadcast_to(np.empty((), bool), shape)


def _array(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def _binary(op: str, a: Any, b: Any) -> Tensor:
    """A broadcasting operation; a Python number takes the type of the tensor beside it."""
    like = a if isinstance(a, Tensor) else b
    a, b = (x if isinstance(x, (Tensor, np.ndarray)) else np.asarray(x, like.dtype) for x in (a, b))
    return OPS[op].apply(a, b)


def _is_sequence(arguments: tuple) -> bool:
    return len(arguments) == 1 and isinstance(arguments[0], (tuple, list))


def _plain_index(index: Any) -> Any:
    """An index without Tensors in it: attributes of an operation are plain values."""
    return tuple(_array(i) for i in index) if isinstance(index, tuple) else _array(index)
