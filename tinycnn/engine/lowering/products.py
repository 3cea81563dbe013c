"""Convolutions and linear layers."""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Node, Step, Value
from ..layout import Part, Placed, blocks
from ..packing import pack_channels, pack_panels, vector, winograd_weights
from ..views import CONSTANTS, Table, View, compact, merged
from .elements import steps_after
from .rules import clipping, last_store, lowers, map_by_map, refuse

if TYPE_CHECKING:
    from ..plan import Builder

MOST_DEPTHWISE_ROWS = 32  # of a kernel, as the kernel has it
WIDEST_PANEL = 3  # vectors of channels
LARGE_IMAGE = 48  # rows and columns of the first layer's output from which its border is apart
MOST_TILES = 1 << 24  # bytes that the transformed tiles of Winograd's algorithm may take
NARROW = 8  # columns of a strip from which tiles of pixels run along it, not down
LARGE_MAP = 20  # rows or columns from which larger tiles of Winograd's algorithm win


@dataclass
class Convolution:
    """A convolution whose arguments have been looked at: what its rules share."""

    node: Node
    x: Value
    w: np.ndarray  # (O, C / groups, kh, kw)
    b: np.ndarray  # (O,)
    window: Any
    groups: int


def convolution(node: Node) -> Convolution:
    """The arguments of a convolution; CompileError where its weights are no constants."""
    x, w, b = (node.inputs[name] for name in "xwb")
    assert x is not None
    if w is None or w.data is None or (b is not None and b.data is None):
        raise refuse(node, "its weights are computed, expected constants")
    bias = np.zeros(node.y.shape[1], w.dtype) if b is None or b.data is None else b.data
    return Convolution(node, x, w.data, bias, node.attributes["window"], node.attributes["groups"])


@lowers("conv2d")
def conv2d(plan: Builder, node: Node) -> None:
    """Depthwise, pointwise, Winograd or dense: the choice depends on shapes alone."""
    conv = convolution(node)
    channels, (o, each, kh, kw), window = conv.x.shape[1], conv.w.shape, conv.window
    adds = any(step.op == "add" for step in node.after)
    spread = o == channels or (channels > 1 and not adds)  # of a grey image, products make many channels sooner
    if conv.groups == channels and each == 1 and spread and kh <= MOST_DEPTHWISE_ROWS:
        depthwise(plan, conv)
    elif (kh, kw) == (1, 1) and not any(window.pads):
        pointwise(plan, conv)
    elif ((kh, kw) == (3, 3) and window.stride == window.dilation == (1, 1) and conv.groups == 1
            and channels >= plan.width):
        winograd(plan, conv)
    else:
        dense(plan, conv)


def product_fields(plan: Builder, weights: np.ndarray, bias: np.ndarray) -> dict[str, Any]:
    """What all products share. weights: (O, K)."""
    o, k = weights.shape
    count, width = blocks(o, plan.width), plan.width
    return {"kind": "product", "k": k, "blocks": count,
            "w": plan.packed(count * width * k, lambda memory: pack_panels(weights, width, memory)),
            "b": plan.constant(vector(bias, width))}


def emit_groups(plan: Builder, conv: Convolution, jobs: list[Job], reads: list[Any]) -> None:
    """The products of a convolution, one for each job and group; each group's results begin a new block of channels."""
    node, groups, width = conv.node, conv.groups, plan.width
    n, o, oh, ow = node.y.shape
    each, pixels = o // groups, n * oh * ow * width
    group = blocks(each, width)
    storage, channel = plan.storage(groups * group * pixels), np.arange(o)
    placed = Placed((n, o, oh, ow), [storage], np.zeros(o, np.intp), channel // each * group * width + channel % each)
    store = last_store(plan, node)
    later: tuple[Step, ...] = ()
    if "r" in store and not placed.is_whole:  # the residual lies otherwise: added afterwards
        store, later = last_store(plan, dataclasses.replace(node, after=())), node.after
    for job in jobs:
        for i in range(groups):
            begin = i * group * pixels + job.at
            part = store | ({"r": Part(store["r"].stores[0], begin)} if "r" in store else {})
            plan.emit_into(Part(storage, begin), **job_fields(plan, conv, job, i), reads=reads, ys=pixels, **part)
    plan.place(node.y, placed)
    if later:
        steps_after(plan, node, node.y)


def job_fields(plan: Builder, conv: Convolution, job: Job, group: int = 0) -> dict[str, Any]:
    """A product's weights and what finds its pixels."""
    each, inputs = len(conv.w) // conv.groups, conv.w.shape[1]
    mine = slice(group * each, (group + 1) * each)
    taps = conv.w[mine].reshape(each, inputs, -1)
    seen = (taps if job.taps is None else taps[:, :, job.taps]).reshape(each, -1)
    offsets = job.of_channels(slice(group * inputs, (group + 1) * inputs))
    return product_fields(plan, seen, conv.b[mine]) | {"off": plan.table(offsets)} | job.where


@dataclass
class Job:
    """The part of a convolution's outputs that one product computes.

    offsets: where each tap of each input channel lies, (C, taps); where: what finds the pixels, as fields; taps: which
    of the kernel's taps take part (None: all); at: where the outputs begin.
    """

    offsets: Callable[[], np.ndarray]
    where: dict[str, Any]
    taps: np.ndarray | None = None
    at: int = 0

    def of_channels(self, some: slice) -> Callable[[], np.ndarray]:
        """The table of some of the channels."""
        return lambda: self.offsets()[some].ravel()


def pointwise(plan: Builder, conv: Convolution) -> None:
    """A product over pixels; the input may be channels from anywhere."""
    placed, width, (sh, sw) = plan.placed(conv.x), plan.width, conv.window.stride
    n, _, h, wd = placed.shape
    oh, ow = conv.node.y.shape[2:]
    reads: list[Any] = [placed]
    where = rows_of(n, oh, ow, width) | {"x": 0, "px": sw * width, "xrow": sh * wd * width,
                                         "image_step": h * wd * width}
    if (sh, sw) == (1, 1):  # all pixels of all images are one row, unless each image has factors of its own
        images = n if conv.node.before else 1
        where |= rows_of(images, 1, n * h * wd // images, width)
    if conv.node.before:
        where |= scale_fields(plan, conv.node, reads)
    emit_groups(plan, conv, [Job(lambda: placed.offsets(width)[:, None], where)], reads)


def rows_of(n: int, oh: int, ow: int, width: int) -> dict[str, Any]:
    """The fields that say where the pixels of n maps go, all of them side by side."""
    return {"rows": n * oh, "n": ow, "image_rows": oh, "py": width, "yrow": ow * width, "yimage": oh * ow * width}


def scale_fields(plan: Builder, node: Node, reads: list[Any]) -> dict[str, Any]:
    """The factors by which a step before the node multiplies its input."""
    [step] = node.before
    [scale] = [value for value in step.inputs if value is not None]
    placed = plan.placed(scale)
    reads.append(placed)
    return {"s": 0, "soff": plan.table(lambda: placed.offsets(plan.width)),
            "t": plan.scratch(plan.threads * placed.shape[1] * WIDEST_PANEL * plan.width)}


@lowers("linear")
def linear(plan: Builder, node: Node) -> None:
    """A product over the rows of all leading axes."""
    x, w, b = (node.inputs[name] for name in "xwb")
    assert x is not None
    if w is None or w.data is None or (b is not None and b.data is None):
        raise refuse(node, "its weights are computed, expected constants")
    linear_product(plan, node, x, w.data, np.zeros(len(w.data), w.dtype) if b is None or b.data is None else b.data)


def linear_product(plan: Builder, node: Node, x: Value, w: np.ndarray, b: np.ndarray) -> None:
    """x (..., I) times wᵀ (O, I), plus b; what was flattened, or is seen otherwise, is read where it lies."""
    rows, width, (outputs, inputs) = math.prod(x.shape[:-1]), plan.width, w.shape
    seen = rows_and_terms(plan, x, rows, inputs)
    if seen is None:
        plan.plain(x)
        seen = rows_and_terms(plan, x, rows, inputs)
        assert seen is not None
    view, step, terms = seen
    y = Value(node.y.name, (rows, outputs), node.y.dtype)  # one row of pixels, as the product has them
    adds = any(step.op == "add" for step in node.after) and len(node.y.shape) != 2
    plan.emit(y, **product_fields(plan, w, b), x=view.address, mode=view.space, px=step,
              **rows_of(1, 1, rows, width), ys=rows * width, reads=view.stores, off=plan.table(terms),
              **(clipping() if adds else last_store(plan, node)))
    if adds:
        steps_after(plan, node, y)
    else:
        plan.see(node.y, plan.view(y))


def rows_and_terms(plan: Builder, x: Value, rows: int, inputs: int) -> tuple[View, int, Table] | None:
    """A view of x (rows, inputs), how far its rows are apart, and where the inputs of one lie; None: no such view."""
    view = plan.view(x)
    groups = view.by((rows, inputs))
    if groups is None or view.space == CONSTANTS:
        return None
    leading, trailing = merged(groups[0]), groups[1]
    if len(leading) > 1 or any(axis.entry or axis.step < 0 for axis in leading):
        return None
    steps, _, table = compact(view, [(axis.extent, axis.entry) for axis in trailing])
    def terms() -> np.ndarray:
        places, entries = np.zeros(1, np.int64), np.zeros(1, np.int64)
        for axis, entry in zip(trailing, steps):
            places = (places[:, None] + np.arange(axis.extent) * axis.step).ravel()
            entries = (entries[:, None] + np.arange(axis.extent) * entry).ravel()
        return places + table()[entries]
    return view, leading[0].step if leading else 0, terms


def dense(plan: Builder, conv: Convolution) -> None:
    """A product over the taps of a kernel."""
    given = plan.as_given(conv.x)
    if given is not None and is_first_layer(conv):
        emit_groups(plan, conv, first_layer(conv, given, plan.width), [])
    else:
        framed(plan, conv, given)


def is_first_layer(conv: Convolution) -> bool:
    """Whether it is worth its parts to read the caller's array where it is."""
    return min(conv.node.y.shape[2:]) >= LARGE_IMAGE and max(conv.window.pads) < min(conv.w.shape[2:])


def first_layer(conv: Convolution, given: int, width: int) -> list[Job]:
    """Products that read the caller's array as it is.

    One of the pixels all of whose taps lie inside, one of each strip of the border with the taps that do.
    """
    (n, c, h, wd), (oh, ow) = conv.x.shape, conv.node.y.shape[2:]
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = conv.window
    jobs = []
    for r0, r1, rows in bands(oh, h, kh, sh, dh, top):
        for c0, c1, columns in bands(ow, wd, kw, sw, dw, left):
            taps = (rows[:, None] * kw + columns).ravel()
            first = ((r0 * sh - top + rows * dh)[:, None] * wd + c0 * sw - left + columns * dw).ravel()
            offsets = np.arange(c)[:, None] * h * wd + first
            where = {"mode": given, "x": 0, "image_step": c * h * wd, "yimage": oh * ow * width, "top": r0, "left": c0,
                     "oh": r1 - r0}
            across = c1 - c0, sw, width  # how many pixels, steps of inputs and of outputs
            down = r1 - r0, sh * wd, ow * width
            (pixels, px, py), (lines, xrow, yrow) = (down, across) if c1 - c0 < NARROW < r1 - r0 else (across, down)
            where |= {"n": pixels, "px": px, "py": py, "rows": n * lines, "image_rows": lines, "xrow": xrow,
                      "yrow": yrow}
            jobs.append(Job(lambda offsets=offsets: offsets, where, taps, (r0 * ow + c0) * width))  # type: ignore[misc]
    return jobs


def bands(outputs: int, size: int, kernel: int, stride: int, dilation: int,
          before: int) -> list[tuple[int, int, np.ndarray]]:
    """Runs of outputs along an axis that see the same taps of the kernel: (first, end, taps inside the map)."""
    taps = np.arange(kernel)
    at = np.arange(outputs)[:, None] * stride - before + taps * dilation
    seen = [tuple(taps[inside]) for inside in (at >= 0) & (at < size)]
    starts = [i for i in range(outputs) if i == 0 or seen[i] != seen[i - 1]]
    return [(a, b, np.array(seen[a], np.intp)) for a, b in pairwise([*starts, outputs])]


def framed(plan: Builder, conv: Convolution, given: int | None) -> None:
    """The map is copied into a frame of zeros, where every tap finds its input."""
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = conv.window
    width, (n, c, h, wd), (oh, ow) = plan.width, conv.x.shape, conv.node.y.shape[2:]
    fh, fw = max(h + top, (oh - 1) * sh + dh * (kh - 1) + 1), max(wd + left, (ow - 1) * sw + dw * (kw - 1) + 1)
    if given is not None:  # channel by channel, as the caller has them
        lanes, count = 1, c
        source: dict[str, Any] = {"mode": given}
    else:
        placed = plan.whole(conv.x)
        lanes, count = width, blocks(c, width)
        source = {"mode": -1, "x": placed, "reads": [placed]}
    frame = plan.storage(count * n * fh * fw * lanes)
    plan.emit_into(frame, kind="pad", blocks=count * n, images=1, h=h, wd=wd, oh=fh, ow=fw, px=lanes, top=top,
                   left=left, **source)
    taps = ((np.arange(kh)[:, None] * dh * fw + np.arange(kw) * dw) * lanes).ravel()
    channel, plane = np.arange(c), fh * fw * lanes
    if given is not None:  # images, then channels
        starts, step = channel * plane, c * plane
    else:
        starts, step = channel // lanes * n * plane + channel % lanes, plane
    where = rows_of(n, oh, ow, width) | {"x": frame, "px": sw * lanes, "xrow": sh * fw * lanes, "image_step": step}
    emit_groups(plan, conv, [Job(lambda: starts[:, None] + taps, where)], [frame])


def depthwise(plan: Builder, conv: Convolution) -> None:
    """Each channel by itself; where each gives several, all channels are convolved as often, and picked in turn."""
    node, (n, c, _, _), (o, oh, ow) = conv.node, conv.x.shape, conv.node.y.shape[1:]
    placed = plan.whole(conv.x) if any(step.op == "add" for step in node.after) else plan.placed(conv.x)
    times, channel, store = o // c, np.arange(o), last_store(plan, node)
    parts = [Value(node.y.name, (n, c, oh, ow), node.y.dtype) for _ in range(times)]
    for i, part in enumerate(parts):
        each_channel(plan, dataclasses.replace(conv, w=conv.w[i::times], b=conv.b[i::times]), placed, part, store)
    plan.place(node.y, Placed.picked([plan.placed(part) for part in parts], channel % times, channel // times))


def each_channel(plan: Builder, conv: Convolution, placed: Placed, y: Value, store: dict[str, Any]) -> None:
    """One result for each channel; of an input whose channels lie in several maps each map is convolved, as it lies."""
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = conv.window
    c, wd, width = conv.x.shape[1], conv.x.shape[3], plan.width
    taps, zeros = conv.w.reshape(c, -1), plan.zeros(wd * width)
    for here, channel, fields in map_by_map(plan, placed, y):
        weights, biases = np.zeros((fields["blocks"] * width, kh * kw)), np.zeros(fields["blocks"] * width)
        weights[channel], biases[channel] = taps[here], conv.b[here]
        plan.emit_into(kind="depthwise", **fields, kh=kh, kw=kw, sh=sh, sw=sw, dh=dh, dw=dw, top=top, left=left,
                       w=plan.constant(pack_channels(weights, width)), b=plan.constant(biases), z=zeros, **store)


def winograd(plan: Builder, conv: Convolution) -> None:
    """F(4x4, 3x3) for large maps, F(2x2, 3x3) for small ones, where its tiles waste less and its error is smaller."""
    node, width, placed = conv.node, plan.width, plan.whole(conv.x)
    n, c, h, wd = placed.shape
    o, (oh, ow) = len(conv.w), node.y.shape[2:]
    m = 4 if min(oh, ow) >= LARGE_MAP else 2
    places, th, tw = (m + 2) ** 2, -(-oh // m), -(-ow // m)
    cb, ob = blocks(c, width), blocks(o, width)
    weights, row = places * c * ob * width * plan.dtype.itemsize, places * (cb + ob) * width * tw * plan.dtype.itemsize
    alone = weights <= plan.cache  # each thread by itself
    rows = winograd_band(n * th, row, weights, plan.cache, plan.threads if alone else 1)
    full, rest = rows * tw, n * th % rows * tw
    memory = places * ((cb * full | 1) + (ob * full | 1)) * width
    lanes = np.arange(c)
    def pack(packed: np.ndarray) -> None:
        for u, place in zip(winograd_weights(conv.w, m), packed.reshape(places, -1), strict=True):
            pack_panels(u, width, place)
    plan.emit(node.y, kind=f"winograd{m}", x=placed, reads=[placed], k=c, blocks=ob, images=n, h=h, wd=wd, oh=oh,
              ow=ow, kh=th, kw=tw, rows=rows, n=full, top=conv.window.pads[0], left=conv.window.pads[1],
              w=plan.packed(places * c * ob * width, pack),
              b=plan.constant(vector(conv.b, width)), z=plan.zeros(ob * width), mode=int(alone), s=memory,
              t=plan.scratch(memory * (plan.threads if alone else 1)),
              off=plan.table(lambda: lanes // width * full * width + lanes % width),
              soff=plan.table(lambda: lanes // width * rest * width + lanes % width), **last_store(plan, node))


def winograd_band(rows: int, row: int, weights: int, cache: int, threads: int) -> int:
    """Rows of tiles to transform at a time, of so many: those that move the least memory. row, weights, cache: bytes.

    A band that fits the cache reads the weights again for each band, if they do not fit as well; a large one writes and
    reads the transformed tiles from further away.  threads: those that share the bands out.
    """
    def moved(band: int) -> int:
        return (weights * -(-rows // band) if weights > cache else 0) + (2 * rows * row if band * row > cache else 0)
    fitting, large = (max(1, min(rows, memory // row)) for memory in (cache, MOST_TILES))
    bands = -(-rows // min(fitting, large, key=moved))
    return -(-rows // (-(-bands // threads) * threads))


@lowers("conv_transpose2d")
def conv_transpose2d(plan: Builder, node: Node) -> None:
    """One product for each phase of the stride: the outputs that see the same taps, a correlation of stride 1 each.

    Output i = q stride + phase sees the taps k with (phase + pad - k dilation) divisible by the stride, at the input
    q + (phase + pad - k dilation) / stride (Dumoulin and Visin, "A guide to convolution arithmetic", 2016, section 4).
    """
    conv = convolution(node)
    cin, (og, kh, kw) = conv.w.shape[0] // conv.groups, conv.w.shape[1:]
    turned = conv.w.reshape(conv.groups, cin, og, kh, kw).transpose(0, 2, 1, 3, 4).reshape(-1, cin, kh, kw)
    conv = dataclasses.replace(conv, w=turned)
    _, (sh, sw), (dh, dw), (top, left, _, _) = conv.window
    width, placed, (oh, ow) = plan.width, plan.whole(conv.x), node.y.shape[2:]
    n, c, h, wd = placed.shape
    rows, columns = phases(oh, kh, sh, dh, top), phases(ow, kw, sw, dw, left)
    above, before = (max(0, *(-int(at.min(initial=0)) for _, _, _, at in axis), 0) for axis in (rows, columns))
    below, after = (max(0, *(int(at.max(initial=0)) + count - size for _, count, _, at in axis), 0)
                    for axis, size in ((rows, h), (columns, wd)))
    fh, fw, count = h + above + below, wd + before + after, blocks(c, width)
    frame = plan.storage(count * n * fh * fw * width)
    plan.emit_into(frame, kind="pad", blocks=count * n, images=1, h=h, wd=wd, oh=fh, ow=fw, px=width, top=above,
                   left=before, x=placed, reads=[placed])
    channel, plane = np.arange(c), fh * fw * width
    starts, jobs = channel // width * n * plane + channel % width, []
    for i, count_i, taps_i, at_i in rows:
        for j, count_j, taps_j, at_j in columns:
            offsets = starts[:, None] + (((above + at_i)[:, None] * fw + before + at_j) * width).ravel()
            where = {"x": frame, "rows": n * count_i, "n": count_j, "image_rows": count_i, "px": width,
                     "xrow": fw * width, "image_step": plane, "py": sw * width, "yrow": sh * ow * width,
                     "yimage": oh * ow * width}
            jobs.append(Job(lambda offsets=offsets: offsets, where,  # type: ignore[misc]
                            (taps_i[:, None] * kw + taps_j).ravel(), (i * ow + j) * width))
    emit_groups(plan, conv, jobs, [frame])


def phases(outputs: int, kernel: int, stride: int, dilation: int,
           pad: int) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
    """For each phase that has outputs: (phase, how many, the taps they see, where these lie from the q-th input)."""
    taps, result = np.arange(kernel), []
    for phase in range(min(stride, outputs)):
        seen = taps[(phase + pad - taps * dilation) % stride == 0]
        result.append((phase, -(-(outputs - phase) // stride), seen, (phase + pad - seen * dilation) // stride))
    return result
