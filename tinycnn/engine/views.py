"""Where the elements of a value lie when they are taken in row-major order: an affine map of axes, and a table.

Element (i0, i1, ...) of the axes of a `View` lies at

    start + sum of i step  + table[first + sum of i entry]

which plain arrays are, what slicing, transposing, splitting and repeating axes makes of them, and the blocked layout
(its channels are found by the table).  The axes are factors of the value's shape: a reshape changes nothing here.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..autograd import Shape
from .layout import Part, Placed, Storage, as_map

ARENA, CONSTANTS = -1, -2  # spaces; from 0 on: numbers of the caller's arrays
AXES = 8  # that the kernel of moves takes
Table = Callable[[], np.ndarray]


class Axis(NamedTuple):
    """So many elements, so far apart, their entries in the table so far apart."""

    extent: int
    step: int
    entry: int = 0


class Pair(NamedTuple):
    """An axis of two views at once."""

    extent: int
    x: int  # step
    x_entry: int
    y: int
    y_entry: int


@dataclass(frozen=True, eq=False)
class View:
    """Elements in row-major order over `axes`. storage: what `start` counts from (None: the space's first element)."""

    axes: tuple[Axis, ...]
    start: int = 0
    storage: Storage | None = None
    space: int = ARENA
    table: Table | None = None
    first: int = 0
    stores: tuple[Storage, ...] = ()
    placed: Placed | None = None  # the same elements, as blocks of channels

    @classmethod
    def plain(cls, size: int, storage: Storage | None = None, start: int = 0, space: int = ARENA) -> View:
        """Elements that follow each other."""
        return cls((Axis(size, 1),), start, storage, space, stores=() if storage is None else (storage,))

    @classmethod
    def of(cls, placed: Placed, width: int) -> View:
        """A value in the blocked layout."""
        (n, c, h, w), [store, *_] = placed.shape, placed.stores
        pixel = placed.shape[0] * placed.pixels * width
        axes = [Axis(n, placed.pixels * width), Axis(c, 0, 1), Axis(h * w, width)]
        if placed.is_whole and (c <= width or pixel == width):  # channel c is c elements further on
            axes[1] = Axis(c, 1)
            return cls(merged(axes), 0, store, stores=(store,), placed=placed)
        return cls(merged(axes), table=lambda: placed.offsets(width), stores=tuple(placed.stores), placed=placed)

    @property
    def size(self) -> int:
        """How many elements."""
        return int(np.prod([axis.extent for axis in self.axes]))

    def address(self) -> int:
        """Where the element of indices 0 lies, without what the table adds; memory must have been laid out."""
        return self.start + (0 if self.storage is None else self.storage.offset)

    def part(self, padded: int) -> Part | None:
        """The place where the elements follow each other in the arena, `padded` of them; None where they do not."""
        if self.storage is None or self.table is not None or self.axes not in ((), (Axis(self.size, 1),)):
            return None
        return Part(self.storage, self.start) if self.start + padded <= self.storage.size else None

    # ---- other views of the same elements
    def by(self, shape: Shape) -> list[tuple[Axis, ...]] | None:
        """The axes that make up each axis of a shape; None where some would have to be cut in parts that differ."""
        left = list(self.axes)
        groups: list[tuple[Axis, ...]] = []
        for extent in reversed(shape):
            group: list[Axis] = []
            while extent > 1:
                axis = left.pop()
                inner = min(extent, axis.extent)
                if extent % inner or axis.extent % inner:
                    return None
                if axis.extent > inner:
                    left.append(Axis(axis.extent // inner, axis.step * inner, axis.entry * inner))
                group.insert(0, axis._replace(extent=inner))
                extent //= inner
            groups.insert(0, tuple(group))
        return groups

    def with_axes(self, groups: Sequence[Sequence[Axis]]) -> View:
        """These axes instead."""
        return replace(self, axes=merged([axis for group in groups for axis in group]), placed=None)

    def moved(self, axis: Axis, by: int) -> View:
        """The view that begins `by` elements further along an axis."""
        return replace(self, start=self.start + by * axis.step, first=self.first + by * axis.entry, placed=None)


def merged(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """Without axes of extent 1; those that continue each other joined."""
    result: list[Axis] = []
    for axis in axes:
        last = result[-1] if result else None
        if last and last.step == axis.step * axis.extent and last.entry == axis.entry * axis.extent:
            result[-1] = axis._replace(extent=last.extent * axis.extent)
        elif axis.extent > 1:
            result.append(axis)
    return tuple(result)


def dense(shape: Shape) -> list[Axis]:
    """The axes of an array whose elements follow each other, one for each of its own."""
    return [Axis(extent, int(np.prod(shape[i + 1:]))) for i, extent in enumerate(shape)]


def paired(x: Sequence[Axis], y: Sequence[Axis]) -> list[Pair] | None:
    """Common axes of two views of as many elements; None where there are none."""
    left, other = list(x), list(y)
    pairs: list[Pair] = []
    while left and other:
        a, b = left.pop(), other.pop()
        inner = min(a.extent, b.extent)
        if a.extent % inner or b.extent % inner:
            return None
        for axis, rest in ((a, left), (b, other)):
            if axis.extent > inner:
                rest.append(Axis(axis.extent // inner, axis.step * inner, axis.entry * inner))
        pairs.insert(0, Pair(inner, a.step, a.entry, b.step, b.entry))
    return pairs


def compact(view: View, steps: Sequence[tuple[int, int]]) -> tuple[list[int], int, Table]:
    """The table of a view, cut down to the entries that axes (extent, entry) use, in their order.

    Gives back the new steps through it, its length, and its entries.
    """
    new, size, index = [0] * len(steps), 1, np.array([view.first])
    for i in reversed(range(len(steps))):
        extent, entry = steps[i]
        if entry:
            new[i], size = size, size * extent
            index = (np.arange(extent)[:, None] * entry + index).ravel()
    if view.table is None:
        return new, 1, lambda: np.zeros(1, np.int64)
    table = view.table
    return new, size, lambda: table()[index]


def as_blocks(shape: Shape, array: np.ndarray, width: int) -> np.ndarray:
    """An array in the blocked layout."""
    n, c, h, w = as_map(shape)
    filled = np.zeros((-(-c // width) * width, n, h * w))
    filled[:c] = array.reshape(n, c, h * w).transpose(1, 0, 2)
    return filled.reshape(-1, width, n, h * w).transpose(0, 2, 3, 1).ravel()
