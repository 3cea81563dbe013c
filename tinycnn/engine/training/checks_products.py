"""What the products of training plans touch (weights, layer, layer_back, weight_gradient and dense.pxi of
`_kernels/engine/train/`); see `..check`."""
from __future__ import annotations

from collections.abc import Iterator

from ..layout import blocks
from ..spans import Fields, PlanError, Span, arena, not_negative, positive

COEFFICIENTS = 4  # vectors per block of what a load applies
PANEL = 3  # blocks of a panel, at most


def expect(f: Fields, **numbers: int) -> None:
    """Refuse fields that do not agree with the others."""
    for name, number in numbers.items():
        if getattr(f, name) != number:
            raise PlanError(f"{name} is {getattr(f, name)}, expected {number}")


def map_of(f: Fields, start: int, count: int, step: int, written: bool = False) -> Span:
    """Some blocks of channels of all pixels."""
    return arena(start, (count - 1) * step + f.pixels * f.width, written)


def pack(f: Fields) -> Iterator[Span]:
    """See weights.pxi."""
    positive(f, "n", "h", "kh", "kw", "px")
    not_negative(f, "xrow")
    expect(f, blocks=blocks(f.n, f.width))
    if f.off >= 0:
        low, high = f.table(f.off, f.kh)
        if low < -1 or high >= f.kw:
            raise PlanError(f"places {low} to {high} for {f.kw} taps")
    else:
        expect(f, kw=f.kh)
    yield Span(f.mode, f.w, f.w + (f.n - 1) * f.px + (f.h - 1) * f.xrow + f.kh)
    yield arena(f.y, f.h * f.kw * f.blocks * f.width, written=True)


def strips(f: Fields) -> None:
    """Refuse strips that are not those of the pixels."""
    positive(f, "k", "blocks", "n", "pixels")
    not_negative(f, "xs", "ys")
    expect(f, rows=-(-f.pixels // f.n), px=f.width)


def loaded(f: Fields, count: int) -> None:
    """Refuse a table of offsets that leaves the scratch memory into which blocks of a strip are loaded."""
    low, high = f.table(f.off, f.k)
    if low < 0 or high + (f.n - 1) * f.width >= count * f.n * f.width:
        raise PlanError(f"offsets {low} to {high} for a strip of {count} blocks of {f.n} pixels")


def results(f: Fields, y: int, step: int) -> Iterator[Span]:
    """What a product reads and writes besides its inputs."""
    yield arena(f.w, f.k * f.blocks * f.width)
    yield from stored(f, y, step)


def stored(f: Fields, y: int, step: int) -> Iterator[Span]:
    """What its results go to, and what they meet on the way."""
    yield map_of(f, y, f.blocks, step, written=True)
    if f.ga >= 0:
        yield arena(f.ga, f.blocks * COEFFICIENTS * f.width)
        yield map_of(f, f.r, f.blocks, step)
    if f.add >= 0:
        yield map_of(f, f.add, f.blocks, step)
    if f.sums >= 0:
        yield arena(f.sums, f.rows * f.blocks * 2 * f.width, written=True)


def layer(f: Fields) -> Iterator[Span]:
    """See layer.pxi."""
    strips(f)
    inputs = blocks(f.k, f.width) if f.a >= 0 else 0
    if f.soff >= 0:
        f.table(f.soff, f.k)  # of what is fetched, which touches nothing
    if inputs:
        loaded(f, inputs)
        yield map_of(f, f.x, inputs, f.xs)
        yield arena(f.a, inputs * COEFFICIENTS * f.width)
    else:
        low, high = f.table(f.off, f.k)
        yield arena(f.x + low, high - low + (f.pixels - 1) * f.width + 1)
    if f.b >= 0:
        yield arena(f.b, f.blocks * f.width)
    yield from results(f, f.y, f.ys)
    yield arena(f.t, f.threads * (inputs + PANEL) * f.n * f.width, written=True)


def layer_back(f: Fields) -> Iterator[Span]:
    """See layer_back.pxi."""
    gathers = f.soff >= 0
    if gathers:
        expect(f, gx=-1)
    positive(f, "k", "blocks", "n", "pixels")
    not_negative(f, "xs", "ys", "lanes", "px")
    expect(f, rows=-(-f.pixels // f.n), **({} if gathers else {"px": f.width}))
    outputs = blocks(f.k, f.width)
    if f.lanes > f.rows:
        raise PlanError(f"{f.lanes} lanes for {f.rows} strips")
    yield map_of(f, f.g, outputs, f.ys)
    if f.c >= 0:
        yield map_of(f, f.y, outputs, f.ys)
        yield arena(f.c, outputs * 3 * f.width)
    if f.lanes:
        yield from gathered(f) if gathers else layer_inputs(f)
    if f.gx >= 0:
        if f.kw >= 0:
            f.table(f.kw, f.k)  # of what is fetched, which touches nothing
        if f.c >= 0:
            loaded(f, outputs)
        else:
            low, high = f.table(f.off, f.k)
            yield arena(f.g + low, high - low + (f.pixels - 1) * f.width + 1)
        yield from results(f, f.gx, f.xs)
    sums = f.lanes * whole_groups(f) * f.blocks * f.width
    yield arena(f.t, sums + f.threads * (outputs + f.blocks + PANEL) * f.n * f.width, written=True)


def layer_inputs(f: Fields) -> Iterator[Span]:
    """The map that a layer backwards loads."""
    yield map_of(f, f.x, f.blocks, f.xs)
    if f.a >= 0:
        yield arena(f.a, f.blocks * COEFFICIENTS * f.width)


def gathered(f: Fields) -> Iterator[Span]:
    """The frame in which a layer backwards finds taps."""
    positive(f, "ow", "image_rows")
    not_negative(f, "xrow", "image_step")
    low, high = f.table(f.soff, f.blocks * f.width)
    yield arena(f.x + low, high - low + rows_extent(f, -(-f.pixels // f.ow)) + (f.ow - 1) * f.px + 1)


def rows_extent(f: Fields, rows: int) -> int:
    """From the first of so many rows of pixels to the last one."""
    return (rows - 1) // f.image_rows * f.image_step + (min(rows, f.image_rows) - 1) * f.xrow


def whole_groups(f: Fields) -> int:
    """Outputs of a gradient of weights, whole groups of them: as many as a vector has lanes, 8 or 4, at most."""
    return blocks(f.k, f.width) * f.width


def add_lanes(f: Fields) -> Iterator[Span]:
    """See weight_gradient.pxi."""
    positive(f, "k", "h", "lanes")
    expect(f, blocks=blocks(f.h, f.width))
    for written in (False, True):
        yield arena(f.t, f.lanes * whole_groups(f) * f.blocks * f.width, written)
    yield Span(f.mode, f.gw, f.gw + f.k * f.h, True)


def weight_gradient(f: Fields) -> Iterator[Span]:
    """See weight_gradient.pxi."""
    positive(f, "k", "h", "kh", "rows", "n", "oh", "wd", "image_rows")
    not_negative(f, "xs", "ys", "px", "xrow", "image_step")
    expect(f, blocks=blocks(f.h, f.width))
    low, high = f.table(f.off, f.kh)
    extent = rows_extent(f, f.rows) + (f.n - 1) * f.px + (f.blocks - 1) * f.xs + f.width
    yield arena(f.x + low, high - low + extent)
    yield arena(f.g, (blocks(f.k, f.width) - 1) * f.ys + f.rows * f.n * f.width)
    yield arena(f.t, f.threads * f.wd * f.width * f.blocks * f.kh * f.width, written=True)
    yield Span(f.mode, f.gw, f.gw + f.k * f.h * f.kh, True)


def frame(f: Fields) -> Iterator[Span]:
    """See dense.pxi."""
    positive(f, "blocks", "images", "h", "wd", "oh", "ow")
    not_negative(f, "top", "left", "py", "yrow", "yimage", "ys")
    if f.left + f.wd > f.ow:
        raise PlanError(f"a map {f.wd} wide, {f.left} inside a frame of {f.ow}")
    yield arena(f.x, f.blocks * f.images * f.width * f.h * f.wd)
    if f.a >= 0:
        yield arena(f.a, f.blocks * COEFFICIENTS * f.width)
    last = (f.blocks - 1) * f.ys + (f.images - 1) * f.yimage + (f.oh - 1) * f.yrow + (f.ow - 1) * f.py
    yield arena(f.y, last + f.width, written=True)


def bias_gradient(f: Fields) -> Iterator[Span]:
    """See dense.pxi."""
    positive(f, "k", "pixels")
    not_negative(f, "ys")
    expect(f, blocks=blocks(f.k, f.width))
    yield map_of(f, f.g, f.blocks, f.ys)
    yield Span(f.mode, f.gw, f.gw + f.k, True)


PRODUCTS = {"pack": pack, "layer": layer, "layer_back": layer_back, "add_lanes": add_lanes,
            "weight_gradient": weight_gradient, "frame": frame, "bias_gradient": bias_gradient}
