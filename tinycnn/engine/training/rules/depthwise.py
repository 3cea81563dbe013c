"""Depthwise convolution in training: plane by plane; its input computed on load, moments left for what is behind."""
from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from ...graph import Node, Value
from ...layout import Placed, Storage, as_map, blocks
from ..host import on_host
from ..planes import backward_frames, band_rows, forward_frame
from ..values import Lazy
from .maps import emit_gradient, loading, read, room_for_sums

if TYPE_CHECKING:
    from ..builder import TrainingBuilder

MOST_ROWS = 32  # of a kernel
TOGETHER = 8  # images whose gradients of weights are summed at once,
PIECES = 64  # unless blocks of so many images are fewer pieces of work than these


def suits(plan: TrainingBuilder, node: Node) -> bool:
    """Whether a conv2d is one that the kernels know, of parameters."""
    x, w, b = (node.inputs[name] for name in "xwb")
    assert x is not None
    assert w is not None
    return (node.attributes["groups"] == x.shape[1] == w.shape[0] and w.shape[2] <= MOST_ROWS
            and all(v is None or plan.masters.entry(v) is not None for v in (w, b)))


def depthwise(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """A conv2d of which each input channel gives one output channel."""
    x = node.inputs["x"]
    assert x is not None
    if not suits(plan, node):
        yield from on_host(plan, node)
        return
    lazy = plan.lazy(x)
    part = met_taps(node)
    fields = window(plan, node, lazy, part)
    fields |= pack(plan, node, part)
    emit_forward(plan, node, lazy, fields)
    yield
    emit_back(plan, node, lazy, fields, part)


class Taps(NamedTuple):
    """Of a kernel of h by wd taps those that are computed with: kh by kw from row `top` and column `left` on."""

    h: int
    wd: int
    kh: int
    kw: int
    top: int
    left: int


def met_taps(node: Node) -> Taps:
    """Without rows and columns that only ever meet the padding, where steps are of 1 and a square of odd side is left,
    for which there are kernels.
    """
    (kh, kw), strides, dilations, (top, left, _, _) = node.attributes["window"]
    x = node.inputs["x"]
    assert x is not None
    *_, h, wd = as_map(x.shape)
    *_, oh, ow = as_map(node.y.shape)
    if (*strides, *dilations) == (1, 1, 1, 1):
        first, begin = max(0, top - oh + 1), max(0, left - ow + 1)
        rows, columns = min(kh, top + h) - first, min(kw, left + wd) - begin
        if rows == columns > 0 and rows % 2:
            return Taps(kh, kw, rows, columns, first, begin)
    return Taps(kh, kw, kh, kw, 0, 0)


def window(plan: TrainingBuilder, node: Node, lazy: Lazy, part: Taps) -> dict[str, Any]:
    """The fields that both ways share."""
    _, (sh, sw), (dh, dw), (top, left, _, _) = node.attributes["window"]
    n, c, h, wd = lazy.raw.shape
    _, _, oh, ow = as_map(node.y.shape)
    fields: dict[str, Any] = {"blocks": blocks(c, plan.width), "images": n, "h": h, "wd": wd, "oh": oh, "ow": ow,
                              "kh": part.kh, "kw": part.kw, "sh": sh, "sw": sw, "dh": dh, "dw": dw,
                              "top": top - part.top, "left": left - part.left}
    return fields | {"rows": band_rows(SimpleNamespace(**fields), plan.width)}


def pack(plan: TrainingBuilder, node: Node, part: Taps) -> dict[str, Any]:
    """Weights in the order of the kernels; both ways read them."""
    w, b = node.inputs["w"], node.inputs["b"]
    assert w is not None
    c = w.shape[0]
    count = blocks(c, plan.width)
    packed = plan.storage(count * (2 * part.kh * part.kw + 1) * plan.width)
    plan.emit_into(packed, kind="pack_depthwise", **part._asdict(), blocks=count, k=c, w=plan.at(w),
                   b=-1 if b is None else plan.at(b), parameters=plan.parameters)
    return {"w": packed}


def emit_forward(plan: TrainingBuilder, node: Node, lazy: Lazy, fields: dict[str, Any]) -> None:
    """y, and its moments."""
    frame = forward_frame(SimpleNamespace(**fields), plan.width)
    y = Placed.whole(node.y.shape, Storage(0))
    sums = plan.sums[node.y] = room_for_sums(plan, y, y.pixels)
    plan.emit(node.y, kind="depthwise_train", **fields, **loading(lazy), sums=sums.storage, px=frame,
              t=plan.scratch(plan.threads * frame), reads=read(lazy.raw, lazy.coefficients, fields["w"], sums))


def emit_back(plan: TrainingBuilder, node: Node, lazy: Lazy, fields: dict[str, Any], part: Taps) -> None:
    """gx and the partial sums of gw and gb in one pass; then their totals."""
    x, w, b = (node.inputs[name] for name in "xwb")
    taps = fields["kh"] * fields["kw"] + 1
    weights = plan.needs(w) or plan.needs(b)
    lanes = parts_of_images(fields["images"], fields["blocks"])
    parts = plan.storage(fields["blocks"] * lanes * taps * plan.width) if weights else None
    frames = backward_frames(SimpleNamespace(**fields), plan.width)
    gradient, into = plan.lazy_gradient(node.y), plan.into(x)
    common = {"kind": "depthwise_back", **fields, **loading(lazy), "activation": 0, "g": gradient.g, "px": frames.z,
              "py": frames.gy, "ys": sum(frames), "t": plan.scratch(plan.threads * sum(frames)),
              "c": -1 if gradient.coefficients is None else gradient.coefficients,
              "r": -1 if parts is None else parts, "lanes": lanes, "b": 0 if plan.needs(b) else -1,
              "reads": read(lazy.raw, lazy.coefficients, *gradient, fields["w"], parts)}
    y = gradient.g if gradient.y is None else gradient.y
    if into is not None:
        emit_gradient(plan, into, fields["h"] * fields["wd"], into.gate, y=y, **common)
    elif parts is not None:
        plan.emit_into(y, **common, gx=-1)
    if parts is not None:
        add_up(plan, w, b, parts, {"blocks": fields["blocks"], "lanes": lanes, **part._asdict()})


def parts_of_images(images: int, blocks: int) -> int:
    """Into how many parts images are divided for the gradients of weights: whatever the threads, for the same sums."""
    return min(images, max(-(-images // TOGETHER), -(-PIECES // blocks)))


def add_up(plan: TrainingBuilder, w: Value | None, b: Value | None, parts: Any, fields: dict[str, Any]) -> None:
    """The parts' sums, in their order, into the array of gradients."""
    assert w is not None
    places = {name: plan.gradient_at(value) if plan.needs(value) else -1 for name, value in (("gw", w), ("b", b))}
    plan.emit_into(parts, kind="depthwise_weights", **fields, **places, k=w.shape[0], x=parts, gradients=plan.gradients,
                   reads=[parts])
