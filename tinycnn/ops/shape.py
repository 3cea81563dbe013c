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

    @classmethod
    def like(cls, inputs, attributes):
        return cls(len(inputs), **attributes)

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
    """Values around the last axes: constant, mirrored, or those at the edge."""

    attributes = ("pads", "mode", "value")
    contiguous = False
    pads: tuple[tuple[int, int], ...]
    mode: str
    value: float

    def shapes(self, x):
        """Each extent, with what is added before and after."""
        if len(self.pads) != len(x) or min(min(p) for p in self.pads) < 0:
            raise ValueError(f"pad: pads {self.pads} for x of shape {x}: expected two numbers >= 0 for each axis")
        for n, (a, b) in zip(x, self.pads):
            least = {"constant": 0, "replicate": 1, "reflect": max(a, b) + 1}[self.mode] if a or b else 0
            if n < least:
                raise ValueError(f"pad: pads {(a, b)} with mode {self.mode!r} need an extent of at least {least}, "
                                 f"got {n} in x of shape {x}")
        return tuple(a + n + b for n, (a, b) in zip(x, self.pads))

    def forward(self, x):
        y = self.empty(x.dtype)
        inside = [slice(a, a + n) for n, (a, _) in zip(x.shape, self.pads)]
        if self.mode == "constant":
            y.fill(self.value)
        y[tuple(inside)] = x
        for axis, (a, b) in enumerate(self.pads):
            if self.mode != "constant" and (a or b):
                there: Any = (..., slice(None), *inside[axis + 1:])  # the axes before are complete by now
                self._copy(y[there].swapaxes(0, axis), a, b)
        return y

    def backward(self, gy):
        """What lies inside, plus, axis by axis, what was copied outside."""
        for axis, (a, b) in enumerate(self.pads):
            inner = gy[(slice(None),)*axis + (slice(a, gy.shape[axis] - b),)]
            if self.mode != "constant" and (a or b):
                inner = inner.copy()
                self._return(gy.swapaxes(0, axis), inner.swapaxes(0, axis), a, b)
            gy = inner
        return gy

    def _copy(self, y: np.ndarray, a: int, b: int) -> None:
        """Fill the first a rows and the last b with copies of those between."""
        end = len(y) - b
        if self.mode == "replicate":
            y[:a], y[end:] = y[a], y[end - 1]
        else:
            y[:a], y[end:] = y[2*a:a:-1], y[end - 1 - b:end - 1][::-1]

    def _return(self, outer: np.ndarray, inner: np.ndarray, a: int, b: int) -> None:
        """Add the first a rows and the last b of `outer` to the rows of `inner` that they are copies of."""
        n = len(inner)
        before, after = outer[:a], outer[a + n:]
        if self.mode == "replicate":
            inner[0] += before.sum(0)
            inner[-1] += after.sum(0)
        else:
            inner[1:a + 1] += before[::-1]
            inner[n - 1 - b:n - 1] += after[::-1]


def pad(x, pads: Sequence[int], mode: str = "constant", value: float = 0.0):
    """x with values around it; `pads` as torch orders them: (left, right, top, bottom, ...), last axis first.

    mode: "constant", of `value`; "reflect", mirrored at the outermost elements, which are not repeated (so pads are
    less than the extent); or "replicate", the outermost elements again and again.  gx: gy, plus what came of copies.
    Raises ValueError for pads that are negative, too many or, reflecting, too large, and for another mode.

    >>> from tinycnn import Tensor
    >>> pad(Tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect").tolist()
    [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]
    """
    ndim = len(x.shape)
    if mode not in ("constant", "reflect", "replicate"):
        raise ValueError(f"pad: mode must be 'constant', 'reflect' or 'replicate', got {mode!r}")
    if len(pads) % 2 or len(pads) > 2 * ndim:
        raise ValueError(f"pad: pads {tuple(pads)}: expected pairs, at most one for each of the {ndim} axes")
    pairs = [(int(pads[i]), int(pads[i + 1])) for i in range(0, len(pads), 2)]
    return Pad.apply(x, pads=tuple([(0, 0)] * (ndim - len(pairs)) + pairs[::-1]), mode=mode, value=float(value))
