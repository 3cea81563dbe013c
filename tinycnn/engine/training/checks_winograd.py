"""What Winograd's algorithm touches in training plans (winograd_layer.pxi and winograd_gradient.pxi of
`_kernels/engine/train/`); see `..check`."""
from __future__ import annotations

from collections.abc import Iterator

from ..layout import blocks
from ..spans import Fields, PlanError, Span, arena, not_negative, positive
from .checks_products import COEFFICIENTS, PANEL, expect, stored

TAPS = 9


class Tiles:
    """Tiles of maps (oh, ow), kh outputs down and across each, kw rows of them a strip."""

    def __init__(self, f: Fields) -> None:
        positive(f, "images", "oh", "ow", "kw", "wd")
        if f.kh not in (2, 4):
            raise PlanError(f"tiles of {f.kh} x {f.kh} outputs, expected 2 or 4")
        self.places, self.width = (f.kh + 2) ** 2, f.width
        self.down, self.across = -(-f.oh // f.kh), -(-f.ow // f.kh)
        self.rows, self.full = f.images * self.down, f.kw * self.across
        self.frame = (f.kh + 2) * (self.across * f.kh + 2) * f.width
        if f.kw > self.rows:
            raise PlanError(f"strips of {f.kw} rows of tiles, of {self.rows}")
        if not 0 <= f.left <= self.across * f.kh + 2 - f.wd or f.top < 0:
            raise PlanError(f"{f.top} and {f.left} before maps {f.wd} wide, for {f.ow} outputs")

    def points(self, count: int) -> int:
        """Elements of the points of a strip, of so many blocks."""
        return self.places * (count * self.full | 1) * self.width


def parameters(f: Fields) -> Iterator[Span]:
    """The weights that a panel's points are computed of."""
    positive(f, "k", "sw")
    expect(f, blocks=blocks(f.sw, f.width))
    yield Span(f.mode, f.w, f.w + f.k * f.sw * TAPS)


def winograd_weights(f: Fields) -> Iterator[Span]:
    """See winograd_layer.pxi."""
    if f.kh not in (2, 4):
        raise PlanError(f"tiles of {f.kh} x {f.kh} outputs, expected 2 or 4")
    yield from parameters(f)
    yield arena(f.t, f.threads * f.k * TAPS * PANEL * f.width, written=True)
    yield arena(f.y, (f.kh + 2) ** 2 * f.k * f.blocks * f.width, written=True)


def loaded(f: Fields, count: int) -> Iterator[Span]:
    """Maps (h, wd) in so many blocks, and what is applied to them."""
    size = count * f.images * f.h * f.wd * f.width
    yield arena(f.x, size)
    if f.c >= 0:
        yield arena(f.g, size)
        yield arena(f.c, count * 3 * f.width)
    elif f.a >= 0:
        yield arena(f.a, count * COEFFICIENTS * f.width)


def strips(f: Fields, tiles: Tiles) -> None:
    """Refuse strips whose rows of tiles are not their pixels."""
    expect(f, pixels=f.images * f.oh * f.ow, rows=-(-tiles.rows // f.kw))
    if f.kw % tiles.down:
        if f.kw > tiles.down or tiles.down % f.kw or f.oh % (f.kw * f.kh):
            raise PlanError(f"strips of {f.kw} rows of tiles, of maps of {f.oh} rows")
        expect(f, n=f.kw * f.kh * f.ow)
    else:
        expect(f, n=f.kw // tiles.down * f.oh * f.ow)


def winograd_layer(f: Fields) -> Iterator[Span]:
    """See winograd_layer.pxi."""
    positive(f, "k", "blocks", "h")
    not_negative(f, "ys")
    tiles, inputs = Tiles(f), blocks(f.k, f.width)
    strips(f, tiles)
    low, high = f.table(f.off, f.k)
    if low < 0 or high >= inputs * tiles.full * f.width:
        raise PlanError(f"offsets {low} to {high} of {inputs} blocks of {tiles.full} tiles")
    yield from loaded(f, inputs)
    if f.mode >= 0:
        expect(f, rows=1)
        yield from parameters(f)
    else:
        yield arena(f.w, tiles.places * f.k * f.blocks * f.width)
    if f.b >= 0:
        yield arena(f.b, f.blocks * f.width)
    yield from stored(f, f.y, f.ys)
    each = tiles.frame + tiles.points(PANEL) + PANEL * f.n * f.width
    if f.rows == 1:
        each += f.k * (TAPS + f.kh + 2) * PANEL * f.width
        yield arena(f.t, tiles.points(inputs) + f.threads * each, written=True)
    else:
        yield arena(f.t, f.threads * (each + tiles.points(inputs)), written=True)


def winograd_gradient(f: Fields) -> Iterator[Span]:
    """See winograd_gradient.pxi."""
    positive(f, "k", "h", "dh", "sh", "sw")
    expect(f, blocks=blocks(f.h, f.width))
    tiles, outputs = Tiles(f), blocks(f.k, f.width)
    outputs_size = outputs * f.images * f.oh * f.ow * f.width
    yield arena(f.x, f.blocks * f.images * f.dh * f.wd * f.width)
    if f.a >= 0:
        yield arena(f.a, f.blocks * COEFFICIENTS * f.width)
    yield arena(f.g, outputs_size)
    if f.c >= 0:
        yield arena(f.y, outputs_size)
        yield arena(f.c, outputs * 3 * f.width)
    sums = tiles.places * (f.sh * f.width * f.sw | 1) * f.width
    known = outputs if f.kw == tiles.rows else f.sh
    yield arena(f.t, f.threads * (tiles.frame + tiles.points(f.sw) + tiles.points(known) + sums), written=True)
    yield Span(f.mode, f.gw, f.gw + f.k * f.h * TAPS, True)


WINOGRAD = {"winograd_weights": winograd_weights, "winograd_layer": winograd_layer,
            "winograd_gradient": winograd_gradient}
