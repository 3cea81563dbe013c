"""What operations in plain order touch (`_kernels/engine/move.pxi`, `rows.pxi`, `matmul.pxi`); see `check`."""
from __future__ import annotations

import math
from collections.abc import Iterator

from .spans import Fields, PlanError, Span, arena, constants, positive
from .views import AXES, CONSTANTS


def result(f: Fields, size: int, first: int = 0) -> Span:
    """So many elements that are written, in the arena or, as r says, in an array of the caller."""
    space: str | int = "arena" if f.r < 0 else f.r
    return Span(space, f.y + first, f.y + first + size, True)


def bounds(steps: list[tuple[int, int]]) -> tuple[int, int]:
    """Least and largest sum over axes of (extent, step)."""
    ends = [(extent - 1) * step for extent, step in steps]
    return sum(min(end, 0) for end in ends), sum(max(end, 0) for end in ends)


def reach(f: Fields, axes: list[tuple[int, ...]], side: int, table: int, entries: int) -> tuple[int, int]:
    """Least and largest place, from its first element, that a move touches on one side."""
    low, high = bounds([(axis[0], axis[side]) for axis in axes])
    first, last = bounds([(axis[0], axis[side + 1]) for axis in axes])
    if first < 0 or last >= entries:
        raise PlanError(f"entries {first} to {last} of a table of {entries}")
    least, largest = f.table(table, entries)
    return low + least, high + largest


def move(f: Fields) -> Iterator[Span]:
    """See move.pxi."""
    positive(f, "k", "n")
    f.table(f.off, 5 * AXES + f.k + f.n)
    numbers = f.tables[f.off:f.off + 5 * AXES].reshape(AXES, 5).tolist()
    axes = [tuple(axis) for axis in numbers]
    if min(axis[0] for axis in axes) < 1:
        raise PlanError("an axis without elements")
    low, high = reach(f, axes, 1, f.off + 5 * AXES, f.k)
    space: str | int = "arena" if f.mode == -1 else "constants" if f.mode == CONSTANTS else f.mode
    yield Span(space, f.x + low, f.x + high + 1)
    low, high = reach(f, axes, 3, f.off + 5 * AXES + f.k, f.n)
    if math.prod(axis[0] for axis in axes) > high - low + 1:
        raise PlanError("more elements than there are places for them")
    yield result(f, high - low + 1, low)


def fill(f: Fields) -> Iterator[Span]:
    """See move.pxi."""
    positive(f, "n")
    yield result(f, f.n)


def softmax(f: Fields) -> Iterator[Span]:
    """See rows.pxi."""
    positive(f, "rows", "k", "n")
    yield arena(f.x, f.rows * f.k * f.n)
    yield result(f, f.rows * f.k * f.n)


def reduce(f: Fields) -> Iterator[Span]:
    """See rows.pxi."""
    positive(f, "rows", "k", "n")
    yield arena(f.x, f.rows * f.k * f.n)
    yield result(f, f.rows * f.n)


def layer_norm(f: Fields) -> Iterator[Span]:
    """See rows.pxi."""
    positive(f, "rows", "k")
    yield arena(f.x, f.rows * f.k)
    yield result(f, f.rows * f.k)
    yield constants(f.w, f.k)
    yield constants(f.b, f.k)


def select(f: Fields) -> Iterator[Span]:
    """See rows.pxi."""
    positive(f, "n")
    for start in (f.s, f.x, f.z):
        yield arena(start, f.n)
    yield result(f, f.n)


def matmul(f: Fields) -> Iterator[Span]:
    """See matmul.pxi."""
    positive(f, "images", "rows", "k", "n")
    for space, start, matrix, extents in (
            ("constants" if f.mode == 1 else "arena", f.x, f.image_step, [(f.rows, f.xrow), (f.k, f.px)]),
            ("constants" if f.mode == 2 else "arena", f.s, f.ys, [(f.k, f.n), (f.n, 1)])):
        low, high = bounds([(f.images, matrix), *extents])
        yield Span(space, start + low, start + high + 1)
    yield result(f, f.images * f.rows * f.n)
