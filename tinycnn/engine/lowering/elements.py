"""Element-wise operations on one array or two, in whatever order the elements lie."""
from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Node, Value
from ..layout import Part, Placed, as_map, blocks
from ..packing import vector
from ..views import View, as_blocks
from .moves import expanded, in_order, sole_input
from .rules import ACTIVATIONS, ALONE, COMBINING, clipping, constant, last_store, lowers, map_fields

if TYPE_CHECKING:
    from ..plan import Builder

UNARY = {"exp": 0, "log": 1, "sqrt": 2, "abs": 3, "neg": 4, "pow": 5}
REVERSED = {"sub": 7, "div": 8}  # the second operand is the first of the operation


def as_it_lies(plan: Builder, x: Value) -> Placed | Part:
    """A value in the order in which it is there: blocks of channels, or plain."""
    if x in plan.where or (plan.as_given(x) is not None and len(x.shape) == 4):
        return plan.whole(x)
    placed = plan.view(x).placed
    return placed if placed is not None and placed.is_whole else plan.plain(x)


def alike(plan: Builder, x: Value, first: Placed | Part) -> Placed | Part:
    """A value of as many elements, in the order of another."""
    if isinstance(first, Part):
        return plan.plain(x)
    there = Value(x.name, first.shape, x.dtype)
    plan.see(there, plan.view(x))
    return plan.whole(there)


def store_alike(plan: Builder, node: Node, first: Placed | Part) -> dict[str, Any]:
    """The fields of a node's last store, what it adds in the order of its first operand."""
    for step in node.after:
        for other in step.inputs:
            if other is not None:
                added = alike(plan, other, first)
                bare = dataclasses.replace(node, after=tuple([s for s in node.after if s.op != "add"]))
                return last_store(plan, bare) | {"r": added, "add_last": int(node.after[0] is not step)}
    return last_store(plan, node)


def steps_after(plan: Builder, node: Node, done: Value) -> None:
    """The steps that a kernel did not take, each as an operation of its own. done: what they begin with."""
    plan.see(node.y, plan.view(done))
    for step in node.after:
        first = as_it_lies(plan, node.y)
        if step.op == "add":
            [other] = [value for value in step.inputs if value is not None]
            second = alike(plan, other, first)
            emit_alike(plan, node.y, first, [second], kind="combine", s=second, mode=COMBINING["add"], px=plan.width,
                       **clipping())
        else:
            emit_alike(plan, node.y, first, [], kind="combine", mode=ALONE, **ACTIVATIONS[step.op](step.attributes))


def emit_alike(plan: Builder, y: Value, x: Placed | Part, reads: list[Any], **fields: Any) -> None:
    """An operation on all elements of x, one after the other, whose result lies as x does. `n`, ... say how many."""
    size = int(np.prod(y.shape))
    if isinstance(x, Placed):
        n, c, _, _ = x.shape
        count = blocks(c, plan.width)
        storage = plan.storage(count * plan.width * n * x.pixels)
        view = View.of(Placed.whole(x.shape, storage), plan.width)
        extents = {"blocks": count, "images": n, "n": x.pixels}
    else:
        storage = plan.storage(plan.padded(size) + plan.width)
        view, extents = View.plain(size, storage), {"blocks": 1, "images": 1, "n": plan.padded(size) // plan.width}
    plan.emit_into(storage, x=x, reads=[x, *reads], **extents, **fields)
    plan.see(y, view)


@lowers(*ACTIVATIONS)
def activation(plan: Builder, node: Node) -> None:
    """An activation that no last store took."""
    emit_alike(plan, node.y, as_it_lies(plan, sole_input(node)), [], kind="combine", mode=ALONE,
               **ACTIVATIONS[node.op](node.attributes))


@lowers(*UNARY)
def unary(plan: Builder, node: Node) -> None:
    """A function of one number."""
    x = sole_input(node)
    emit_alike(plan, node.y, as_it_lies(plan, x), [], kind="unary", mode=UNARY[node.op],
               low=node.attributes.get("exponent", 0))


@lowers("prelu")
def prelu(plan: Builder, node: Node) -> None:
    """A slope per channel; one for all is told from a leaky ReLU by a pass."""
    placed = plan.whole(node.inputs["x"])
    slopes = np.broadcast_to(constant(node, "weight"), placed.shape[1])
    plan.emit(node.y, kind="prelu", **map_fields(plan, placed, node.y), n=placed.pixels,
              w=plan.constant(vector(slopes, plan.width)))


@lowers(*COMBINING)
def combine(plan: Builder, node: Node) -> None:
    """Two arrays that broadcast to one shape; one of them may be a constant."""
    a, b = node.inputs.values()
    assert a is not None
    assert b is not None
    for x, other, mode in ((a, b, COMBINING[node.op]), (b, a, REVERSED.get(node.op, COMBINING[node.op]))):
        if other.data is not None:
            with_constant(plan, node, x, other.data, mode)
            return
        if x.shape == node.y.shape and x in plan.where and other.shape == (*x.shape[:2], *[1] * (len(x.shape) - 2)):
            first, second = plan.whole(x), plan.whole(other)
            emit_alike(plan, node.y, first, [second], kind="combine", s=second, mode=mode,
                       px=plan.width if other.shape == x.shape else 0, **store_alike(plan, node, first))
            return
    combine_all(plan, node, a, b)


def combine_all(plan: Builder, node: Node, a: Value, b: Value) -> None:
    """Two computed arrays, each repeated to the shape of y first: in blocks if one of them lies so."""
    first: Placed | Part
    second: Placed | Part
    bring = in_blocks if a in plan.where or b in plan.where else in_order
    first, second = (bring(plan, value, node.y.shape) for value in (a, b))
    emit_alike(plan, node.y, first, [second], kind="combine", s=second, mode=COMBINING[node.op], px=plan.width,
               **store_alike(plan, node, first))


def in_blocks(plan: Builder, value: Value, shape: tuple[int, ...]) -> Placed:
    """A value broadcast to a shape, in blocks of channels."""
    if value.shape == shape:
        return plan.whole(value)
    repeated = Value(value.name, shape, value.dtype)
    plan.see(repeated, expanded(plan, value, shape))
    return plan.whole(repeated)


def with_constant(plan: Builder, node: Node, x: Value, constant: np.ndarray, mode: int) -> None:
    """x and a constant: a number, one for each channel, or an array."""
    shape = node.y.shape
    if x.shape != shape:
        repeated = Value(x.name, shape, x.dtype)
        plan.see(repeated, expanded(plan, x, shape))
        x = repeated
    first = as_it_lies(plan, x)
    values, px = constants_for(plan, shape, constant, first)
    emit_alike(plan, node.y, first, [], kind="combine", mode=mode, w=plan.constant(values), px=px,
               **store_alike(plan, node, first))


def constants_for(plan: Builder, shape: tuple[int, ...], constant: np.ndarray,
                  first: Placed | Part) -> tuple[np.ndarray, int]:
    """A constant in the order of the other operand, and how far it is from one vector of it to the next."""
    width, full = plan.width, np.broadcast_to(constant, shape)
    if constant.size == 1:
        channels = first.shape[1] if isinstance(first, Placed) else 1
        return np.full(blocks(channels, width) * width, constant.ravel()[0]), 0
    if isinstance(first, Part):
        return np.append(full.ravel(), np.ones(-full.size % width, full.dtype)), width
    aligned = constant.reshape((1,) * (len(shape) - constant.ndim) + constant.shape)
    if first.shape == as_map(shape) and aligned.size == aligned.shape[1]:
        return vector(aligned.ravel(), width), 0
    return as_blocks(first.shape, full, width), width
