"""3x3 convolutions of stride 1 by Winograd's algorithm, forward and back (`_kernels/engine/train/winograd_*.pxi`)."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...layout import Placed, Storage, blocks
from ..values import Lazy, LazyGradient, Sums
from .dense import Dense
from .maps import read
from .pointwise import PANEL, Target, applied, packed_bias

if TYPE_CHECKING:
    from ..builder import TrainingBuilder

TAPS = 9
FEWEST_CHANNELS = 16  # below that most lanes, or most of the work, would be transforms
LARGEST_PADDING = 2  # more than that turns round to less than none
FEW_TILES = 160  # of a layer, up to which one strip holds them all
STRIP = 1 << 20  # bytes of a strip's points, of inputs and of a panel of outputs; where kernels take no more,
LONG_STRIP = 3 << 19  # and where they do, and come from further away for each strip
SHORTEST = 24  # tiles of a strip: products of fewer pixels wait for their weights
# Outputs down and across a tile, forward.  F(4x4, 3x3) errs twice as much as the plain sum and takes so many values
# over a ReLU's threshold that deep networks' gradients err up to 30 times as much.  On the way back nothing is cut off.
FORWARD = 2
KERNEL_POINT, TILE_POINT = 4, 5  # multiply-adds in the time that a transform takes for an element of a place
DIRECT = 0.9  # of the multiply-adds of the plain sum must be saved at least
BAND_POINTS = 1 << 20  # bytes of a band's points, of a gradient of weights
CHUNK_SUMS = 5 << 18  # bytes of its sums
INPUTS, OUTPUTS = 4, 8  # blocks of a chunk of them, at most; where one band is all
ALL_INPUTS, ALL_OUTPUTS = 8, 2


@dataclass
class Tiles:
    """Tiles of m x m outputs of maps (N, C, OH, OW)."""

    m: int
    shape: tuple[int, int, int, int]

    @property
    def places(self) -> int:
        """Products for each tile and pair of channels."""
        return (self.m + 2) ** 2

    @property
    def down(self) -> int:
        """Rows of tiles of a map."""
        return -(-self.shape[2] // self.m)

    @property
    def across(self) -> int:
        """Tiles of a row."""
        return -(-self.shape[3] // self.m)

    @property
    def rows(self) -> int:
        """Rows of tiles of all maps."""
        return self.shape[0] * self.down

    @property
    def count(self) -> int:
        """Tiles of all maps."""
        return self.rows * self.across

    def cost(self, pairs: int, channels: int) -> int:
        """Of a layer, in multiply-adds. pairs: of inputs and outputs; channels: of both."""
        return self.places * (pairs * (self.count + KERNEL_POINT) + channels * self.count * TILE_POINT)

    def strips(self) -> Iterator[int]:
        """Rows of tiles that may make a strip: all strips but the last have as many pixels."""
        yield from (r for r in range(1, self.down) if self.down % r == 0 and self.shape[2] % (r * self.m) == 0)
        yield from range(self.down, self.rows + 1, self.down)

    def pixels(self, rows: int) -> int:
        """Of so many rows of tiles from the beginning of a map on."""
        _, _, oh, ow = self.shape
        return (rows // self.down * oh + rows % self.down * self.m) * ow

    def place_step(self, count: int, rows: int) -> int:
        """Vectors from a place to the next, of so many blocks and rows of tiles."""
        return (count * rows * self.across) | 1

    def frame(self) -> int:
        """Vectors of the frame that a row of tiles is taken from."""
        return (self.m + 2) * (self.across * self.m + 2)


def tile(x: tuple[int, ...], y: tuple[int, ...], window: Any, groups: int) -> int:
    """Outputs down and across a tile on the way back, 2 or 4; 0 where the plain sum is better, forward as well.

    The choice depends on shapes alone.

    window: an ops.geometry.Window.
    """
    (n, i, _, _), (_, o, oh, ow) = x, y
    if window[:3] != ((3, 3), (1, 1), (1, 1)) or groups > 1 or max(window.pads) > LARGEST_PADDING:
        return 0
    if min(i, o) < FEWEST_CHANNELS:
        return 0
    costs = {m: Tiles(m, (n, o, oh, ow)).cost(i * o, i + o) for m in (2, 4)}
    best = min(costs, key=costs.__getitem__)
    return best if costs[best] < DIRECT * TAPS * i * o * n * oh * ow else 0


@dataclass
class Loaded:
    """Maps whose tiles are taken: lazy ones, or a gradient that is blended on load."""

    maps: Placed
    fields: dict[str, Any]
    reads: list[Any]


def loaded(z: Lazy) -> Loaded:
    """A lazy value."""
    return Loaded(z.raw, applied(z) | {"x": z.raw}, read(z.raw, z.coefficients))


def blended(gy: LazyGradient) -> Loaded:
    """The gradient of an output."""
    if gy.coefficients is None:
        return loaded(Lazy(gy.g))
    return Loaded(gy.g, {"x": gy.y, "g": gy.g, "c": gy.coefficients}, read(gy.g, gy.y, gy.coefficients))


# ---------------------------------------------------------------- forward, and the gradient of the input
@dataclass
class Layer:
    """Outputs, or a gradient of inputs, of a convolution."""

    conv: Dense
    m: int
    turned: bool = False

    @property
    def inputs(self) -> int:
        """Channels that are loaded."""
        return (self.conv.y if self.turned else self.conv.x)[1]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the outputs."""
        return self.conv.x if self.turned else self.conv.y

    @property
    def tiles(self) -> Tiles:
        """Of the outputs."""
        return Tiles(self.m, self.shape)

    @property
    def padding(self) -> tuple[int, int]:
        """Rows above and columns left of the maps that are loaded."""
        top, left = self.conv.window.pads[:2]
        return (2 - top, 2 - left) if self.turned else (top, left)

    def strip(self, plan: TrainingBuilder) -> int:
        """Rows of tiles of a strip: as many as the second cache holds, all of few."""
        tiles = self.tiles
        if tiles.count <= FEW_TILES:
            return tiles.rows
        row = tiles.places * (blocks(self.inputs, plan.width) + PANEL) * plan.width * tiles.across * plan.dtype.itemsize
        kernels = tiles.places * self.inputs * self.shape[1] * plan.dtype.itemsize
        most = STRIP if kernels <= STRIP else LONG_STRIP
        choices = [r for r in tiles.strips() if r * tiles.across >= SHORTEST] or [tiles.rows]
        return max((r for r in choices if r * row <= most), default=choices[0])

    def sums(self, plan: TrainingBuilder) -> Sums:
        """Memory for two sums of each strip and channel."""
        rows = self.strip(plan)
        strips = -(-self.tiles.rows // rows)
        return Sums(plan.storage(strips * blocks(self.shape[1], plan.width) * 2 * plan.width), strips,
                    self.tiles.pixels(rows))

    def weights(self, plan: TrainingBuilder, rows: int) -> tuple[dict[str, Any], list[Any]]:
        """Where the product finds its kernels: as they are, where one strip is all; else their points."""
        fields = {"mode": plan.parameters, "w": self.conv.w, "sw": self.shape[1], "sh": int(self.turned)}
        if rows == self.tiles.rows:
            return fields, []
        count, k = blocks(self.shape[1], plan.width), self.inputs
        points = plan.storage(self.tiles.places * k * count * plan.width)
        plan.emit_into(points, kind="winograd_weights", k=k, blocks=count, kh=self.m,
                       t=plan.scratch(plan.threads * k * TAPS * PANEL * plan.width), **fields)
        return {"mode": -1, "w": points}, [points]

    def scratch(self, plan: TrainingBuilder, rows: int) -> int:
        """Elements of scratch memory."""
        tiles, alone = self.tiles, rows == self.tiles.rows
        inputs = tiles.places * tiles.place_step(blocks(self.inputs, plan.width), rows)
        each = tiles.frame() + tiles.places * tiles.place_step(PANEL, rows) + PANEL * tiles.pixels(rows)
        kernels = self.inputs * (TAPS + self.m + 2) * PANEL
        return (inputs + plan.threads * (each + kernels) if alone else plan.threads * (each + inputs)) * plan.width

    def emit(self, plan: TrainingBuilder, source: Loaded, y: Storage, b: Storage | int, **fields: Any) -> None:
        """The layer, with what else is wanted of its results."""
        tiles, rows, width, k = self.tiles, self.strip(plan), plan.width, self.inputs
        (n, o, oh, ow), (_, _, h, w), (top, left) = self.shape, source.maps.shape, self.padding
        weights, made = self.weights(plan, rows)
        lanes, full = np.arange(k), rows * tiles.across
        reads = [*source.reads, *made, b, *fields.pop("reads", ())]
        plan.emit_into(y, kind="winograd_layer", k=k, blocks=blocks(o, width), rows=-(-tiles.rows // rows),
                       n=tiles.pixels(rows), pixels=n * oh * ow, px=width, images=n, h=h, wd=w, oh=oh, ow=ow, top=top,
                       left=left, kh=self.m, kw=rows, ys=n * oh * ow * width, b=b,
                       off=plan.table(lambda: lanes // width * full * width + lanes % width),
                       t=plan.scratch(self.scratch(plan, rows)), **weights, **{**source.fields, **fields}, reads=reads)


def forward(plan: TrainingBuilder, layer: Layer, z: Lazy, y: Storage, sums: Sums | None) -> None:
    """y = w * z + b; and the sums of its strips."""
    layer.emit(plan, loaded(z), y, packed_bias(plan, layer.conv.b, layer.shape[1]),
               sums=-1 if sums is None else sums.storage, reads=read(sums))


def back_to_input(plan: TrainingBuilder, layer: Layer, gy: LazyGradient, into: Target) -> None:
    """gx, with what is added to it and what gates it."""
    layer.emit(plan, blended(gy), into.y, -1, **into.fields, reads=into.reads)


# ---------------------------------------------------------------- the gradient of the weights
def back_to_weights(plan: TrainingBuilder, conv: Dense, m: int, z: Lazy, gy: LazyGradient, gw: int) -> None:
    """gw: where it goes in the array of gradients."""
    (n, i, h, w), (_, o, oh, ow), width = conv.x, conv.y, plan.width
    tiles, ib, ob = Tiles(m, conv.y), blocks(i, width), blocks(o, width)
    inputs, outputs = chunks(plan, tiles, ib, ob)
    rows = band(plan, tiles)
    sums = tiles.places * ((outputs * width * inputs) | 1)
    known = ob if rows == tiles.rows else outputs
    points = tiles.places * (tiles.place_step(inputs, rows) + tiles.place_step(known, rows))
    blend: dict[str, Any] = {"c": -1} if gy.coefficients is None else {"c": gy.coefficients}
    plan.emit_into(0 if gy.y is None else gy.y, kind="winograd_gradient", mode=plan.gradients, gw=gw, k=o, h=i,
                   blocks=ib, sh=outputs, sw=inputs, kh=m, kw=rows, images=n, dh=h, wd=w, oh=oh,
                   ow=ow, top=conv.window.pads[0], left=conv.window.pads[1], x=z.raw, **applied(z), g=gy.g, **blend,
                   t=plan.scratch(plan.threads * (tiles.frame() + points + sums) * width),
                   reads=read(z.raw, z.coefficients, gy.g, gy.y, gy.coefficients))


def chunks(plan: TrainingBuilder, tiles: Tiles, inputs: int, outputs: int) -> tuple[int, int]:
    """Blocks of inputs and of outputs whose sums the second cache holds; enough pairs of them for the threads."""
    block = tiles.places * plan.width ** 2 * plan.dtype.itemsize
    whole = tiles.count <= FEW_TILES
    i = min(inputs, ALL_INPUTS if whole else INPUTS)
    o = max(1, min(outputs, ALL_OUTPUTS if whole else OUTPUTS, CHUNK_SUMS // (block * i)))
    while -(-inputs // i) * -(-outputs // o) < plan.threads and o > 1:
        o = -(-o // 2)
    return i, o


def band(plan: TrainingBuilder, tiles: Tiles) -> int:
    """Rows of tiles of a band; by shapes alone, as sums are added up band by band."""
    if tiles.count <= FEW_TILES:
        return tiles.rows
    row = tiles.places * (INPUTS + OUTPUTS) * plan.width * plan.dtype.itemsize * tiles.across
    bands = -(-tiles.rows // max(1, BAND_POINTS // row))
    return -(-tiles.rows // bands)
