"""Pointwise layers: products over pixels, forward and back (`_kernels/engine/train/layer.pxi`, `layer_back.pxi`)."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...layout import Part, Placed, Storage, blocks
from ..values import Lazy, LazyGradient, Sums

if TYPE_CHECKING:
    from ..builder import TrainingBuilder

STRIP = 1 << 13  # elements of a strip's inputs and outputs: in the second cache beside what is fetched for the next
SHORTEST, LONGEST = 56, 504  # pixels of a strip
FEW = 640  # pixels of a layer up to which threads share its channels
LARGE = 1 << 18  # weights from which they do so as well: strips would fetch them again and again
LANES = 8  # partial sums of a gradient of weights, at most: as many threads have a share
PANEL = 3  # blocks of the widest panel
CHUNK = 1 << 16  # sums of a gradient of weights that stay in the second cache
HEAVY = 1 << 21  # weights of a product that are packed at a time: VGG's classifier would take as much again as it has
TILE_PIXELS = 128  # pixels of a strip whose inputs, a panel of them, stay in the first cache
COEFFICIENTS = 4  # vectors per block of a lazy value's


@dataclass
class Layer:
    """y = x w + b over pixels. w: where (outputs, inputs) lie in the array of parameters; b likewise, None: none."""

    inputs: int
    outputs: int
    pixels: int
    w: int
    b: int | None = None

    @property
    def few(self) -> bool:
        """Whether the layer is better shared by channels than by pixels."""
        return self.pixels <= FEW or self.inputs * self.outputs > LARGE

    @property
    def strip(self) -> int:
        """Pixels of a strip: as equal as they get, in whole tiles."""
        if self.few:
            return self.pixels
        most = min(max(STRIP // (self.inputs + self.outputs), SHORTEST), LONGEST)
        count = -(-self.pixels // most)
        return min(-(-self.pixels // (count * 14)) * 14, self.pixels)

    @property
    def strips(self) -> int:
        """How many strips the pixels make."""
        return -(-self.pixels // self.strip)

    @property
    def lanes(self) -> int:
        """Partial sums of the gradient of the weights, which together take no more memory than the maps do."""
        maps = self.pixels * (self.inputs + self.outputs)
        return max(1, min(LANES, self.strips, maps // (self.inputs * self.outputs)))


# ---------------------------------------------------------------- parameters
def packed(plan: TrainingBuilder, at: int, columns: int, step: int, h: int = 1, xrow: int = 0, taps: int = 1,
           places: np.ndarray | None = None) -> Storage:
    """Panels of a parameter, `columns` that are `step` apart, for h rows, xrow apart, of taps side by side.

    places: where each of the taps goes, -1: it is left out; None: in order.
    """
    kept = taps if places is None else int(places.max()) + 1
    count = blocks(columns, plan.width)
    y = plan.storage(count * plan.width * h * kept)
    plan.emit_into(y, kind="pack", mode=plan.parameters, w=at, n=columns, blocks=count, px=step, h=h, xrow=xrow,
                   kh=taps, kw=kept, off=-1 if places is None else plan.table(lambda: places))
    return y


def packed_bias(plan: TrainingBuilder, at: int | None, columns: int) -> Storage | int:
    """A parameter per channel, filled up to whole blocks; -1: there is none."""
    return -1 if at is None else packed(plan, at, columns, 1)


def shares(plan: TrainingBuilder, columns: int, k: int, whole: bool) -> Iterator[tuple[int, int]]:
    """The first and the number of columns that a product of k terms computes at a time; whole: all of them."""
    panels = plan.threads * PANEL * plan.width  # each thread has one to compute
    most = columns if whole else max(HEAVY // (k * panels), 1) * panels
    for first in range(0, columns, most):
        yield first, min(most, columns - first)


# ---------------------------------------------------------------- forward
def channels(plan: TrainingBuilder, count: int, step: int) -> Any:
    """A table of where so many channels lie, of blocks that are `step` apart."""
    channel = np.arange(count)
    return plan.table(lambda: channel // plan.width * step + channel % plan.width)


def forward(plan: TrainingBuilder, layer: Layer, x: Lazy, y: Storage, sums: Storage | None) -> None:
    """y = x w + b; and the sums of its strips."""
    width, n = plan.width, layer.strip
    inputs = 0 if x.coefficients is None else blocks(layer.inputs, width)
    for first, count in shares(plan, layer.outputs, layer.inputs, sums is not None or not layer.few):
        weights = packed(plan, layer.w + first * layer.inputs, count, layer.inputs, taps=layer.inputs)
        bias = packed_bias(plan, None if layer.b is None else layer.b + first, count)
        plan.emit_into(Part(y, first * layer.pixels), kind="layer", **product_fields(plan, layer, layer.inputs, count),
                       w=weights, b=bias, x=x.raw, **applied(x), ys=layer.pixels * width,
                       off=channels(plan, layer.inputs, (n if inputs else layer.pixels) * width),
                       soff=fetched(plan, layer, layer.inputs),
                       t=plan.scratch(plan.threads * (inputs + PANEL) * n * width), sums=-1 if sums is None else sums,
                       reads=[x.raw, x.coefficients, weights, bias, sums])


def fetched(plan: TrainingBuilder, layer: Layer, count: int) -> Any:
    """A table of what a tile fetches for the next strip with each input that it multiplies: the lanes of a vector stand
    for as many pixels."""
    channel = np.arange(count)
    return plan.table(lambda: channel // plan.width * layer.pixels * plan.width + channel % plan.width * plan.width)


def product_fields(plan: TrainingBuilder, layer: Layer, k: int, columns: int) -> dict[str, Any]:
    """What a layer's product has, forward and back: k terms for each of the columns."""
    return {"k": k, "blocks": blocks(columns, plan.width), "rows": layer.strips, "n": layer.strip,
            "pixels": layer.pixels, "px": plan.width, "xs": layer.pixels * plan.width}


def applied(x: Lazy) -> dict[str, Any]:
    """What a load of x applies."""
    return {"a": -1 if x.coefficients is None else x.coefficients, "low": x.low, "high": x.high}


def sums_for(plan: TrainingBuilder, layer: Layer, columns: int) -> Sums:
    """Memory for two sums of each strip and channel."""
    size = layer.strips * blocks(columns, plan.width) * 2 * plan.width
    return Sums(plan.storage(size), layer.strips, layer.strip)


# ---------------------------------------------------------------- back
@dataclass
class Target:
    """Where the gradient of an input goes. add: what is added; gate: what gates the sum; sums: of what passes it."""

    y: Storage
    add: Placed | None = None
    gate: Lazy | None = None
    sums: Storage | None = None

    @property
    def plain(self) -> bool:
        """Whether it is the gradient and nothing else."""
        return self.add is None and self.gate is None and self.sums is None

    @property
    def fields(self) -> dict[str, Any]:
        """Fields of the product that writes it."""
        fields: dict[str, Any] = {"add": -1 if self.add is None else self.add}
        if self.gate is not None:
            fields |= {"ga": self.gate.coefficients, "r": self.gate.raw, "low": self.gate.low, "high": self.gate.high}
        return fields | {"sums": -1 if self.sums is None else self.sums}

    @property
    def reads(self) -> list[Any]:
        """What must still be there."""
        gate = [] if self.gate is None else [self.gate.raw, self.gate.coefficients]
        return [self.y, self.add, self.sums, *gate]


def back(plan: TrainingBuilder, layer: Layer, x: Lazy | None, gy: LazyGradient, gw: int | None, into: Target | None,
         gathered: dict[str, Any] | None = None, reads: Sequence[Any] = ()) -> None:
    """gw and gx, each where it is wanted, in strips. gw: where it goes in the array of gradients.

    gathered: instead of x, the fields of a layer_back that gathers its inputs; reads: what it gathers them from.
    """
    width, n, lanes = plan.width, layer.strip, 0 if gw is None else layer.lanes
    o, i = blocks(layer.outputs, width), blocks(layer.inputs, width)
    partial = plan.storage(lanes * o * width * i * width + plan.threads * (o + i + PANEL) * n * width)
    step = (layer.pixels if gy.coefficients is None else n) * width
    fields: dict[str, Any] = {"gx": -1, "w": 0, "off": 0, "soff": -1, "kw": -1, **(gathered or {})}
    if x is not None:
        fields, reads = fields | applied(x) | {"x": x.raw}, [x.raw, x.coefficients]
    reads = [*reads, gy.g, gy.y, gy.coefficients]
    if into is not None:
        weights = packed_back(plan, layer)
        fields |= into.fields | {"gx": into.y, "w": weights, "off": channels(plan, layer.outputs, step),
                               "kw": fetched(plan, layer, layer.outputs)}
        reads += [weights, *into.reads]
    plan.emit_into(0 if gy.y is None else gy.y, kind="layer_back",
                   **product_fields(plan, layer, layer.outputs, layer.inputs) | fields, g=gy.g, lanes=lanes,
                   c=-1 if gy.coefficients is None else gy.coefficients, ys=layer.pixels * width, t=partial,
                   reads=reads)
    if gw is not None:
        add_lanes(plan, layer, lanes, partial, gw)


def packed_back(plan: TrainingBuilder, layer: Layer) -> Storage:
    """The weights with inputs as columns."""
    return packed(plan, layer.w, layer.inputs, 1, h=layer.outputs, xrow=layer.inputs)


def add_lanes(plan: TrainingBuilder, layer: Layer, lanes: int, partial: Storage, gw: int) -> None:
    """The sums of the lanes, into the array of gradients."""
    plan.emit_into(0, kind="add_lanes", mode=plan.gradients, gw=gw, k=layer.outputs, h=layer.inputs,
                   blocks=blocks(layer.inputs, plan.width), lanes=lanes, t=partial)


def back_to_input(plan: TrainingBuilder, layer: Layer, gy: Placed, into: Target) -> None:
    """gx of a layer of few pixels."""
    width = plan.width
    for first, count in shares(plan, layer.inputs, layer.outputs, not into.plain):
        weights = packed(plan, layer.w + first, count, 1, h=layer.outputs, xrow=layer.inputs)
        plan.emit_into(Part(into.y, first * layer.pixels), kind="layer", **into.fields,
                       **product_fields(plan, layer, layer.outputs, count), w=weights, b=-1, x=gy, soff=-1,
                       ys=layer.pixels * width, off=channels(plan, layer.outputs, layer.pixels * width),
                       t=plan.scratch(plan.threads * PANEL * layer.strip * width), reads=[gy, weights, *into.reads])


def rows_of_pixels(pixels: int, most: int = 256) -> int:
    """Pixels of a row where a map is one long row: few enough for the first cache, and no rest."""
    fitting = [n for n in range(16, most + 1) if pixels % n == 0]
    return pixels if pixels <= most or not fitting else fitting[-1]


def back_to_weights(plan: TrainingBuilder, layer: Layer, x: Placed, gy: Placed, gw: int) -> None:
    """gw of a layer of few pixels."""
    n = rows_of_pixels(layer.pixels)
    where = {"rows": layer.pixels // n, "n": n, "px": plan.width, "xrow": n * plan.width,
             "image_rows": layer.pixels // n, "image_step": 0}
    weight_gradient(plan, gw, layer.outputs, layer.inputs, np.zeros(1, np.int64), where | {
        "x": x, "xs": layer.pixels * plan.width, "g": gy, "ys": layer.pixels * plan.width}, [x, gy])


def weight_gradient(plan: TrainingBuilder, gw: int, outputs: int, inputs: int, taps: np.ndarray,
                    where: dict[str, Any], reads: list[Any]) -> None:
    """gw (outputs, inputs, taps). taps: where they lie from the place of a pixel; gradients lie side by side."""
    width, group = plan.width, plan.kernels.WEIGHT_GROUP
    count, groups = blocks(inputs, width), -(-outputs // group)
    chunk = max(1, min(CHUNK // (group * count * width * len(taps)), -(-groups // LANES)))
    plan.emit_into(0, kind="weight_gradient", mode=plan.gradients, gw=gw, k=outputs, h=inputs, kh=len(taps),
                   blocks=count, wd=chunk, oh=max(1, TILE_PIXELS // where["n"]), off=plan.table(lambda: taps),
                   t=plan.scratch(plan.threads * chunk * width * count * len(taps) * width), reads=reads, **where)
