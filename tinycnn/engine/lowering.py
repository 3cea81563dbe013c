"""One rule per operation of the graph: which kernel runs it, on which addresses.

A rule is given the builder of a plan and a node.  It asks the builder where values lie, packs weights, and emits
operations.  The kernels' fields are those of `_kernels/engine/op.pxi`.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .graph import Node, Step, Value
from .layout import Placed, as_map, blocks
from .packing import across_blocks, pack_channels, pack_panels, vector, winograd_weights

if TYPE_CHECKING:
    from .plan import Builder


class CompileError(ValueError):
    """A graph holds what the engine cannot run; the message names the node."""


Rule = Callable[["Builder", Node], None]
RULES: dict[str, Rule] = {}


def lowers(*ops: str) -> Callable[[Rule], Rule]:
    """Make a function the rule of some operations."""
    def enter(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(ops, rule))
        return rule
    return enter


def refuse(node: Node, why: str) -> CompileError:
    """The error for a node that cannot run."""
    where = f" in {node.path}" if node.path else ""
    return CompileError(f"compile: {node.op}{where} ({node.outputs[0].name}, shape {node.outputs[0].shape}): {why}")


# ---------------------------------------------------------------- activations and last stores
def _clip(low: float = -np.inf, high: float = np.inf) -> dict[str, Any]:
    return {"activation": 0, "low": low, "high": high}


ACTIVATIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "relu": lambda a: _clip(0),
    "relu6": lambda a: _clip(0, 6),
    "clip": lambda a: _clip(-np.inf if a["low"] is None else a["low"], np.inf if a["high"] is None else a["high"]),
    "hardswish": lambda a: {"activation": 1},
    "hardsigmoid": lambda a: {"activation": 2},
    "sigmoid": lambda a: {"activation": 3},
    "silu": lambda a: {"activation": 4},
    "tanh": lambda a: {"activation": 5},
    "leaky_relu": lambda a: {"activation": 6, "low": a["negative_slope"]},
    "mish": lambda a: {"activation": 7},
}


def last_store(plan: Builder, node: Node) -> dict[str, Any]:
    """The fields of what a node's last store does: activation, residual, and their order."""
    fields = _clip()
    for i, step in enumerate(node.after):
        if step.op == "add":
            fields |= {"r": residual(plan, node, step), "add_last": int(i > 0)}
        else:
            fields |= ACTIVATIONS[step.op](step.attributes)
    return fields


def residual(plan: Builder, node: Node, step: Step) -> Placed:
    """The value that a step adds, laid out as the node's output is."""
    [other] = [value for value in step.inputs if value is not None]
    return plan.whole(other)


# ---------------------------------------------------------------- products
@lowers("conv2d")
def conv2d(plan: Builder, node: Node) -> None:
    """Depthwise, Winograd, pointwise or dense: the choice depends on shapes alone."""
    window, groups = node.attributes["window"], node.attributes["groups"]
    x, w = node.inputs["x"], node.inputs["w"]
    assert x is not None
    if w is None or w.data is None:
        raise refuse(node, "its weights are computed, expected constants")
    channels, (o, each, kh, kw) = x.shape[1], w.shape
    if groups == channels and each == 1 and o == channels:
        depthwise(plan, node)
    elif groups > 1:
        grouped(plan, node)
    elif (kh, kw) == (1, 1) and not any(window.pads):
        pointwise(plan, node)
    elif (kh, kw) == (3, 3) and window.stride == window.dilation == (1, 1) and channels >= plan.width and not node.before:
        winograd(plan, node)
    else:
        dense(plan, node)


def bias_of(plan: Builder, node: Node, channels: int) -> np.ndarray:
    """The node's bias, zeros where it has none."""
    b = node.inputs.get("b")
    return np.zeros(channels) if b is None or b.data is None else b.data


def product_fields(plan: Builder, y: Value, weights: np.ndarray, bias: np.ndarray) -> dict[str, Any]:
    """What all products share. weights: (O, K)."""
    o, k = weights.shape
    n, _, h, w = as_map(y.shape)
    return {"kind": "product", "k": k, "blocks": blocks(o, plan.width), "ys": n * h * w * plan.width,
            "w": plan.constant(pack_panels(weights, plan.width)), "b": plan.constant(vector(bias, plan.width))}


def scale_fields(plan: Builder, node: Node) -> dict[str, Any]:
    """The factors by which a step before the node multiplies its input, if there is one."""
    if not node.before:
        return {}
    [step] = node.before
    [scale] = [value for value in step.inputs if value is not None]
    placed = plan.placed(scale)
    return {"s": 0, "soff": plan.table(lambda: placed.offsets(plan.width)), "reads": [placed],
            "t": plan.scratch(plan.threads * placed.shape[1] * 3 * plan.width)}


def pointwise(plan: Builder, node: Node) -> None:
    """A product over pixels; the input may be channels from anywhere."""
    x, w = node.inputs["x"], node.inputs["w"]
    assert x is not None
    assert w is not None
    placed, window, width = plan.placed(x), node.attributes["window"], plan.width
    n, _, h, wd = placed.shape
    fields = product_fields(plan, node.y, w.data.reshape(len(w.data), -1), bias_of(plan, node, len(w.data)))  # type: ignore[union-attr]
    if window.stride == (1, 1) and not (node.before and n > 1):
        where = {"rows": 1, "n": n * h * wd, "px": width, "image_rows": 1}
    elif window.stride == (1, 1):
        where = {"rows": n, "n": h * wd, "px": width, "image_rows": 1, "image_step": h * wd * width}
    else:
        oh, ow = node.y.shape[2:]
        (sh, sw), (_, _, _, _) = window.stride, window.pads
        where = {"rows": n * oh, "n": ow, "px": sw * width, "xrow": sh * wd * width, "image_rows": oh,
                 "image_step": h * wd * width}
    scale = scale_fields(plan, node)
    plan.emit(node.y, **fields, **where, **(scale | {"reads": [placed, *scale.get("reads", [])]}), x=0,
              off=plan.table(lambda: placed.offsets(width)), **last_store(plan, node))


@lowers("linear")
def linear(plan: Builder, node: Node) -> None:
    """A product over the rows of the batch; what was flattened is read where it lies."""
    x, w = node.inputs["x"], node.inputs["w"]
    assert x is not None
    if w is None or w.data is None:
        raise refuse(node, "its weights are computed, expected constants")
    if len(x.shape) != 2:
        raise refuse(node, f"its input has the shape {x.shape}, expected (N, features)")
    placed, width = plan.placed(x), plan.width
    n, c, h, wd = placed.shape
    pixels = h * wd  # more than one: a map that was flattened
    def offsets() -> np.ndarray:
        return (placed.offsets(width)[:, None] + np.arange(pixels) * width).ravel()
    plan.emit(node.y, **product_fields(plan, node.y, w.data, bias_of(plan, node, len(w.data))), x=0, rows=1, n=n,
              px=pixels * width, image_rows=1, off=plan.table(offsets), reads=[placed], **last_store(plan, node))


def dense(plan: Builder, node: Node) -> None:
    """A product over the taps of a kernel: the map is copied into a frame of zeros, where every tap finds its input."""
    x, w, window = node.inputs["x"], node.inputs["w"], node.attributes["window"]
    assert x is not None
    assert w is not None
    assert w.data is not None
    width, (n, c, h, wd), (oh, ow) = plan.width, as_map(x.shape), node.y.shape[2:]
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = window.kernel, window.stride, window.dilation, window.pads
    fh, fw = max(h + top, (oh - 1) * sh + dh * (kh - 1) + 1), max(wd + left, (ow - 1) * sw + dw * (kw - 1) + 1)
    planar = plan.as_given(x)  # the caller's array, channel by channel: the first layer reads it as it is
    if planar is not None:
        px, count, source = 1, c * n, {"mode": planar}
    else:
        placed = plan.whole(x)
        px, count, source = width, blocks(c, width) * n, {"mode": -1, "x": placed, "reads": [placed]}
    frame = plan.storage(count * fh * fw * px)
    plan.emit_into(frame, kind="pad", blocks=count, images=1, h=h, wd=wd, oh=fh, ow=fw, px=px, top=top, left=left,
                   **source)
    taps = (np.arange(kh)[:, None] * dh * fw + np.arange(kw) * dw) * px  # (kh, kw)
    if planar is not None:
        offsets = (np.arange(c)[:, None, None] * fh * fw + taps).ravel()
        weights, step = w.data.reshape(len(w.data), -1), c * fh * fw
    else:
        weights, lanes, block = across_blocks(w.data, width)
        offsets = (block * n * fh * fw * width + lanes + taps.ravel()[:, None]).T.ravel() if False else (
            block[:, None] * n * fh * fw * width + lanes[:, None] + taps.ravel()).ravel()
        step = fh * fw * width
    plan.emit(node.y, **product_fields(plan, node.y, weights, bias_of(plan, node, len(w.data))), x=frame, reads=[frame],
              off=plan.table(lambda: offsets), rows=n * oh, n=ow, px=sw * px, xrow=sh * fw * px, image_rows=oh,
              image_step=step, **last_store(plan, node))


def grouped(plan: Builder, node: Node) -> None:
    """Groups one after the other, each a convolution of its own over its channels; the results are joined."""
    raise refuse(node, "grouped convolutions are not lowered yet")


def depthwise(plan: Builder, node: Node) -> None:
    """Each channel by itself; of an input whose channels lie in several maps each map is convolved, as it lies."""
    x, w, window = node.inputs["x"], node.inputs["w"], node.attributes["window"]
    assert x is not None
    assert w is not None
    assert w.data is not None
    placed, width = plan.placed(x), plan.width
    n, c, h, wd = placed.shape
    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.stride, window.dilation
    oh, ow = node.y.shape[2:]
    bias, taps = bias_of(plan, node, c), w.data.reshape(c, -1)
    zeros = plan.zeros(wd * width)
    if any(step.op == "add" for step in node.after):
        placed = plan.whole(x)
    results = []
    for i, store in enumerate(placed.stores):
        here = placed.store == i
        channel, count = placed.channel[here], blocks(int(placed.channel[here].max()) + 1, width)
        weights, biases = np.zeros((count * width, kh * kw)), np.zeros(count * width)
        weights[channel], biases[channel] = taps[here], bias[here]
        result = plan.storage(count * width * n * oh * ow)
        plan.emit_into(result, kind="depthwise", x=store, reads=[store], images=n, blocks=count, h=h, wd=wd, oh=oh, ow=ow,
                       kh=kh, kw=kw, sh=sh, sw=sw, dh=dh, dw=dw, top=window.pads[0], left=window.pads[1],
                       w=plan.constant(pack_channels(weights, width)), b=plan.constant(biases), z=zeros,
                       **last_store(plan, node))
        results.append(result)
    plan.place(node.y, Placed((n, c, oh, ow), results, placed.store, placed.channel))


def winograd(plan: Builder, node: Node) -> None:
    """F(4x4, 3x3) for large maps, F(2x2, 3x3) for small ones, where its tiles waste less and its error is smaller."""
    x, w, window = node.inputs["x"], node.inputs["w"], node.attributes["window"]
    assert x is not None
    assert w is not None
    assert w.data is not None
    placed, width = plan.whole(x), plan.width
    n, c, h, wd = placed.shape
    o, (oh, ow) = len(w.data), node.y.shape[2:]
    m = 4 if min(oh, ow) >= 20 else 2
    places, th, tw = (m + 2) ** 2, -(-oh // m), -(-ow // m)
    cb, ob = blocks(c, width), blocks(o, width)
    rows = max(1, min(n * th, plan.cache // (places * (cb + ob) * width * tw * 4)))
    full, rest = rows * tw, n * th % rows * tw
    lanes = np.arange(c)
    u = winograd_weights(w.data, m)
    plan.emit(node.y, kind=f"winograd{m}", x=placed, reads=[placed], k=c, blocks=ob, images=n, h=h, wd=wd, oh=oh, ow=ow,
              kh=th, kw=tw, rows=rows, n=full, top=window.pads[0], left=window.pads[1],
              w=plan.constant(np.concatenate([pack_panels(u[q], width) for q in range(places)])),
              b=plan.constant(vector(bias_of(plan, node, o), width)), z=plan.zeros(ob * width),
              t=plan.scratch(places * (cb + ob) * full * width),
              off=plan.table(lambda: lanes // width * full * width + lanes % width),
              soff=plan.table(lambda: lanes // width * rest * width + lanes % width), **last_store(plan, node))


# ---------------------------------------------------------------- maps
def map_fields(plan: Builder, placed: Placed, y: Value) -> dict[str, Any]:
    """What operations on whole maps share."""
    n, c, h, w = placed.shape
    _, _, oh, ow = as_map(y.shape)
    return {"x": placed, "reads": [placed], "images": n, "blocks": blocks(c, plan.width), "h": h, "wd": w, "oh": oh,
            "ow": ow}


@lowers("max_pool2d", "avg_pool2d")
def pool(plan: Builder, node: Node) -> None:
    """Windows of any size."""
    placed, window = plan.whole(node.inputs["x"]), node.attributes["window"]
    fields = map_fields(plan, placed, node.y)
    (kh, kw), (sh, sw), (dh, dw), (top, left, bottom, right) = window.kernel, window.stride, window.dilation, window.pads
    mode = 0 if node.op == "max_pool2d" else 2 if node.attributes["count_include_pad"] else 1
    plan.emit(node.y, kind="pool", **fields, kh=kh, kw=kw, sh=sh, sw=sw, dh=dh, dw=dw, top=top, left=left, n=bottom,
              px=right, mode=mode, t=plan.scratch(plan.threads * placed.shape[3] * plan.width))


@lowers("adaptive_avg_pool2d", "adaptive_max_pool2d")
def adaptive_pool(plan: Builder, node: Node) -> None:
    """A given number of parts."""
    placed = plan.whole(node.inputs["x"])
    plan.emit(node.y, kind="adaptive_pool", **map_fields(plan, placed, node.y), mode=int("avg" in node.op))


@lowers("global_avg_pool2d")
def global_mean(plan: Builder, node: Node) -> None:
    """The mean of each channel."""
    placed = plan.whole(node.inputs["x"])
    plan.emit(node.y, kind="global_mean", **map_fields(plan, placed, node.y), n=placed.pixels)


COMBINING = {"add": 0, "sub": 1, "mul": 2, "div": 3, "maximum": 4, "minimum": 5}


@lowers(*COMBINING)
def combine(plan: Builder, node: Node) -> None:
    """Two maps of one shape, or a map and a factor (summand, ...) per channel of each image."""
    a, b = node.inputs["a"], node.inputs["b"]
    if node.op in ("add", "mul", "maximum", "minimum") and a.shape != node.y.shape:
        a, b = b, a
    if a.data is not None or b.data is not None or a.shape != node.y.shape or b.shape not in (
            a.shape, (*a.shape[:2], *[1] * (len(a.shape) - 2))):
        raise refuse(node, f"of shapes {a.shape} and {b.shape}; expected two maps of one shape, or one and (N, C, 1, 1)")
    first, second = plan.whole(a), plan.whole(b)
    fields = map_fields(plan, first, node.y)
    plan.emit(node.y, kind="combine", **(fields | {"reads": [first, second]}), s=second, n=first.pixels,
              px=plan.width if b.shape == a.shape else 0, mode=COMBINING[node.op], **last_store(plan, node))


@lowers(*ACTIVATIONS)
def activation(plan: Builder, node: Node) -> None:
    """An activation that no last store took."""
    placed = plan.whole(node.inputs["x"])
    plan.emit(node.y, kind="combine", **map_fields(plan, placed, node.y), n=placed.pixels, mode=6,
              **ACTIVATIONS[node.op](node.attributes))


@lowers("batch_norm")
def batch_norm(plan: Builder, node: Node) -> None:
    """A normalisation that no convolution took: a factor and a summand per channel."""
    from .passes import affine
    if node.attributes["training"]:
        raise refuse(node, "it computes the statistics of the batch; call eval() on the model first")
    placed = plan.whole(node.inputs["x"])
    scale, shift = (np.broadcast_to(v, placed.shape[1]) for v in affine(node))
    plan.emit(node.y, kind="affine", **map_fields(plan, placed, node.y), n=placed.pixels,
              w=plan.constant(vector(scale, plan.width)), b=plan.constant(vector(shift, plan.width)),
              **last_store(plan, node))


# ---------------------------------------------------------------- what moves nothing
@lowers("pick")
def pick(plan: Builder, node: Node) -> None:
    """Channels of several values: only noted down; whoever needs them side by side has them gathered."""
    sources = [plan.placed(value) for value in node.inputs.values() if value is not None]
    number, channel = np.array(node.attributes["channels"]).T
    stores = list(dict.fromkeys(store for source in sources for store in source.stores))
    of_source = [np.array([stores.index(store) for store in source.stores])[source.store] for source in sources]
    n, _, h, w = sources[0].shape
    store = np.array([of_source[i][c] for i, c in zip(number, channel)])
    place = np.array([sources[i].channel[c] for i, c in zip(number, channel)])
    used = np.unique(store)
    plan.place(node.y, Placed((n, len(store), h, w), [stores[i] for i in used], np.searchsorted(used, store), place))


@lowers("reshape")
def reshape(plan: Builder, node: Node) -> None:
    """Axes of extent 1 come and go; a map that is flattened stays a map, for a linear layer to read."""
    x = node.inputs["x"]
    assert x is not None
    placed, shape = plan.placed(x), node.y.shape
    same = as_map(shape) == as_map(x.shape)
    flattened = len(shape) == 2 and shape[0] == x.shape[0]
    if not same and not flattened:
        raise refuse(node, f"from {x.shape}; expected only axes of extent 1 to come or go, or (N, C, H, W) flattened "
                           "to (N, features)")
    plan.place(node.y, placed)
