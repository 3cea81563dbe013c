"""l2_norm in training: vectors of length 1, then a map times a number for each channel."""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ...graph import Node, Value
from .elements import scaled
from .maps import as_value, read, whole_map
from .rule import trains
from .views import like, lowered

if TYPE_CHECKING:
    from ..builder import TrainingBuilder


@trains("l2_norm")
def l2_norm(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Pixel by pixel; what comes of the weight is that of any factor."""
    x, weight = node.inputs.values()
    assert x is not None
    raw = plan.whole(x)
    fields = whole_map(plan, raw) | {"k": raw.shape[1], "low": node.attributes["eps"]}
    ones = plan.constant(np.ones(fields["blocks"] * plan.width, plan.dtype))
    unit = node.y if weight is None else as_value(x, "unit")
    plan.emit(unit, kind="l2_norm", **fields, x=raw, w=ones, activation=0, high=np.inf, reads=[raw])
    back = None if weight is None else weighted(plan, node, unit, weight)
    if back is not None:
        next(back)
    yield
    if back is not None:
        next(back, None)
    into = plan.into(x)
    if into is not None:
        g = plan.gradient(unit)
        plan.emit_into(into.y, kind="l2_norm_back", **fields, x=raw, g=g, gx=into.y,
                       add=-1 if into.add is None else into.add, reads=read(raw, g, into.add))
        into.done()


def weighted(plan: TrainingBuilder, node: Node, unit: Value, weight: Value) -> Iterator[None]:
    """The node's output: vectors of length 1, times the weights."""
    factor = Value(weight.name, (*weight.shape, *[1] * (len(unit.shape) - 2)), weight.dtype)
    lowered(plan, "reshape", weight, factor)
    plan.needs_of.between(unit, node.inputs["x"])
    plan.needs_of.between(factor, weight)
    back = scaled(plan, Node("mul", {}, {}, [node.y]), unit, factor)
    next(back)
    yield
    next(back, None)
    if plan.needs(weight):
        plan.give(weight, lowered(plan, "reshape", plan.gradient_value(factor), like(weight)))
