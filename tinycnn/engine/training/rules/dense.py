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

NARROW = 8  # channels up to which the taps of a pixel are gathered for the gradient of the weights


class Frame(NamedTuple):
    """Maps in frames of zeros: rows, columns, steps from one block of channels (channel, where a pixel has one lane) to
    the next one, and from one image to the next one."""

    memory: Storage | Placed
    h: int
    w: int
    step: int
    image: int
    lanes: int = 1



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
def framed(plan: TrainingBuilder, x: Lazy, size: tuple[int, int], top: int, left: int) -> Frame:
    """x in frames of so many rows and columns, `top` down and `left` in."""
    n, c, h, w = x.raw.shape
    step = n * size[0] * size[1] * plan.width
    if x.coefficients is None and size == (h, w) and top == left == 0:
        return Frame(x.raw, *size, step, step // n, plan.width)
    count = blocks(c, plan.width)
    memory = plan.storage(count * step)
    plan.emit_into(memory, kind="frame", x=x.raw, blocks=count, images=n, h=h, wd=w, oh=size[0], ow=size[1], top=top,
                   left=left, reads=[x.raw, x.coefficients], **applied(x))
    return Frame(memory, *size, step, step // n, plan.width)


def given_frame(plan: TrainingBuilder, conv: Dense, number: int) -> Frame:
    """The caller's array of that number in frames, channel by channel as it lies there, images before channels."""
    (n, c, h, w), (fh, fw), (top, left, _, _) = conv.x, frame_size(conv), conv.window.pads
    memory = plan.storage(n * c * fh * fw)
    plan.emit_into(memory, kind="pad", blocks=n * c, images=1, h=h, wd=w, oh=fh, ow=fw, px=1, top=top, left=left,
                   mode=number)
    return Frame(memory, fh, fw, fh * fw, c * fh * fw)


def frame_size(conv: Dense) -> tuple[int, int]:
    """Rows and columns in which every tap of every output finds its input."""
    (eh, ew), (sh, sw), (top, left, _, _) = conv.window.extent, conv.window.stride, conv.window.pads
    (_, _, h, w), (_, _, oh, ow) = conv.x, conv.y
    return max(h + top, (oh - 1) * sh + eh), max(w + left, (ow - 1) * sw + ew)


def input_frame(plan: TrainingBuilder, conv: Dense, x: Lazy) -> Frame:
    """x as the convolution's taps see it."""
    return framed(plan, x, frame_size(conv), *conv.window.pads[:2])


def tap_offsets(conv: Dense, frame: Frame) -> np.ndarray:
    """Where in a frame the taps of an output lie, from its first on."""
    (kh, kw), (dh, dw) = conv.window.kernel, conv.window.dilation
    return ((np.arange(kh)[:, None] * dh * frame.w + np.arange(kw) * dw) * frame.lanes).ravel()


def channel_offsets(frame: Frame, count: int) -> np.ndarray:
    """Where in a frame so many channels begin."""
    channel = np.arange(count)
    return channel // frame.lanes * frame.step + channel % frame.lanes


def pixels_of(conv: Dense, frame: Frame) -> dict[str, int]:
    """How a product goes through a frame, from output to output."""
    (n, _, oh, ow), (sh, sw) = conv.y, conv.window.stride
    return {"rows": n * oh, "n": ow, "image_rows": oh, "px": sw * frame.lanes,
            "xrow": sh * frame.w * frame.lanes, "image_step": frame.image}


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
    (n, o, oh, ow), i, width = conv.y, conv.x[1], plan.width
    k = i * conv.taps
    offsets = (channel_offsets(frame, i)[:, None] + tap_offsets(conv, frame)).ravel()
    bias = zeros(plan, o) if conv.b is None else packed(plan, conv.b, o, 1)
    product(plan, y, packed(plan, conv.w, o, k, taps=k), bias, k, o, offsets, [frame.memory],
            x=part(frame.memory, begin), **pixels_of(conv, frame), ys=n * oh * ow * width, py=width,
            yrow=ow * width, yimage=oh * ow * width)


def part(memory: Storage | Placed, begin: int) -> Part:
    """A place within a storage, or the one storage of a value."""
    return Part(memory.stores[0] if isinstance(memory, Placed) else memory, begin)


# ---------------------------------------------------------------- back
def back_to_weights(plan: TrainingBuilder, conv: Dense, frame: Frame, begin: int, gy: Part, gw: int) -> None:
    """gw: for each tap the sums over shifted rows of the frame."""
    (n, o, oh, ow), width = conv.y, plan.width
    where = pixels_of(conv, frame) | {"x": part(frame.memory, begin), "xs": frame.step, "g": gy,
                                             "ys": n * oh * ow * width}
    weight_gradient(plan, gw, o, conv.x[1], tap_offsets(conv, frame), where, [frame.memory, gy])


def back_to_few_channels(plan: TrainingBuilder, conv: Dense, frame: Frame, gy: LazyGradient, gw: int) -> None:
    """gw of a first layer: the taps of a pixel, VW of them side by side, are the inputs of a pointwise layer."""
    (n, o, oh, ow), i, width = conv.y, conv.x[1], plan.width
    layer = pointwise.Layer(i * conv.taps, o, n * oh * ow, conv.w)
    offsets = np.zeros(blocks(layer.inputs, width) * width, np.int64)
    offsets[:layer.inputs] = (channel_offsets(frame, i)[:, None] + tap_offsets(conv, frame)).ravel()
    where = pixels_of(conv, frame)
    gathered = {name: where[name] for name in ("px", "xrow", "image_rows", "image_step")} | {
        "x": part(frame.memory, 0), "ow": ow, "soff": plan.table(lambda: offsets)}
    pointwise.back(plan, layer, None, gy, gw, None, gathered, [frame.memory])


def gradient_frame(plan: TrainingBuilder, conv: Dense, gy: Placed) -> tuple[Frame, int, int]:
    """gy in frames in which every tap of every input finds its output, and how far down and in it lies."""
    rows, columns = conv.phases()
    (top, h), (left, w) = (margins(axis, size) for axis, size in ((rows, conv.y[2]), (columns, conv.y[3])))
    return framed(plan, Lazy(gy), (h, w), top, left), top, left


def margins(axis: list[Phase], size: int) -> tuple[int, int]:
    """Rows of zeros before so many outputs, and rows in all."""
    before = max(0, -min((int(phase.outputs.min()) for phase in axis if len(phase.taps)), default=0))
    last = max((int(phase.outputs.max()) + phase.extent for phase in axis if len(phase.taps)), default=0)
    return before, before + max(size, last)


def back_to_input(plan: TrainingBuilder, conv: Dense, seen_from: tuple[Frame, int, int], begin: int, gx: Part,
                  add: Placed | None) -> None:
    """gx, and what is added to it, one phase of the stride after the other. seen_from: a `gradient_frame`, in which the
    group's channels have so many blocks before them."""
    (n, i, h, w), o, width, (sh, sw) = conv.x, conv.y[1], plan.width, conv.window.stride
    frame, top, left = seen_from
    none = zeros(plan, i)
    for down in conv.phases()[0]:
        for across in conv.phases()[1]:
            kept = (down.taps[:, None] * conv.window.kernel[1] + across.taps).ravel()
            seen = ((down.outputs[:, None] + top) * frame.w + across.outputs + left).ravel() * width
            at = (down.first * w + across.first) * width
            offsets = (channel_offsets(frame, o)[:, None] + seen).ravel()
            residual = {} if add is None else {"r": Part(add.stores[0], gx.start + at)}
            product(plan, Part(gx.storage, gx.start + at), turned(plan, conv, kept) if len(kept) else 0, none,
                    o * len(kept), i, offsets, [frame.memory, add], x=part(frame.memory, begin * frame.step),
                    rows=n * down.extent, n=across.extent, image_rows=down.extent, px=width, xrow=frame.w * width,
                    image_step=frame.image, ys=n * h * w * width, py=sw * width,
                    yrow=sh * w * width, yimage=h * w * width, **residual)


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
