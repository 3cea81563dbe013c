"""Convolutions that are not depthwise, and linear layers: which kernels run them, forward and back."""
from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...graph import Node, Value
from ...layout import Placed, as_map, blocks
from ..values import Lazy, LazyGradient
from . import dense, pointwise, winograd
from .depthwise import depthwise
from .groups import Groups
from .rule import trains

if TYPE_CHECKING:
    from ..builder import TrainingBuilder


@trains("conv2d")
def conv2d(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Depthwise, pointwise, Winograd or dense: the choice depends on shapes alone."""
    x, w, window, groups = given(node, "x"), given(node, "w"), node.attributes["window"], node.attributes["groups"]
    if groups == x.shape[1] == w.shape[0] and groups > 1:
        yield from depthwise(plan, node)
    elif groups == 1 and window.kernel == window.stride == (1, 1) and not any(window.pads):
        yield from pointwise_layer(plan, node)
    elif m := winograd.tile(as_map(x.shape), as_map(node.y.shape), window, groups):
        yield from winograd_layer(plan, node, m)
    else:
        yield from dense_layer(plan, node)


@trains("linear")
def linear(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """A pointwise layer whose pixels are rows."""
    yield from (pointwise_layer if len(given(node, "x").shape) == 2 else linear_over_rows)(plan, node)


def given(node: Node, name: str) -> Value:
    """An input that every such node has."""
    value = node.inputs[name]
    assert value is not None
    return value


def parameter(plan: TrainingBuilder, node: Node, name: str) -> int | None:
    """Where a parameter of a node begins; None: it has none."""
    value = node.inputs[name]
    return None if value is None else plan.at(value)


def feeds_batch_norm(plan: TrainingBuilder, value: Value) -> bool:
    """Whether a batch normalisation will ask for the sums of a value."""
    return any(node.op == "batch_norm" and node.attributes["training"] for node in plan.graph.nodes
               if node.inputs.get("x") is value)


def back_to_bias(plan: TrainingBuilder, node: Node) -> None:
    """gb, where it is wanted."""
    b, gy = node.inputs["b"], plan.lazy_gradient(node.y)
    if plan.needs(b):
        dense.bias_gradient(plan, gy.g if gy.coefficients is None else plan.gradient(node.y), plan.gradient_at(b))


# ---------------------------------------------------------------- pointwise and linear
def pointwise_layer(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """One product over all pixels of all images."""
    x, w = given(node, "x"), given(node, "w")
    n, c, h, wd = as_map(x.shape)
    layer = pointwise.Layer(c, node.y.shape[1], n * h * wd, plan.at(w), parameter(plan, node, "b"))
    z = Lazy(plan.whole(x)) if layer.few else plan.lazy(x)
    y = new_map(plan, node.y)
    sums = pointwise.sums_for(plan, layer, layer.outputs) if feeds_batch_norm(plan, node.y) else None
    pointwise.forward(plan, layer, z, y.stores[0], None if sums is None else sums.storage)
    plan.place(node.y, y)
    if sums is not None:
        plan.sums[node.y] = sums
    yield
    back_to_bias(plan, node)
    gy = LazyGradient(plan.gradient(node.y)) if layer.few else plan.lazy_gradient(node.y)
    gw, into = plan.gradient_at(w) if plan.needs(w) else None, plan.into(x)
    if into is None:
        pointwise_back(plan, layer, z, gy, gw, None)
        return
    sums = None if into.gate is None else pointwise.sums_for(plan, layer, c)
    storage = None if sums is None else sums.storage
    pointwise_back(plan, layer, z, gy, gw, pointwise.Target(into.y, into.add, into.gate, storage))
    into.done(sums)


def pointwise_back(plan: TrainingBuilder, layer: pointwise.Layer, z: Lazy, gy: LazyGradient, gw: int | None,
                   into: pointwise.Target | None) -> None:
    """What goes back through a pointwise layer: in strips, or where there are few pixels one after the other."""
    if not layer.few and (gw is not None or into is not None):
        pointwise.back(plan, layer, z, gy, gw, into)
        return
    if gw is not None:
        pointwise.back_to_weights(plan, layer, z.raw, gy.g, gw)
    if into is not None:
        pointwise.back_to_input(plan, layer, gy.g, into)


def linear_over_rows(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """x (..., I): its rows, brought into blocks of channels, are the pixels."""
    x, w = given(node, "x"), given(node, "w")
    rows, (outputs, inputs) = math.prod(x.shape[:-1]), w.shape
    layer = pointwise.Layer(inputs, outputs, rows, plan.at(w), parameter(plan, node, "b"))
    z = Lazy(as_rows(plan, x, rows, inputs))
    y = Value(node.y.name, (rows, outputs), node.y.dtype)
    plan.place(y, new_map(plan, y))
    pointwise.forward(plan, layer, z, plan.placed(y).stores[0], None)
    plan.see(node.y, plan.view(y))
    yield
    gy = as_rows(plan, plan.gradient_value(node.y), rows, outputs)
    if plan.needs(node.inputs["b"]):
        dense.bias_gradient(plan, gy, plan.gradient_at(node.inputs["b"]))
    gx, into = Value(f"g({x.name})", (rows, inputs), x.dtype), None
    if plan.needs(x):
        plan.place(gx, new_map(plan, gx))
        into = pointwise.Target(plan.placed(gx).stores[0])
    pointwise_back(plan, layer, z, LazyGradient(gy), plan.gradient_at(w) if plan.needs(w) else None, into)
    if into is not None:
        gradient = Value(gx.name, x.shape, x.dtype)
        plan.see(gradient, plan.view(gx))
        plan.give(x, gradient)


def as_rows(plan: TrainingBuilder, value: Value, rows: int, columns: int) -> Placed:
    """The elements of a value as a map of `rows` images of one pixel."""
    seen = Value(value.name, (rows, columns), value.dtype)
    plan.see(seen, plan.view(value))
    return plan.whole(seen)


def new_map(plan: TrainingBuilder, value: Value) -> Placed:
    """Memory for a value, in whole blocks of channels."""
    n, c, h, w = as_map(value.shape)
    return Placed.whole(value.shape, plan.storage(blocks(c, plan.width) * plan.width * n * h * w))


# ---------------------------------------------------------------- dense
def dense_layer(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """A product for each group over frames of the input."""
    x, w, groups = given(node, "x"), given(node, "w"), node.attributes["groups"]
    inputs, outputs = (Groups(as_map(v.shape), groups, plan.width) for v in (x, node.y))
    whole = dense.Dense(inputs.shape, outputs.shape, node.attributes["window"], plan.at(w), parameter(plan, node, "b"))
    parts = [of_group(whole, inputs, outputs, i) for i in range(groups)]
    few = groups == 1 and inputs.each <= dense.NARROW
    number = plan.as_given(x) if few else None
    if number is not None:
        frame = dense.given_frame(plan, whole, number)
    else:
        z = plan.lazy(x) if inputs.fit else Lazy(inputs.gathered(plan, plan.whole(x)))
        frame = dense.input_frame(plan, whole, z, few)
    y = outputs.memory(plan)
    for i, conv in enumerate(parts):
        dense.forward(plan, conv, frame, i * inputs.blocks * frame.step, outputs.part(y, i))
    plan.place(node.y, outputs.seen(y))
    yield
    back_to_bias(plan, node)
    if few and plan.needs(w):
        dense.back_to_few_channels(plan, whole, frame, plan.lazy_gradient(node.y), plan.gradient_at(w))
    elif plan.needs(w):
        gy, gw = outputs.gathered(plan, plan.gradient(node.y)), plan.gradient_at(w)
        gy = dense.in_order_of(plan, frame, gy)
        for i, conv in enumerate(parts):
            dense.back_to_weights(plan, conv, frame, i * inputs.blocks * frame.step, outputs.part(gy, i),
                                  gw + i * outputs.each * inputs.each * whole.taps)
    if plan.needs(x):
        gy = outputs.gathered(plan, plan.gradient(node.y))
        dense_back_to_input(plan, node, parts, inputs, outputs, gy)


def of_group(whole: dense.Dense, inputs: Groups, outputs: Groups, i: int) -> dense.Dense:
    """The convolution of one group."""
    (n, _, h, w), (_, _, oh, ow), at = inputs.shape, outputs.shape, i * outputs.each
    return dense.Dense((n, inputs.each, h, w), (n, outputs.each, oh, ow), whole.window,
                       whole.w + at * inputs.each * whole.taps, None if whole.b is None else whole.b + at)


def dense_back_to_input(plan: TrainingBuilder, node: Node, parts: list[dense.Dense], inputs: Groups, outputs: Groups,
                        gy: Placed) -> None:
    """gx, group by group; gathered afterwards where groups do not begin at blocks."""
    x, seen_from = given(node, "x"), dense.gradient_frame(plan, parts[0], gy)
    into = plan.into(x) if inputs.fit else None
    gx = inputs.memory(plan) if into is None else Placed.whole(inputs.shape, into.y)
    add = None if into is None else into.add
    for i, conv in enumerate(parts):
        dense.back_to_input(plan, conv, seen_from, i * outputs.blocks, inputs.part(gx, i), add)
    if into is not None:
        into.done()
    else:
        gradient = Value(f"g({x.name})", x.shape, x.dtype)
        plan.place(gradient, inputs.seen(gx))
        plan.give(x, gradient)


# ---------------------------------------------------------------- Winograd
def winograd_layer(plan: TrainingBuilder, node: Node, m: int) -> Iterator[None]:
    """In tiles; on the way back of m x m outputs."""
    x, w = given(node, "x"), given(node, "w")
    conv = dense.Dense(as_map(x.shape), as_map(node.y.shape), node.attributes["window"], plan.at(w),
                       parameter(plan, node, "b"))
    layer, z, y = winograd.Layer(conv, winograd.FORWARD), plan.lazy(x), new_map(plan, node.y)
    sums = layer.sums(plan) if feeds_batch_norm(plan, node.y) else None
    winograd.forward(plan, layer, z, y.stores[0], sums)
    plan.place(node.y, y)
    if sums is not None:
        plan.sums[node.y] = sums
    yield
    back_to_bias(plan, node)
    gy = plan.lazy_gradient(node.y)
    if plan.needs(w):
        winograd.back_to_weights(plan, conv, m, z, gy, plan.gradient_at(w))
    into = plan.into(x)
    if into is not None:
        layer = winograd.Layer(conv, m, turned=True)
        sums = None if into.gate is None else layer.sums(plan)
        storage = None if sums is None else sums.storage
        winograd.back_to_input(plan, layer, gy, pointwise.Target(into.y, into.add, into.gate, storage))
        into.done(sums)
