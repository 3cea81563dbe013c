"""Convolutions of more than one tap, or with a stride: products over frames, forward and back.

The gradient of the input is a convolution of the gradient of the output with the kernel turned round.  A stride sh, sw
makes sh sw of them: input rows r with (r + top) mod sh = a see only the taps i with i dh mod sh = a, and these see
every output row (Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, chapter 4, where
zeros are put between the outputs instead, and multiplied with).
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...layout import Part, Placed, Storage, blocks
from ..values import Lazy, LazyGradient
from . import pointwise
from .pointwise import applied, packed, weight_gradient

if TYPE_CHECKING:
    from ..builder import TrainingBuilder

SMALL = 6  # columns of a map up to which images are put side by side instead
NARROW = 8  # channels up to which the taps of a pixel are gathered for the gradient of the weights


class Frame(NamedTuple):
    """Maps in frames of zeros: how far apart columns, rows, images, blocks of channels lie, and the lanes of a pixel.

    Where maps are small the images lie side by side, for each pixel of a frame, so that a product has a row of them.
    """

    memory: Storage | Placed
    column: int
    row: int
    image: int
    step: int
    lanes: int

    @property
    def by_pixel(self) -> bool:
        """Whether images lie side by side."""
        return self.image < self.column


class Phase(NamedTuple):
    """Inputs along an axis that see the same taps: every stride-th from `first` on; `taps`, and the outputs that these
    see at the first of them."""

    first: int
    extent: int
    taps: np.ndarray
    outputs: np.ndarray


@dataclass
class Dense:
    """A convolution of one group. x: (N, I, H, W); y: (N, O, OH, OW); w, b: where its parameters lie; b None: none."""

    x: tuple[int, int, int, int]
    y: tuple[int, int, int, int]
    window: Any  # ops.geometry.Window
    w: int
    b: int | None = None

    @property
    def taps(self) -> int:
        """Of the kernel."""
        return self.window.kernel[0] * self.window.kernel[1]

    def phases(self) -> tuple[list[Phase], list[Phase]]:
        """Of rows and of columns."""
        kernel, stride, dilation, pads = self.window
        rows, columns = (axis_phases(*axis) for axis in zip(self.x[2:], kernel, stride, dilation, pads[:2]))
        return rows, columns


def axis_phases(size: int, kernel: int, stride: int, dilation: int, before: int) -> list[Phase]:
    """What each phase of the stride sees along an axis."""
    found = []
    for first in range(min(stride, size)):
        ahead = first + before - np.arange(kernel) * dilation
        taps = np.flatnonzero(ahead % stride == 0)
        found.append(Phase(first, -(-(size - first) // stride), taps, ahead[taps] // stride))
    return found


# ---------------------------------------------------------------- frames
def framed(plan: TrainingBuilder, x: Lazy, size: tuple[int, int], top: int, left: int, by_pixel: bool) -> Frame:
    """x in frames of so many rows and columns, `top` down and `left` in."""
    (n, c, h, w), (fh, fw), width = x.raw.shape, size, plan.width
    step, count = n * fh * fw * width, blocks(c, width)
    column, row, image = (n * width, fw * n * width, width) if by_pixel else (width, fw * width, fh * fw * width)
    if x.coefficients is None and size == (h, w) and top == left == 0 and not by_pixel:
        return Frame(x.raw, column, row, image, step, width)
    memory = plan.storage(count * step)
    plan.emit_into(memory, kind="frame", x=x.raw, blocks=count, images=n, h=h, wd=w, oh=fh, ow=fw, top=top, left=left,
                   py=column, yrow=row, yimage=image, ys=step, reads=[x.raw, x.coefficients], **applied(x))
    return Frame(memory, column, row, image, step, width)


def given_frame(plan: TrainingBuilder, conv: Dense, number: int) -> Frame:
    """The caller's array of that number in frames, channel by channel as it lies there, images before channels."""
    (n, c, h, w), (fh, fw), (top, left, _, _) = conv.x, frame_size(conv), conv.window.pads
    memory = plan.storage(n * c * fh * fw)
    plan.emit_into(memory, kind="pad", blocks=n * c, images=1, h=h, wd=w, oh=fh, ow=fw, px=1, top=top, left=left,
                   mode=number)
    return Frame(memory, 1, fw, c * fh * fw, fh * fw, 1)


def frame_size(conv: Dense) -> tuple[int, int]:
    """Rows and columns in which every tap of every output finds its input."""
    (eh, ew), (sh, sw), (top, left, _, _) = conv.window.extent, conv.window.stride, conv.window.pads
    (_, _, h, w), (_, _, oh, ow) = conv.x, conv.y
    return max(h + top, (oh - 1) * sh + eh), max(w + left, (ow - 1) * sw + ew)


def is_small(shape: tuple[int, int, int, int]) -> bool:
    """Whether rows of images are longer than rows of such a map, and those make poor tiles."""
    return shape[3] <= SMALL and shape[0] > shape[3]


def input_frame(plan: TrainingBuilder, conv: Dense, x: Lazy, few: bool = False) -> Frame:
    """x as the convolution's taps see it. few: its channels are; the taps of a pixel will be gathered there."""
    top, left, _, _ = conv.window.pads
    return framed(plan, x, frame_size(conv), top, left, not few and is_small(conv.y))


def tap_offsets(conv: Dense, frame: Frame) -> np.ndarray:
    """Where in a frame the taps of an output lie, from its first on."""
    (kh, kw), (dh, dw) = conv.window.kernel, conv.window.dilation
    return (np.arange(kh)[:, None] * dh * frame.row + np.arange(kw) * dw * frame.column).ravel()


def channel_offsets(frame: Frame, count: int) -> np.ndarray:
    """Where in a frame so many channels begin."""
    channel = np.arange(count)
    return channel // frame.lanes * frame.step + channel % frame.lanes


def through(frame: Frame, shape: tuple[int, ...], stride: tuple[int, int]) -> dict[str, int]:
    """How a product goes through a frame, from one pixel of a map of that shape to the next."""
    (n, _, oh, ow), down, across = shape, stride[0] * frame.row, stride[1] * frame.column
    if frame.by_pixel:
        return {"rows": oh * ow, "n": n, "image_rows": ow, "px": frame.image, "xrow": across, "image_step": down}
    return {"rows": n * oh, "n": ow, "image_rows": oh, "px": across, "xrow": down, "image_step": frame.image}


def onto(frame: Frame, shape: tuple[int, ...], stride: tuple[int, int], width: int) -> dict[str, int]:
    """And through the map that it writes, every stride-th pixel of one of that shape."""
    (n, _, h, w), (sh, sw) = shape, stride
    across, down, image = sw * width, sh * w * width, h * w * width
    py, yrow, yimage = (image, across, down) if frame.by_pixel else (across, down, image)
    return {"py": py, "yrow": yrow, "yimage": yimage, "ys": n * image}


# ---------------------------------------------------------------- forward
def product(plan: TrainingBuilder, y: Any, weights: Any, bias: Any, k: int, columns: int, offsets: np.ndarray,
            reads: list[Any], **fields: Any) -> None:
    """A product of k terms, at `offsets` from each pixel, with packed weights."""
    plan.emit_into(y, kind="trained_product", k=k, blocks=blocks(columns, plan.width), w=weights, b=bias,
                   off=plan.table(lambda: offsets) if k else 0, activation=0, low=-np.inf, high=np.inf,
                   reads=[weights, bias, *reads], **fields)


def zeros(plan: TrainingBuilder, count: int) -> Storage:
    """Zeros for so many channels, whole blocks of them."""
    memory = plan.storage(blocks(count, plan.width) * plan.width)
    plan.emit_into(memory, kind="fill", n=memory.size, low=0.0)
    return memory


def forward(plan: TrainingBuilder, conv: Dense, frame: Frame, begin: int, y: Part) -> None:
    """y = w * x + b. begin: where in the frame the group's channels do."""
    o, i = conv.y[1], conv.x[1]
    k = i * conv.taps
    offsets = (channel_offsets(frame, i)[:, None] + tap_offsets(conv, frame)).ravel()
    bias = zeros(plan, o) if conv.b is None else packed(plan, conv.b, o, 1)
    product(plan, y, packed(plan, conv.w, o, k, taps=k), bias, k, o, offsets, [frame.memory],
            x=part(frame.memory, begin), **through(frame, conv.y, conv.window.stride),
            **onto(frame, conv.y, (1, 1), plan.width))


def part(memory: Storage | Placed, begin: int) -> Part:
    """A place within a storage, or the one storage of a value."""
    return Part(memory.stores[0] if isinstance(memory, Placed) else memory, begin)


# ---------------------------------------------------------------- back
def back_to_weights(plan: TrainingBuilder, conv: Dense, frame: Frame, begin: int, gy: Part, gw: int) -> None:
    """gw: for each tap the sums over shifted rows of the frame. gy: its pixels in the order of the frame's."""
    (n, o, oh, ow), width = conv.y, plan.width
    where = through(frame, conv.y, conv.window.stride) | {"x": part(frame.memory, begin), "xs": frame.step, "g": gy,
                                                          "ys": n * oh * ow * width}
    weight_gradient(plan, gw, o, conv.x[1], tap_offsets(conv, frame), where, [frame.memory, gy])


def in_order_of(plan: TrainingBuilder, frame: Frame, gy: Placed) -> Placed:
    """gy with its pixels in the order of a frame's."""
    if not frame.by_pixel:
        return gy
    moved = framed(plan, Lazy(gy), gy.shape[2:], 0, 0, True).memory
    assert isinstance(moved, Storage)
    return Placed.whole(gy.shape, moved)


def back_to_few_channels(plan: TrainingBuilder, conv: Dense, frame: Frame, gy: LazyGradient, gw: int) -> None:
    """gw of a first layer: the taps of a pixel, VW of them side by side, are the inputs of a pointwise layer."""
    (n, o, oh, ow), i, width = conv.y, conv.x[1], plan.width
    layer = pointwise.Layer(i * conv.taps, o, n * oh * ow, conv.w)
    offsets = np.zeros(blocks(layer.inputs, width) * width, np.int64)
    offsets[:layer.inputs] = (channel_offsets(frame, i)[:, None] + tap_offsets(conv, frame)).ravel()
    where = through(frame, conv.y, conv.window.stride)
    gathered = {name: where[name] for name in ("px", "xrow", "image_rows", "image_step")} | {
        "x": part(frame.memory, 0), "ow": ow, "soff": plan.table(lambda: offsets)}
    pointwise.back(plan, layer, None, gy, gw, None, gathered, [frame.memory])


def gradient_frame(plan: TrainingBuilder, conv: Dense, gy: Placed) -> tuple[Frame, int, int]:
    """gy in frames in which every tap of every input finds its output, and how far down and in it lies."""
    rows, columns = conv.phases()
    (top, h), (left, w) = (margins(axis, size) for axis, size in ((rows, conv.y[2]), (columns, conv.y[3])))
    return framed(plan, Lazy(gy), (h, w), top, left, is_small(conv.x)), top, left


def margins(axis: list[Phase], size: int) -> tuple[int, int]:
    """Rows of zeros before so many outputs, and rows in all."""
    before = max(0, -min((int(phase.outputs.min()) for phase in axis if len(phase.taps)), default=0))
    last = max((int(phase.outputs.max()) + phase.extent for phase in axis if len(phase.taps)), default=0)
    return before, before + max(size, last)


def back_to_input(plan: TrainingBuilder, conv: Dense, seen_from: tuple[Frame, int, int], begin: int, gx: Part,
                  add: Placed | None, bias: int | None = None) -> None:
    """gx, and what is added to it, one phase of the stride after the other. seen_from: a `gradient_frame`, in which the
    group's channels have so many blocks before them.  bias: of what a transposed convolution takes for gx."""
    (n, i, _, w), o, width, stride = conv.x, conv.y[1], plan.width, conv.window.stride
    frame, top, left = seen_from
    summand = zeros(plan, i) if bias is None else packed(plan, bias, i, 1)
    for down in conv.phases()[0]:
        for across in conv.phases()[1]:
            kept = (down.taps[:, None] * conv.window.kernel[1] + across.taps).ravel()
            seen = ((down.outputs[:, None] + top) * frame.row + (across.outputs + left) * frame.column).ravel()
            at = gx.start + (down.first * w + across.first) * width
            offsets = (channel_offsets(frame, o)[:, None] + seen).ravel()
            residual = {} if add is None else {"r": Part(add.stores[0], at)}
            product(plan, Part(gx.storage, at), turned(plan, conv, kept) if len(kept) else 0, summand, o * len(kept), i,
                    offsets, [frame.memory, add], x=part(frame.memory, begin * frame.step),
                    **through(frame, (n, i, down.extent, across.extent), (1, 1)),
                    **onto(frame, conv.x, stride, width), **residual)


def turned(plan: TrainingBuilder, conv: Dense, kept: np.ndarray) -> Storage:
    """The weights with inputs as columns, of the taps that are kept."""
    places = np.full(conv.taps, -1)
    places[kept] = np.arange(len(kept))
    i = conv.x[1]
    return packed(plan, conv.w, i, conv.taps, h=conv.y[1], xrow=i * conv.taps, taps=conv.taps, places=places)


def bias_gradient(plan: TrainingBuilder, gy: Placed, gb: int) -> None:
    """gb: the sum of gy over all pixels of all images."""
    n, c, _, _ = gy.shape
    pixels = n * gy.pixels
    plan.emit_into(0, kind="bias_gradient", mode=plan.gradients, gw=gb, g=gy, k=c, pixels=pixels,
                   blocks=blocks(c, plan.width), ys=pixels * plan.width, reads=[gy])
