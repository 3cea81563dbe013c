"""Products of matrices that are computed themselves, and attention."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Node, Value
from .moves import axes_of, expanded
from .products import linear_product
from .rules import lowers

if TYPE_CHECKING:
    from ..plan import Builder


@dataclass
class Stack:
    """Matrices, all of one shape, each `step` elements after the one before (0: one for all)."""

    where: dict[str, Any]  # fields: in the arena, or as a constant
    reads: list[Any]
    step: int


def stacked(plan: Builder, x: Value, batch: tuple[int, ...], name: str) -> Stack:
    """The matrices of x (..., M, K), broadcast to a batch of them; `name`: the field of their place."""
    size = int(np.prod(x.shape[-2:]))
    if math.prod(x.shape[:-2]) == 1:
        step = 0
    else:
        step = size
        if x.shape[:-2] != batch:
            repeated = Value(x.name, (*batch, *x.shape[-2:]), x.dtype)
            plan.see(repeated, expanded(plan, x, repeated.shape))
            x = repeated
        elif math.prod(batch) == 1:
            step = 0
    if x.data is not None:
        return Stack({name: plan.view(x).start, "mode": 1 if name == "x" else 2}, [], step)
    part = plan.plain(x)
    return Stack({name: part}, [part], step)


def emit_product(plan: Builder, y: Value, a: Stack, b: Stack, extents: tuple[int, int, int, int]) -> None:
    """y (images, m, n) = a (images, m, k) b (images, k, n)."""
    images, m, k, n = extents
    into = plan.result(y)
    plan.emit_into(into.pop("y"), **({"kind": "matmul", "mode": 0, "images": images, "rows": m, "k": k, "n": n,
                                      "xrow": k, "px": 1, "image_step": a.step, "ys": b.step} | a.where | b.where),
                   reads=[*a.reads, *b.reads], **into)


@lowers("matmul")
def matmul(plan: Builder, node: Node) -> None:
    """By a constant matrix: a linear layer; else of matrices in plain order."""
    a, b = node.inputs.values()
    assert a is not None
    assert b is not None
    if b.data is not None and b.data.ndim == 2:
        linear_product(plan, node, a, b.data.T, np.zeros(b.shape[1], b.dtype))
        return
    left, right = matrix(plan, a, 0), matrix(plan, b, 1)
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    extents = (math.prod(batch), left.shape[-2], left.shape[-1], right.shape[-1])
    emit_product(plan, node.y, stacked(plan, left, batch, "x"), stacked(plan, right, batch, "s"), extents)


def matrix(plan: Builder, x: Value, axis: int) -> Value:
    """x, a vector as a row (axis 0) or a column (1)."""
    if len(x.shape) > 1:
        return x
    shape = (1, *x.shape) if axis == 0 else (*x.shape, 1)
    if x.data is not None:
        return Value(x.name, shape, x.dtype, x.data.reshape(shape))
    result = Value(x.name, shape, x.dtype)
    plan.see(result, plan.view(x))
    return result


@lowers("scaled_dot_product_attention")
def attention(plan: Builder, node: Node) -> None:
    """softmax(scale q kᵀ) v; the scale is a factor of the softmax."""
    query, key, value = node.inputs.values()
    assert query is not None
    assert key is not None
    assert value is not None
    *batch, rows, width = query.shape
    count, images = key.shape[-2], math.prod(batch)
    view, groups = axes_of(plan, key)
    turned = Value(key.name, (*batch, width, count), key.dtype)
    plan.see(turned, view.with_axes([*groups[:-2], groups[-1], groups[-2]]))
    scores, weights = (Value(node.y.name, (*batch, rows, count), query.dtype) for _ in range(2))
    emit_product(plan, scores, stacked(plan, query, tuple(batch), "x"), stacked(plan, turned, tuple(batch), "s"),
                 (images, rows, width, count))
    part, into = plan.plain(scores), plan.result(weights)
    plan.emit_into(into.pop("y"), kind="softmax", x=part, reads=[part], rows=images * rows, k=count, n=1,
                   low=node.attributes["scale"], mode=0, **into)
    emit_product(plan, node.y, stacked(plan, weights, tuple(batch), "x"), stacked(plan, value, tuple(batch), "s"),
                 (images, rows, count, value.shape[-1]))
