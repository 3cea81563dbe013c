"""Matrix product and the fully connected layer."""
from __future__ import annotations

import math

import numpy as np

from .._kernels import kernels, scratch
from ..autograd import Function, Shape
from .contracts import broadcast
from .reductions import unbroadcast


def product(a: np.ndarray, b: np.ndarray, transpose_a: bool = False, transpose_b: bool = False) -> np.ndarray:
    """a b over the two last axes, the axes before them broadcast; an operand may be stored transposed."""
    batch = broadcast(a.shape[:-2], b.shape[:-2])
    k, m = a.shape[-2:] if transpose_a else a.shape[:-3:-1]
    n = b.shape[-2 if transpose_b else -1]
    y = np.empty((*batch, m, n), a.dtype)
    kernel = kernels(a.dtype)
    kernel.gemm(_stack(a, batch), _stack(b, batch), y.reshape(-1, m, n), transpose_a, transpose_b,
                scratch(kernel.gemm_scratch(math.prod(batch), m, n, k), a.dtype))
    return y


def _stack(matrices: np.ndarray, batch: Shape) -> np.ndarray:
    """Matrices as one stack of them, or of one alone, which the kernel takes for all."""
    lead, two = matrices.shape[:-2], matrices.shape[-2:]
    if lead != batch and math.prod(lead) != 1:
        matrices = np.broadcast_to(matrices, (*batch, *two))
    return np.ascontiguousarray(matrices.reshape(-1, *two))


def _at_least_matrices(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A vector on the left is a row, one on the right a column."""
    return a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b


class MatMul(Function, op="matmul"):
    """a b, as numpy's @."""

    inputs = ("a", "b")

    def shapes(self, a, b):
        """(..., M, K) and (..., K, N) to (..., M, N); a vector is a row on the left, a column on the right."""
        for name, extents in (("a", a), ("b", b)):
            if not extents or 0 in extents:
                raise ValueError(f"matmul: {name} must have an axis, and none of extent 0, got the shape {extents}")
        if a[-1] != b[-2 if len(b) > 1 else -1]:
            raise ValueError(f"matmul: b of shape {b} must have {a[-1]} rows, as a of shape {a} has columns")
        try:
            batch = broadcast(a[:-2], b[:-2])
        except ValueError:
            raise ValueError(f"matmul: the leading axes of b, {b[:-2]}, do not broadcast with those of a, {a[:-2]}"
                             ) from None
        return (*batch, *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))

    def forward(self, a, b):
        """y = a b."""
        self.save(a=a, b=b)
        return product(*_at_least_matrices(a, b)).reshape(self.out_shapes[0])

    def backward(self, gy):
        """ga = gy bᵀ, gb = aᵀ gy, summed over the axes that were broadcast."""
        a, b = _at_least_matrices(self.saved.a, self.saved.b)
        gy = gy.reshape(*broadcast(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
        ga = unbroadcast(product(gy, b, transpose_b=True), a.shape) if self.needs("a") else None
        gb = unbroadcast(product(a, gy, transpose_a=True), b.shape) if self.needs("b") else None
        return (None if ga is None else ga.reshape(self.saved.a.shape),
                None if gb is None else gb.reshape(self.saved.b.shape))


class Linear(Function, op="linear"):
    """x wᵀ + b."""

    inputs = ("x", "w", "b")

    def shapes(self, x, w, b):
        """x (..., I), w (O, I), b (O,) or None, to (..., O)."""
        if not x or 0 in x:
            raise ValueError(f"linear: x must have an axis, and none of extent 0, got the shape {x}")
        if len(w) != 2 or w[1] != x[-1] or w[0] == 0:
            raise ValueError(f"linear: w must have the shape (O, {x[-1]}) for x of shape {x}, got {w}")
        if b is not None and b != w[:1]:
            raise ValueError(f"linear: b must have the shape {w[:1]}, one for each row of w, got {b}")
        return (*x[:-1], w[0])

    def forward(self, x, w, b):
        """y = x wᵀ + b."""
        self.save(x=x, w=w)
        y = product(x.reshape(-1, x.shape[-1]), w, transpose_b=True)
        if b is not None:
            y += b
        return y.reshape(self.out_shapes[0])

    def backward(self, gy):
        """gx = gy w, gw = gyᵀ x, gb = the sum of gy's rows."""
        x, w = self.saved.x, self.saved.w
        gy = gy.reshape(-1, w.shape[0])
        return (product(gy, w).reshape(x.shape) if self.needs("x") else None,
                product(gy, x.reshape(-1, w.shape[1]), transpose_a=True) if self.needs("w") else None,
                unbroadcast(gy, gy.shape[1:]) if self.needs("b") else None)


def matmul(a, b):
    """Matrix product over the two last axes; the axes before them broadcast, as numpy's `@`.

    a: (..., M, K) or (K,); b: (..., K, N) or (K,).  Returns (..., M, N), without the axis that a vector lacks.
    Raises ValueError where the inner extents differ, or the leading axes do not broadcast.

    >>> from tinycnn import Tensor
    >>> matmul(Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([1.0, -1.0])).tolist()
    [-1.0, -1.0]
    """
    return MatMul.apply(a, b)


def linear(x, w, b=None):
    """Fully connected layer, y = x wᵀ + b.

    x: (..., I); w: (O, I); b: (O,) or None.  Returns (..., O).  Raises ValueError naming the argument that misfits.

    >>> from tinycnn import Tensor
    >>> linear(Tensor([[1.0, 2.0]]), Tensor([[1.0, 1.0], [1.0, -1.0]]), Tensor([0.0, 10.0])).tolist()
    [[3.0, 9.0]]
    """
    return Linear.apply(x, w, b)
