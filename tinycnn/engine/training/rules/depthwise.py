"""Depthwise convolution in training: plane by plane; its input computed on load, moments left for what is behind."""
from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ...graph import Node, Value
from ...layout import Placed, Storage, as_map, blocks
from ..host import on_host
from ..planes import backward_frames, band_rows, forward_frame
from ..values import Lazy
from .maps import emit_gradient, loading, read, room_for_sums

if TYPE_CHECKING:
    from ..builder import TrainingBuilder

MOST_ROWS = 32  # of a kernel


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
    fields = window(plan, node, lazy) | pack(plan, node)
    emit_forward(plan, node, lazy, fields)
    yield
    emit_back(plan, node, lazy, fields)


def window(plan: TrainingBuilder, node: Node, lazy: Lazy) -> dict[str, Any]:
    """The fields that both ways share."""
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = node.attributes["window"]
    n, c, h, wd = lazy.raw.shape
    _, _, oh, ow = as_map(node.y.shape)
    fields: dict[str, Any] = {"blocks": blocks(c, plan.width), "images": n, "h": h, "wd": wd, "oh": oh, "ow": ow,
                              "kh": kh, "kw": kw, "sh": sh, "sw": sw, "dh": dh, "dw": dw, "top": top, "left": left}
    return fields | {"rows": band_rows(SimpleNamespace(**fields), plan.width)}


def pack(plan: TrainingBuilder, node: Node) -> dict[str, Any]:
    """Weights in the order of the kernels; both ways read them."""
    w, b = node.inputs["w"], node.inputs["b"]
    assert w is not None
    c, _, kh, kw = w.shape
    count = blocks(c, plan.width)
    packed = plan.storage(count * (2 * kh * kw + 1) * plan.width)
    plan.emit_into(packed, kind="pack_depthwise", blocks=count, k=c, kh=kh, kw=kw, w=plan.at(w),
                   b=-1 if b is None else plan.at(b), parameters=plan.parameters)
    return {"w": packed}


def emit_forward(plan: TrainingBuilder, node: Node, lazy: Lazy, fields: dict[str, Any]) -> None:
    """y, and its moments."""
    frame = forward_frame(SimpleNamespace(**fields), plan.width)
    y = Placed.whole(node.y.shape, Storage(0))
    sums = plan.sums[node.y] = room_for_sums(plan, y, y.pixels)
    plan.emit(node.y, kind="depthwise_train", **fields, **loading(lazy), sums=sums.storage, px=frame,
              t=plan.scratch(plan.threads * frame), reads=read(lazy.raw, lazy.coefficients, fields["w"], sums))


def emit_back(plan: TrainingBuilder, node: Node, lazy: Lazy, fields: dict[str, Any]) -> None:
    """gx and the partial sums of gw and gb in one pass; then their totals."""
    x, w, b = (node.inputs[name] for name in "xwb")
    taps = fields["kh"] * fields["kw"] + 1
    weights = plan.needs(w) or plan.needs(b)
    parts = plan.storage(fields["blocks"] * fields["images"] * taps * plan.width) if weights else None
    frames = backward_frames(SimpleNamespace(**fields), plan.width)
    gradient, into = plan.lazy_gradient(node.y), plan.into(x)
    common = {"kind": "depthwise_back", **fields, **loading(lazy), "activation": 0, "g": gradient.g, "px": frames.z,
              "py": frames.gy, "ys": sum(frames), "t": plan.scratch(plan.threads * sum(frames)),
              "c": -1 if gradient.coefficients is None else gradient.coefficients,
              "r": -1 if parts is None else parts, "b": 0 if plan.needs(b) else -1,
              "reads": read(lazy.raw, lazy.coefficients, *gradient, fields["w"], parts)}
    y = gradient.g if gradient.y is None else gradient.y
    if into is not None:
        emit_gradient(plan, into, fields["h"] * fields["wd"], into.gate, y=y, **common)
    elif parts is not None:
        plan.emit_into(y, **common, gx=-1)
    if parts is not None:
        add_up(plan, w, b, parts, {name: fields[name] for name in ("blocks", "images", "kh", "kw")})


def add_up(plan: TrainingBuilder, w: Value | None, b: Value | None, parts: Any, fields: dict[str, Any]) -> None:
    """The images' sums, in their order, into the array of gradients."""
    assert w is not None
    places = {name: plan.gradient_at(value) if plan.needs(value) else -1 for name, value in (("gw", w), ("b", b))}
    plan.emit_into(parts, kind="depthwise_weights", **fields, **places, k=w.shape[0], x=parts, gradients=plan.gradients,
                   reads=[parts])
