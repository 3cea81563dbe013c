"""Operations on whole maps, and those that move nothing."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...autograd import OPS
from ..graph import Node, Value
from ..layout import Placed
from .rules import lowers, map_by_map, map_fields

if TYPE_CHECKING:
    from ..plan import Builder


@lowers("max_pool2d", "avg_pool2d")
def pool(plan: Builder, node: Node) -> None:
    """Windows of any size."""
    (kh, kw), (sh, sw), (dh, dw), (top, left, bottom, right) = node.attributes["window"]
    mode = 0 if node.op == "max_pool2d" else 2 if node.attributes["count_include_pad"] else 1
    for _, _, fields in map_by_map(plan, plan.placed(node.inputs["x"]), node.y):
        plan.emit_into(kind="pool", **fields, kh=kh, kw=kw, sh=sh, sw=sw, dh=dh, dw=dw, top=top, left=left, n=bottom,
                       px=right, mode=mode, t=plan.scratch(plan.threads * fields["wd"] * plan.width))


@lowers("adaptive_avg_pool2d", "adaptive_max_pool2d")
def adaptive_pool(plan: Builder, node: Node) -> None:
    """A given number of parts."""
    placed = plan.whole(node.inputs["x"])
    plan.emit(node.y, kind="adaptive_pool", **map_fields(plan, placed, node.y), mode=int("avg" in node.op))


@lowers("global_avg_pool2d")
def global_mean(plan: Builder, node: Node) -> None:
    """The mean of each channel."""
    placed = plan.placed(node.inputs["x"])
    for _, _, fields in map_by_map(plan, placed, node.y):
        plan.emit_into(kind="global_mean", **fields, n=placed.pixels)


@lowers("interpolate")
def resize(plan: Builder, node: Node) -> None:
    """A few rows and columns of the map for each of the result, weighted."""
    placed = plan.whole(node.inputs["x"])
    function: Any = OPS[node.op].like([], node.attributes)
    emit_resize(plan, placed, node.y, function.tables(placed.shape, plan.dtype))


def weighed(table: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A table that the kernel takes at its word: it does not look at the weights of a single tap, which then are 1."""
    places, weights = table
    if len(places) > 1 or (weights == 1).all():
        return table
    return np.repeat(places, 2, 0), np.concatenate([weights, np.zeros_like(weights)])


def emit_resize(plan: Builder, placed: Placed, y: Value, tables: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """y by tables of rows and columns; those turned round make of a gradient of the result one of the map."""
    (rows, row_weights), (columns, column_weights) = map(weighed, tables)
    plan.emit(y, kind="resize", **map_fields(plan, placed, y), kh=len(rows), kw=len(columns),
              off=plan.table(lambda: np.concatenate([rows.ravel(), columns.ravel()])),
              w=plan.constant(np.concatenate([row_weights.ravel(), column_weights.ravel()])),
              t=plan.scratch(plan.threads * placed.shape[3] * plan.width))


# ---------------------------------------------------------------- what moves nothing
@lowers("pick")
def pick(plan: Builder, node: Node) -> None:
    """Channels of several values: only noted down; whoever needs them side by side has them gathered."""
    sources = [plan.placed(value) for value in node.inputs.values() if value is not None]
    plan.place(node.y, Placed.picked(sources, *np.array(node.attributes["channels"]).T))
