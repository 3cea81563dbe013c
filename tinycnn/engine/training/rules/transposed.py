"""Transposed convolution in training: a convolution with its ways forward and back exchanged."""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...graph import Node
from ...layout import Part, as_map
from ..host import on_host
from ..values import Lazy
from . import dense
from .maps import as_value
from .products import given, new_map, parameter
from .rule import trains

if TYPE_CHECKING:
    from ..builder import TrainingBuilder


@trains("conv_transpose2d")
def conv_transpose2d(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """To the convolution that it transposes x is the gradient of the output, y that of the input."""
    x, w, b = given(node, "x"), given(node, "w"), node.inputs["b"]
    if node.attributes["groups"] > 1 or any(v is not None and plan.masters.entry(v) is None for v in (w, b)):
        yield from on_host(plan, node)  # groups have no rule; parameters that are computed neither
        return
    conv = dense.Dense(as_map(node.y.shape), as_map(x.shape), node.attributes["window"], plan.at(w))
    raw, y, bias = plan.whole(x), new_map(plan, node.y), parameter(plan, node, "b")
    dense.back_to_input(plan, conv, dense.gradient_frame(plan, conv, raw), 0, Part(y.stores[0], 0), None, bias)
    plan.place(node.y, y)
    yield
    gy = plan.gradient(node.y)
    if plan.needs(b):
        dense.bias_gradient(plan, gy, plan.gradient_at(b))
    frame = dense.input_frame(plan, conv, Lazy(gy))
    if plan.needs(w):
        ordered = dense.in_order_of(plan, frame, raw)
        dense.back_to_weights(plan, conv, frame, 0, Part(ordered.stores[0], 0), plan.gradient_at(w))
    if plan.needs(x):
        gx, made = as_value(x), new_map(plan, x)
        dense.forward(plan, conv, frame, 0, Part(made.stores[0], 0))
        plan.place(gx, made)
        plan.give(x, gx)
