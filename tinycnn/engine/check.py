"""Every address of a plan, checked against the memory it may touch, before a kernel trusts it.

For each kind of operation one function says what it reads and writes, from its fields and its tables alone, by the
loops of its kernel.  A plan that was written wrongly, or read from a damaged file, is refused here.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .check_maps import (
    affine,
    combine,
    factors,
    l2_norm,
    local_response,
    moments,
    prelu,
    resize,
    resized,
    roi_align,
    roi_pool,
    unary,
)
from .check_plain import fill, layer_norm, matmul, move, reduce, select, softmax
from .spans import Fields, PlanError, Span, arena, constants, not_negative, positive

MOST_ROWS = 32  # input rows that a depthwise kernel keeps pointers to
WIDEST_PANEL = 3  # vectors


def product(f: Fields) -> Iterator[Span]:
    """See product.pxi."""
    yield from factors_of(f)
    images, rows = (f.rows - 1) // f.image_rows, min(f.rows, f.image_rows) - 1
    extent = (f.blocks - 1) * f.ys + images * f.yimage + rows * f.yrow + (f.n - 1) * f.py + f.width
    yield arena(f.y, extent, written=True)
    if f.r >= 0:
        yield arena(f.r, extent)
    if f.s >= 0:
        low, high = f.table(f.soff, f.k)
        yield arena(f.s + low, high - low + (f.rows - 1) * f.width + 1)
        yield arena(f.t, f.threads * f.k * WIDEST_PANEL * f.width, written=True)


def factors_of(f: Fields) -> Iterator[Span]:
    """What a product reads: inputs, weights, biases."""
    positive(f, "blocks", "rows", "n", "image_rows")
    not_negative(f, "k", "px", "xrow", "image_step", "ys", "py", "yrow", "yimage")
    if f.k:
        low, high = f.table(f.off, f.k)
        images, rows = (f.rows - 1) // f.image_rows, min(f.rows, f.image_rows) - 1
        start, size = f.x + low, high - low + images * f.image_step + rows * f.xrow + (f.n - 1) * f.px + 1
        yield arena(start, size) if f.mode < 0 else Span(f.mode, start, start + size)
    yield constants(f.w, f.k * f.blocks * f.width)
    yield constants(f.b, f.blocks * f.width)


def trained_product(f: Fields) -> Iterator[Span]:
    """See train/dense.pxi: a product whose weights and biases are in the arena."""
    for span in product(f):
        yield span._replace(space="arena") if span.space == "constants" else span


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
    if f.a >= 0:
        yield arena(f.a, 4 * f.blocks * f.width)


def global_mean(f: Fields) -> Iterator[Span]:
    """See maps.pxi."""
    positive(f, "blocks", "images", "n")
    yield arena(f.x, f.blocks * f.images * f.n * f.width)
    yield arena(f.y, f.blocks * f.images * f.width, written=True)


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
        memory = places * ((inputs * f.n | 1) + (f.blocks * f.n | 1)) * f.width
        if f.mode > 0 and f.s < memory:
            raise PlanError(f"{f.s} elements for the tiles of a band that need {memory}")
        yield arena(f.t, memory + (f.threads - 1) * f.s if f.mode > 0 else memory, written=True)
        yield constants(f.w, places * f.k * f.blocks * f.width)
        yield constants(f.b, f.blocks * f.width)
        yield constants(f.z, f.blocks * f.width)
    return check


def strip(f: Fields) -> Iterator[Span]:
    """See strip.pxi."""
    d = f.member(1 + f.kh)
    pooled = d.name == "pool"
    positive(f, "rows", "n")
    positive(d, "blocks", "images", "h", "wd", "oh", "ow", "kh", "kw", "sh", "sw", "dh", "dw")
    if f.kh < 0 or f.mode != f.kh + 2 - pooled or (pooled and not f.kh):
        raise PlanError(f"{f.mode} members, {f.kh} of which produce")
    ring = d.blocks * f.k * d.wd * f.width if f.kh else 0
    if f.kh and (f.k < (f.rows - 1) * d.sh + (d.kh - 1) * d.dh + 1 or f.k & (f.k - 1)):
        raise PlanError(f"a ring of {f.k} rows for strips of {f.rows}")
    for i in range(f.kh):
        yield from produced(f.member(1 + i), d)
    if not f.kh:
        yield arena(d.x, d.blocks * d.images * d.h * d.wd * f.width)
    if pooled:
        inner = d.wd * f.width
        yield arena(d.y, d.blocks * d.images * d.oh * d.ow * f.width, written=True)
    else:
        inner = d.blocks * f.rows * d.ow * f.width
        yield from projected(f, d, f.member(f.mode))
    if f.n < ring + inner:
        raise PlanError(f"{f.n} elements for a strip that needs {ring + inner}")
    yield arena(f.t, f.threads * f.n, written=True)


def produced(g: Fields, d: Fields) -> Iterator[Span]:
    """A product that writes a part of a ring."""
    not_negative(g, "top", "left")
    lines, columns = (g.n, g.image_rows) if g.py != g.width else (g.image_rows, g.n)
    if (g.name != "product" or g.blocks != d.blocks or g.r >= 0 or g.s >= 0 or g.oh != lines
            or g.rows != d.images * g.image_rows or g.top + lines > d.h or g.left + columns > d.wd
            or (g.py != g.width and g.yrow != g.width)):
        raise PlanError("a member that does not produce rows of the ring")
    yield from factors_of(g)


def projected(f: Fields, d: Fields, project: Fields) -> Iterator[Span]:
    """Depthwise and the product behind it."""
    if (d.name != "depthwise" or d.kh != d.kw or d.sh != d.sw or d.r >= 0
            or (d.kh, d.sh, d.dh, d.dw) not in ((3, 1, 1, 1), (3, 2, 1, 1), (5, 1, 1, 1), (5, 2, 1, 1))):
        raise PlanError(f"a depthwise kernel {d.kh} x {d.kw} of stride {d.sh}, {d.sw}")
    positive(project, "k", "blocks")
    if (project.name != "product" or project.s >= 0 or project.mode >= 0 or project.px != f.width
            or project.py != f.width or project.rows != 1 or project.image_rows != 1):
        raise PlanError("a member that is no plain product")
    low, high = f.table(project.off, project.k)
    if low < 0 or high >= (d.blocks - 1) * f.rows * d.ow * f.width + f.width:
        raise PlanError("offsets outside of the strip")
    yield constants(d.w, d.blocks * d.kh * d.kw * f.width)
    yield constants(d.b, d.blocks * f.width)
    yield constants(d.z, d.wd * f.width)
    yield constants(project.w, project.k * project.blocks * f.width)
    yield constants(project.b, project.blocks * f.width)
    not_negative(project, "ys")
    extent = (project.blocks - 1) * project.ys + d.images * d.oh * d.ow * f.width
    yield arena(project.y, extent, written=True)
    if project.r >= 0:
        yield arena(project.r, extent)


CHECKS: dict[str, Callable[[Fields], Iterator[Span]]] = {
    "product": product, "depthwise": depthwise, "pool": pool, "adaptive_pool": resized,
    "global_mean": global_mean, "combine": combine, "affine": affine, "read_input": read_input,
    "write_output": write_output, "gather": gather, "pad": pad, "winograd2": winograd(2), "winograd4": winograd(4),
    "strip": strip, "move": move, "fill": fill, "softmax": softmax, "reduce": reduce, "layer_norm": layer_norm,
    "select": select, "matmul": matmul, "resize": resize, "moments": moments, "factors": factors, "l2_norm": l2_norm,
    "local_response": local_response, "unary": unary, "prelu": prelu, "roi_pool": roi_pool, "roi_align": roi_align,
}


class Touched(NamedTuple):
    """What an operation may touch: of the rows [number, stop) of a plan, the first with its members."""

    number: int
    stop: int
    kind: str
    spans: list[Span]


def touched(plan: Any, width: int, threads: int, kernels: Any) -> Iterator[Touched]:
    """The operations of a plan. Raises PlanError where fields make no sense."""
    names = {name: i for i, name in enumerate(kernels.FIELDS)}
    number = 0
    while number < len(plan.ops):
        fields, name = Fields(names, kernels.KINDS, plan.ops, number, plan.tables, width, threads), "?"
        try:
            name = fields.name
            if name not in CHECKS:
                raise PlanError("only plans of training have that")
            spans = list(CHECKS[name](fields))
        except PlanError as error:
            raise PlanError(f"operation {number}, {name}: {error}") from None
        stop = number + 1 + (fields.mode if name == "strip" else 0)
        yield Touched(number, stop, name, spans)
        number = stop


def check(plan: Any, io: list[int], width: int, threads: int, kernels: Any) -> None:
    """Raise PlanError where an operation of `plan` would leave its memory. io: sizes of the caller's arrays."""
    sizes: dict[str | int, int] = {"arena": plan.arena, "constants": len(plan.constants), **dict(enumerate(io))}
    for operation in touched(plan, width, threads, kernels):
        for span in operation.spans:
            if span.space not in sizes or not 0 <= span.start <= span.stop <= sizes[span.space]:
                raise PlanError(f"operation {operation.number}, {operation.kind}: [{span.start}, {span.stop}) of "
                                f"{span.space}, which has {sizes.get(span.space)}")
