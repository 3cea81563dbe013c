"""Functions of one number, and of one number and a slope."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..graph import Node
from ..packing import vector
from .rules import constant, lowers, map_fields

if TYPE_CHECKING:
    from ..plan import Builder

UNARY = {"exp": 0, "log": 1, "sqrt": 2, "abs": 3, "neg": 4, "pow": 5}


@lowers(*UNARY)
def unary(plan: Builder, node: Node) -> None:
    """Vector by vector, whatever lies in them."""
    placed = plan.whole(node.inputs["x"])
    fields = map_fields(plan, placed, node.y)
    plan.emit(node.y, kind="unary", x=placed, reads=[placed], mode=UNARY[node.op],
              n=fields["blocks"] * fields["images"] * placed.pixels, low=node.attributes.get("exponent", 0))


@lowers("prelu")
def prelu(plan: Builder, node: Node) -> None:
    """A slope per channel; one for all is told from a leaky ReLU by a pass."""
    placed = plan.whole(node.inputs["x"])
    slopes = np.broadcast_to(constant(node, "weight"), placed.shape[1])
    plan.emit(node.y, kind="prelu", **map_fields(plan, placed, node.y), n=placed.pixels,
              w=plan.constant(vector(slopes, plan.width)))
