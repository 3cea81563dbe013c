"""Operations that move elements without computing: reshape, transpose, index, join, split, repeat, pad."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import Function
from .reductions import unbroadcast


class Reshape(Function, op="reshape"):
    """The same elements in another shape."""

    attributes = ("shape",)
    contiguous = False
    shape: tuple[int, ...]

    def shapes(self, x):
        """The target, with its -1 worked out."""
        size, known = math.prod(x), math.prod(n for n in self.shape if n != -1)
        missing = size // known if known else 0
        target = tuple([missing if n == -1 else n for n in self.shape])
        if self.shape.count(-1) > 1 or min(target, default=1) < 0 or math.prod(target) != size:
            raise ValueError(f"reshape: shape {self.shape} does not hold the elements of x of shape {x}")
        return target

    def forward(self, x):
        self.save(shape=x.shape)
        return x.reshape(self.shape)

    def backward(self, gy):
        return gy.reshape(self.saved.shape)


class Transpose(Function, op="transpose"):
    """Axes in another order."""

    attributes = ("axes",)
    contiguous = False
    axes: tuple[int, ...]

    def shapes(self, x):
        """Extents in the new order."""
        if sorted(i % len(x) if x else i for i in self.axes) != list(range(len(x))):
            raise ValueError(f"transpose: axes {self.axes} is no permutation of the axes of x of shape {x}")
        return tuple(x[i] for i in self.axes)

    def forward(self, x):
        return x.transpose(self.axes)

    def backward(self, gy):
        return gy.transpose(np.argsort([i % gy.ndim for i in self.axes]))


class Expand(Function, op="expand"):
    """Repetition along axes of extent 1."""

    attributes = ("shape",)
    contiguous = False
    shape: tuple[int, ...]

    def shapes(self, x):
        """The target, if x broadcasts to it."""
        try:
            return np.broadcast_to(np.empty(x, bool), self.shape).shape
        except ValueError:
            raise ValueError(f"expand: x of shape {x} does not broadcast to {self.shape}") from None

    def forward(self, x):
        self.save(shape=x.shape)
        return np.broadcast_to(x, self.shape)

    def backward(self, gy):
        return unbroadcast(gy, self.saved.shape)


class GetItem(Function, op="getitem"):
    """x[index], with numpy's basic and advanced indexing."""

    attributes = ("index",)
    contiguous = False
    index: Any

    def shapes(self, x):
        """What numpy's indexing gives."""
        return np.broadcast_to(np.empty(()), x)[self.index].shape

    def forward(self, x):
        self.save(shape=x.shape)
        return x[self.index]

    def backward(self, gy):
        gx = np.zeros(self.saved.shape, gy.dtype)
        parts = self.index if isinstance(self.index, tuple) else (self.index,)
        if any(isinstance(i, (np.ndarray, list)) for i in parts):
            np.add.at(gx, self.index, gy)  # an element picked twice receives twice
        else:
            gx[self.index] = gy
        return gx


def _cut(x: np.ndarray, sizes: Sequence[int], axis: int) -> list[np.ndarray]:
    """Consecutive parts of x along an axis (views), as np.split, which takes longer than to copy a small map."""
    index, parts, start = [slice(None)] * x.ndim, [], 0
    for size in sizes:
        index[axis] = slice(start, start + size)
        parts.append(x[tuple(index)])
        start += size
    return parts


class Concat(Function, op="concat"):
    """Several arrays, one after the other along an axis."""

    attributes = ("axis",)
    contiguous = False
    axis: int

    def __init__(self, count: int, **attributes: Any) -> None:
        self.inputs = tuple(f"tensors[{i}]" for i in range(count))  # type: ignore[misc]  # as many as are given
        super().__init__(**attributes)

    def shapes(self, *xs):
        """The first shape, with the extents along the axis summed."""
        axis = self.axis % len(xs[0]) if xs[0] else 0
        others = xs[0][:axis] + xs[0][axis + 1:]
        for i, x in enumerate(xs):
            if len(x) != len(xs[0]) or x[:axis] + x[axis + 1:] != others:
                raise ValueError(f"concat: tensors[{i}] of shape {x} does not join {xs[0]} along axis {self.axis}")
        return *xs[0][:axis], sum(x[axis] for x in xs), *xs[0][axis + 1:]

    def forward(self, *xs):
        self.save(extents=[x.shape[self.axis] for x in xs])
        return np.concatenate(xs, self.axis)

    def backward(self, gy):
        return tuple(_cut(gy, self.saved.extents, self.axis))


def concat(tensors: Sequence[Any], axis: int = 1):
    """Tensors of equal shape but for `axis`, joined along it (axis 1 is the channels).

    >>> import numpy as np
    >>> concat([np.zeros((1, 2, 4, 4), "f"), np.ones((1, 3, 4, 4), "f")]).shape
    (1, 5, 4, 4)
    """
    if not tensors:
        raise ValueError("concat: tensors is empty, expected at least one")
    return Concat.apply(*tensors, count=len(tensors), axis=axis)


def stack(tensors: Sequence[Any], axis: int = 0):
    """Tensors of one shape, joined along a new axis.

    >>> from tinycnn import Tensor
    >>> stack([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])]).shape
    (2, 2)
    """
    return concat([_unsqueeze(t, axis) for t in tensors], axis)


def _unsqueeze(x: Any, axis: int):
    """x with a new axis of extent 1."""
    x = x if isinstance(x, Function.tensor) else Function.tensor(x)
    return x.unsqueeze(axis)


class Split(Function, op="split"):
    """Consecutive parts along an axis."""

    attributes = ("sizes", "axis")
    contiguous = False
    sizes: tuple[int, ...]
    axis: int

    def shapes(self, x):
        """One shape per part."""
        axis = self.axis % len(x)
        if sum(self.sizes) != x[axis] or min(self.sizes) < 0:
            raise ValueError(f"split: sizes {self.sizes} do not make up the {x[axis]} of axis {self.axis} of x {x}")
        return [(*x[:axis], n, *x[axis + 1:]) for n in self.sizes]

    def forward(self, x):
        return _cut(x, self.sizes, self.axis)

    def backward(self, *gys):
        return np.concatenate(gys, self.axis)


def split(x, sizes: Sequence[int], axis: int = 1):
    """x cut into consecutive parts of the given sizes along `axis`; a tuple of Tensors.

    >>> import numpy as np
    >>> [part.shape for part in split(np.zeros((1, 5, 4, 4), "f"), [2, 3])]
    [(1, 2, 4, 4), (1, 3, 4, 4)]
    """
    return Split.apply(x, sizes=tuple(sizes), axis=axis)


def chunk(x, chunks: int, axis: int = 1):
    """x cut into `chunks` equal parts along `axis`; a tuple of Tensors.

    >>> import numpy as np
    >>> [part.shape for part in chunk(np.zeros((1, 4, 2, 2), "f"), 2)]
    [(1, 2, 2, 2), (1, 2, 2, 2)]
    """
    if chunks < 1 or x.shape[axis] % chunks:
        raise ValueError(f"chunk: chunks={chunks} does not divide the {x.shape[axis]} of axis {axis}")
    return split(x, [x.shape[axis] // chunks] * chunks, axis)


class Pad(Function, op="pad"):
    """Constant values around the last axes."""

    attributes = ("pads", "value")
    contiguous = False
    pads: tuple[tuple[int, int], ...]
    value: float

    def shapes(self, x):
        """Each extent, with what is added before and after."""
        if len(self.pads) != len(x) or min(min(p) for p in self.pads) < 0:
            raise ValueError(f"pad: pads {self.pads} for x of shape {x}: expected two numbers >= 0 for each axis")
        return tuple(a + n + b for n, (a, b) in zip(x, self.pads))

    def forward(self, x):
        return np.pad(x, self.pads, constant_values=self.value)

    def backward(self, gy):
        return gy[tuple(slice(a, n - b) for n, (a, b) in zip(gy.shape, self.pads))]


def pad(x, pads: Sequence[int], value: float = 0.0):
    """x with constant values around it; `pads` as torch orders them: (left, right, top, bottom, ...), last axis first.

    >>> import numpy as np
    >>> pad(np.zeros((1, 1, 4, 4), "f"), (0, 1, 2, 3)).shape
    (1, 1, 9, 5)
    """
    ndim = len(x.shape)
    if len(pads) % 2 or len(pads) > 2 * ndim:
        raise ValueError(f"pad: pads {tuple(pads)}: expected pairs, at most one for each of the {ndim} axes")
    pairs = [(int(pads[i]), int(pads[i + 1])) for i in range(0, len(pads), 2)]
    return Pad.apply(x, pads=tuple([(0, 0)] * (ndim - len(pairs)) + pairs[::-1]), value=float(value))
