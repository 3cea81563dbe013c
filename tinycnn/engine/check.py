"""Every address of a plan, checked against the memory it may touch, before a kernel trusts it.

For each kind of operation one function says what it reads and writes, from its fields and its tables alone, by the
loops of its kernel.  A plan that was written wrongly, or read from a damaged file, is refused here.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

MOST_ROWS = 32  # input rows that a depthwise kernel keeps pointers to
WIDEST_PANEL = 3  # vectors
MOST_BINS = 64  # of a region, on an axis
MOST_SAMPLES = 1 << 10  # of a bin, on an axis: more would take as good as forever
MOST_POWER = 2**31  # the largest exponent


class PlanError(RuntimeError):
    """A plan would touch memory that is not its own: a defect of the engine, or a damaged file."""


class Span(NamedTuple):
    """Elements [start, stop) of "arena", "constants", "tables", or of the caller's array of a number."""

    space: str | int
    start: int
    stop: int
    written: bool = False


class Fields:
    """The fields of an operation, by name, and what else a check needs."""

    def __init__(self, names: dict[str, int], rows: np.ndarray, number: int, tables: np.ndarray, width: int,
                 threads: int) -> None:
        self._names, self._rows, self.number = names, rows, number
        self.tables, self.width, self.threads = tables, width, threads

    def __getattr__(self, name: str) -> int:
        return int(self._rows[self.number, self._names[name]])

    def real(self, name: str) -> float:
        """A field that holds a floating number."""
        return float(self._rows[self.number, self._names[name]].view(np.float64))

    def member(self, i: int) -> Fields:
        """The fields of the i-th operation after this one."""
        if not 0 < i < len(self._rows) - self.number:
            raise PlanError(f"{i} members, but the plan ends before")
        return Fields(self._names, self._rows, self.number + i, self.tables, self.width, self.threads)

    def table(self, start: int, count: int) -> tuple[int, int]:
        """Least and largest of the entries of a table."""
        if not 0 <= start <= start + count <= len(self.tables) or count < 1:
            raise PlanError(f"a table [{start}, {start + count}) of {len(self.tables)} entries")
        part = self.tables[start:start + count]
        return int(part.min()), int(part.max())


def arena(start: int, size: int, written: bool = False) -> Span:
    """So many elements of the arena."""
    return Span("arena", start, start + size, written)


def constants(start: int, size: int) -> Span:
    """So many constants."""
    return Span("constants", start, start + size)


def product(f: Fields) -> Iterator[Span]:
    """See product.pxi."""
    positive(f, "k", "blocks", "rows", "n", "image_rows")
    not_negative(f, "px", "xrow", "image_step", "ys", "py", "yrow", "yimage")
    low, high = f.table(f.off, f.k)
    images, rows = (f.rows - 1) // f.image_rows, min(f.rows, f.image_rows) - 1
    start, size = f.x + low, high - low + images * f.image_step + rows * f.xrow + (f.n - 1) * f.px + 1
    yield arena(start, size) if f.mode < 0 else Span(f.mode, start, start + size)
    extent = (f.blocks - 1) * f.ys + images * f.yimage + rows * f.yrow + (f.n - 1) * f.py + f.width
    yield arena(f.y, extent, written=True)
    if f.r >= 0:
        yield arena(f.r, extent)
    if f.s >= 0:
        low, high = f.table(f.soff, f.k)
        yield arena(f.s + low, high - low + (f.rows - 1) * f.width + 1)
        yield arena(f.t, f.threads * f.k * WIDEST_PANEL * f.width, written=True)
    yield constants(f.w, f.k * f.blocks * f.width)
    yield constants(f.b, f.blocks * f.width)


def depthwise(f: Fields) -> Iterator[Span]:
    """See depthwise.pxi."""
    positive(f, "blocks", "images", "h", "wd", "oh", "ow", "kh", "kw", "sh", "sw", "dh", "dw")
    if f.kh > MOST_ROWS:
        raise PlanError(f"a depthwise kernel of {f.kh} rows, at most {MOST_ROWS}")
    planes = f.blocks * f.images * f.width
    yield arena(f.x, planes * f.h * f.wd)
    yield arena(f.y, planes * f.oh * f.ow, written=True)
    if f.r >= 0:
        yield arena(f.r, planes * f.oh * f.ow)
    yield constants(f.w, f.blocks * f.kh * f.kw * f.width)
    yield constants(f.b, f.blocks * f.width)
    yield constants(f.z, f.wd * f.width)


def pool(f: Fields) -> Iterator[Span]:
    """See maps.pxi."""
    yield from resized(f)
    positive(f, "kh", "kw", "sh", "sw", "dh", "dw")
    yield arena(f.t, f.threads * f.wd * f.width, written=True)


def resized(f: Fields) -> Iterator[Span]:
    """Maps of one size to maps of another."""
    positive(f, "blocks", "images", "h", "wd", "oh", "ow")
    planes = f.blocks * f.images * f.width
    yield arena(f.x, planes * f.h * f.wd)
    yield arena(f.y, planes * f.oh * f.ow, written=True)


def resize(f: Fields) -> Iterator[Span]:
    """See resize.pxi."""
    yield from resized(f)
    positive(f, "kh", "kw")
    for start, count, size in ((f.off, f.kh * f.oh, f.h), (f.off + f.kh * f.oh, f.kw * f.ow, f.wd)):
        low, high = f.table(start, count)
        if low < 0 or high >= size:
            raise PlanError(f"places [{low}, {high}] of {size}")
    yield constants(f.w, f.kh * f.oh + f.kw * f.ow)
    yield arena(f.t, f.threads * f.wd * f.width, written=True)


def global_mean(f: Fields) -> Iterator[Span]:
    """See maps.pxi."""
    positive(f, "blocks", "images", "n")
    yield arena(f.x, f.blocks * f.images * f.n * f.width)
    yield arena(f.y, f.blocks * f.images * f.width, written=True)


def maps(f: Fields) -> Iterator[Span]:
    """Maps of n pixels to maps of the same size."""
    positive(f, "blocks", "images", "n")
    planes = f.blocks * f.images * f.width
    yield arena(f.x, planes * f.n)
    yield arena(f.y, planes * f.n, written=True)


def stored(f: Fields) -> Iterator[Span]:
    """The same, with a residual in the last store."""
    yield from maps(f)
    if f.r >= 0:
        yield arena(f.r, f.blocks * f.images * f.width * f.n)


def combine(f: Fields) -> Iterator[Span]:
    """See maps.pxi."""
    yield from stored(f)
    if f.px not in (0, f.width):
        raise PlanError(f"a second operand in steps of {f.px}, expected 0 or {f.width}")
    if f.s >= 0:
        yield arena(f.s, f.blocks * f.images * f.width * (f.n if f.px else 1))


def affine(f: Fields) -> Iterator[Span]:
    """See maps.pxi."""
    yield from stored(f)
    if f.mode not in (0, 1, 2):
        raise PlanError(f"mode {f.mode}, expected 0, 1 or 2")
    if f.mode == 1:
        yield arena(f.s, 2 * f.blocks * f.images * f.width)
        return
    size = f.blocks * f.width * (f.n if f.mode == 2 else 1)
    yield constants(f.w, size)
    yield constants(f.b, size)


def moments(f: Fields) -> Iterator[Span]:
    """See norm.pxi."""
    positive(f, "blocks", "images", "n")
    planes = f.blocks * f.images * f.width
    yield arena(f.x, planes * f.n)
    yield arena(f.y, 2 * planes, written=True)


def factors(f: Fields) -> Iterator[Span]:
    """See norm.pxi."""
    positive(f, "blocks", "images", "k", "rows")
    if f.k > f.blocks * f.width or f.k % f.rows:
        raise PlanError(f"{f.k} channels in {f.rows} groups and {f.blocks} blocks of {f.width}")
    planes = f.blocks * f.images * f.width
    yield arena(f.s, 2 * planes)
    yield arena(f.y, 2 * planes, written=True)
    yield constants(f.w, f.k)
    yield constants(f.b, f.k)
    yield constants(f.z, 4 + 2 * f.k)


def across_channels(f: Fields) -> Iterator[Span]:
    """Maps of k channels, whose last block has lanes that count and may have others."""
    yield from maps(f)
    if not (f.blocks - 1) * f.width < f.k <= f.blocks * f.width:
        raise PlanError(f"{f.k} channels in {f.blocks} blocks of {f.width}")


def l2_norm(f: Fields) -> Iterator[Span]:
    """See pixel_norm.pxi."""
    yield from across_channels(f)
    yield constants(f.w, f.blocks * f.width)


def local_response(f: Fields) -> Iterator[Span]:
    """See pixel_norm.pxi."""
    yield from across_channels(f)
    positive(f, "rows")
    yield constants(f.w, 3)
    yield arena(f.t, f.threads * (f.blocks * f.width + f.rows), written=True)


def unary(f: Fields) -> Iterator[Span]:
    """See unary.pxi."""
    positive(f, "n")
    if f.mode not in range(6) or not abs(f.real("low")) <= MOST_POWER:
        raise PlanError(f"function {f.mode}, or an exponent of {f.real('low')}")
    yield arena(f.x, f.n * f.width)
    yield arena(f.y, f.n * f.width, written=True)


def prelu(f: Fields) -> Iterator[Span]:
    """See unary.pxi."""
    yield from maps(f)
    yield constants(f.w, f.blocks * f.width)


def read_input(f: Fields) -> Iterator[Span]:
    """See maps.pxi."""
    positive(f, "blocks", "images", "n", "k")
    yield Span(f.mode, 0, f.images * f.k * f.n)
    yield arena(f.y, f.blocks * f.images * f.n * f.width, written=True)


def write_output(f: Fields) -> Iterator[Span]:
    """See maps.pxi."""
    positive(f, "images", "n", "k")
    low, high = f.table(f.off, f.k)
    yield arena(low, high - low + (f.images * f.n - 1) * f.width + 1)
    yield Span(f.mode, 0, f.images * f.k * f.n, True)


def gather(f: Fields) -> Iterator[Span]:
    """See maps.pxi."""
    positive(f, "blocks", "images", "n")
    low, high = f.table(f.off, f.blocks * f.width)
    yield arena(max(low, 0), high - max(low, 0) + (f.images * f.n - 1) * f.width + 1)
    yield arena(f.y, f.blocks * f.images * f.n * f.width, written=True)


def pad(f: Fields) -> Iterator[Span]:
    """See maps.pxi."""
    positive(f, "blocks", "images", "h", "wd", "oh", "ow", "px")
    if f.top < 0 or f.left < 0 or f.left + f.wd > f.ow:
        raise PlanError(f"a map {f.wd} wide, {f.left} inside a frame of {f.ow}")
    size = f.blocks * f.images * f.h * f.wd * f.px
    yield arena(f.x, size) if f.mode < 0 else Span(f.mode, 0, size)
    yield arena(f.y, f.blocks * f.images * f.oh * f.ow * f.px, written=True)


def winograd(m: int) -> Callable[[Fields], Iterator[Span]]:
    """See winograd.pxi."""
    def check(f: Fields) -> Iterator[Span]:
        positive(f, "k", "blocks", "images", "h", "wd", "oh", "ow", "kh", "kw", "rows", "n")
        if f.kh * m < f.oh or f.kw * m < f.ow or (f.kh - 1) * m >= f.oh or f.n != f.rows * f.kw:
            raise PlanError(f"{f.kh} x {f.kw} tiles of {m} for a map of {f.oh} x {f.ow}, {f.n} in {f.rows} rows")
        places, inputs = (m + 2) ** 2, -(-f.k // f.width)
        rest = f.images * f.kh % f.rows * f.kw
        for start, tiles in ((f.off, f.n), (f.soff, rest)):
            if tiles and f.images * f.kh * f.kw >= tiles:
                low, high = f.table(start, f.k)
                if low < 0 or high >= inputs * tiles * f.width:
                    raise PlanError("offsets of tiles outside of the tiles")
        yield arena(f.x, inputs * f.images * f.h * f.wd * f.width)
        yield arena(f.y, f.blocks * f.images * f.oh * f.ow * f.width, written=True)
        if f.r >= 0:
            yield arena(f.r, f.blocks * f.images * f.oh * f.ow * f.width)
        yield arena(f.t, places * (inputs + f.blocks) * f.n * f.width, written=True)
        yield constants(f.w, places * f.k * f.blocks * f.width)
        yield constants(f.b, f.blocks * f.width)
        yield constants(f.z, f.blocks * f.width)
    return check


def strip(f: Fields) -> Iterator[Span]:
    """See strip.pxi."""
    if f.mode not in (2, 3):
        raise PlanError(f"{f.mode} members, expected 2 or 3")
    d, project = f.member(f.mode - 1), f.member(f.mode)
    positive(d, "blocks", "images", "h", "wd", "oh", "ow", "kh", "kw", "sh", "sw")
    positive(f, "rows", "n")
    positive(project, "k", "blocks")
    for g in (project, *((f.member(1),) if f.mode == 3 else ())):
        if g.s >= 0 or g.px != f.width or g.py != f.width or g.rows != 1 or g.image_rows != 1:
            raise PlanError("a member that is no plain product")
    if d.kh != d.kw or d.sh != d.sw or (d.kh, d.sh) not in ((3, 1), (3, 2), (5, 1), (5, 2)) or d.r >= 0:
        raise PlanError(f"a depthwise kernel {d.kh} x {d.kw} of stride {d.sh}, {d.sw}")
    inner, expanded = f.rows * d.ow * f.width, 0
    if f.mode == 3:
        expand = f.member(1)
        if f.k < (f.rows - 1) * d.sh + d.kh or f.k & (f.k - 1) or expand.blocks != d.blocks or expand.r >= 0:
            raise PlanError(f"a ring of {f.k} rows for strips of {f.rows}")
        low, high = f.table(expand.off, expand.k)
        yield arena(expand.x + low, high - low + (d.images * d.h * d.wd - 1) * f.width + 1)
        yield constants(expand.w, expand.k * expand.blocks * f.width)
        yield constants(expand.b, expand.blocks * f.width)
        expanded = d.blocks * f.k * d.wd * f.width
    else:
        yield arena(d.x, d.blocks * d.images * d.h * d.wd * f.width)
    low, high = f.table(project.off, project.k)
    if low < 0 or high >= d.blocks * inner - inner + f.width or f.n < expanded + d.blocks * inner:
        raise PlanError("a strip that does not fit its memory")
    yield arena(f.t, f.threads * f.n, written=True)
    yield constants(d.w, d.blocks * d.kh * d.kw * f.width)
    yield constants(d.b, d.blocks * f.width)
    yield constants(d.z, d.wd * f.width)
    yield constants(project.w, project.k * project.blocks * f.width)
    yield constants(project.b, project.blocks * f.width)
    extent = (project.blocks - 1) * project.ys + d.images * d.oh * d.ow * f.width
    yield arena(project.y, extent, written=True)
    if project.r >= 0:
        yield arena(project.r, extent)


def regions(f: Fields) -> Iterator[Span]:
    """What both kernels of roi.pxi read and write, but the map."""
    positive(f, "blocks", "images", "h", "wd", "oh", "ow", "k")
    if max(f.oh, f.ow) > MOST_BINS:
        raise PlanError(f"{f.oh} x {f.ow} bins, at most {MOST_BINS} on an axis")
    yield arena(f.s, -(-5 // f.width) * f.k * f.width)
    yield arena(f.y, f.blocks * f.k * f.oh * f.ow * f.width, written=True)


def roi_pool(f: Fields) -> Iterator[Span]:
    """See roi.pxi."""
    yield from regions(f)
    yield arena(f.x, f.blocks * f.images * f.h * f.wd * f.width * (1 if f.mode == 0 else f.oh * f.ow))


def roi_align(f: Fields) -> Iterator[Span]:
    """See roi.pxi."""
    yield from regions(f)
    if f.kh > MOST_SAMPLES:
        raise PlanError(f"{f.kh} samples of a bin, at most {MOST_SAMPLES}")
    yield arena(f.x, f.blocks * f.images * f.h * f.wd * f.width)
    yield arena(f.t, f.threads * (f.wd * f.width + f.oh * f.h + f.ow * f.wd), written=True)


CHECKS: dict[str, Callable[[Fields], Iterator[Span]]] = {
    "product": product, "depthwise": depthwise, "pool": pool, "adaptive_pool": resized,
    "global_mean": global_mean, "combine": combine, "affine": affine, "read_input": read_input,
    "write_output": write_output, "gather": gather, "pad": pad, "winograd2": winograd(2), "winograd4": winograd(4),
    "strip": strip, "resize": resize, "moments": moments, "factors": factors, "l2_norm": l2_norm,
    "local_response": local_response, "unary": unary, "prelu": prelu, "roi_pool": roi_pool, "roi_align": roi_align,
}


def positive(f: Fields, *names: str) -> None:
    """Refuse fields that must be at least 1 and are not."""
    for name in names:
        if getattr(f, name) < 1:
            raise PlanError(f"{name} is {getattr(f, name)}, expected at least 1")


def not_negative(f: Fields, *names: str) -> None:
    """Refuse steps that go back."""
    for name in names:
        if getattr(f, name) < 0:
            raise PlanError(f"{name} is {getattr(f, name)}, expected at least 0")


def check(plan: Any, io: list[int], width: int, threads: int, kernels: Any) -> None:
    """Raise PlanError where an operation of `plan` would leave its memory. io: sizes of the caller's arrays."""
    names = {name: i for i, name in enumerate(kernels.FIELDS)}
    sizes: dict[str | int, int] = {"arena": plan.arena, "constants": len(plan.constants), **dict(enumerate(io))}
    number = 0
    while number < len(plan.ops):
        kind = int(plan.ops[number, names["kind"]])
        if not 0 <= kind < len(kernels.KINDS):
            raise PlanError(f"operation {number}: there is no kind {kind}")
        try:
            fields = Fields(names, plan.ops, number, plan.tables, width, threads)
            for span in CHECKS[kernels.KINDS[kind]](fields):
                if span.space not in sizes or not 0 <= span.start <= span.stop <= sizes[span.space]:
                    raise PlanError(f"[{span.start}, {span.stop}) of {span.space}, which has {sizes.get(span.space)}")
        except PlanError as error:
            raise PlanError(f"operation {number}, {kernels.KINDS[kind]}: {error}") from None
        number += 1 + (fields.mode if kernels.KINDS[kind] == "strip" else 0)
