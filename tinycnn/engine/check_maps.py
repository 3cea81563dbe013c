"""What the kernels over whole maps touch: element by element, resized, normalised, regions of them."""
from __future__ import annotations

from collections.abc import Iterator

from .spans import Fields, PlanError, Span, arena, constants, positive

ALONE = 6  # mode of a combination of one operand
MOST_BINS = 64  # of a region, on an axis
MOST_SAMPLES = 1 << 10  # of a bin, on an axis: more would take as good as forever
MOST_POWER = 2**31  # the largest exponent


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


def combine(f: Fields) -> Iterator[Span]:
    """See maps.pxi."""
    yield from stored(f)
    if f.px not in (0, f.width):
        raise PlanError(f"px is {f.px}, expected 0 or a vector")
    planes = f.blocks * f.images * f.width
    if f.s >= 0:
        yield arena(f.s, planes * (f.n if f.px else 1))
    elif f.mode != ALONE:
        yield constants(f.w, planes * f.n if f.px else f.blocks * f.width)


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
    yield from maps(f)
    if f.mode not in range(6) or not abs(f.real("low")) <= MOST_POWER:
        raise PlanError(f"function {f.mode}, or an exponent of {f.real('low')}")


def prelu(f: Fields) -> Iterator[Span]:
    """See unary.pxi."""
    yield from maps(f)
    yield constants(f.w, f.blocks * f.width)


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
