"""Resizing in training."""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ....autograd import OPS
from ...graph import Node
from ...lowering import RULES
from ...lowering.maps import emit_resize
from .maps import as_value
from .rule import trains

if TYPE_CHECKING:
    from ..builder import TrainingBuilder


@trains("interpolate")
def interpolate(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """As inference has it; back, the same kernel by the tables turned round: for "nearest", sums of each element's
    copies."""
    RULES[node.op](plan, node)
    yield
    x, function = node.inputs["x"], OPS[node.op].like([], node.attributes)
    if x is not None and plan.needs(x):
        turned: Any = function
        gradient = as_value(x)
        emit_resize(plan, plan.gradient(node.y), gradient, turned.adjoint_tables(x.shape, plan.dtype))
        plan.give(x, gradient)
