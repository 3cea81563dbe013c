"""Operations on whole maps, and those that move nothing."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...autograd import OPS
from ..graph import Node
from ..layout import Placed, as_map
from .rules import ACTIVATIONS, ALONE, COMBINING, last_store, lowers, map_fields, refuse

if TYPE_CHECKING:
    from ..plan import Builder


@lowers("max_pool2d", "avg_pool2d")
def pool(plan: Builder, node: Node) -> None:
    """Windows of any size."""
    placed, window = plan.whole(node.inputs["x"]), node.attributes["window"]
    fields = map_fields(plan, placed, node.y)
    (kh, kw), (sh, sw), (dh, dw), (top, left, bottom, right) = window
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


@lowers("interpolate")
def resize(plan: Builder, node: Node) -> None:
    """A few rows and columns of the map for each of the result, weighted."""
    placed = plan.whole(node.inputs["x"])
    function: Any = OPS[node.op].like([], node.attributes)
    (rows, row_weights), (columns, column_weights) = function.tables(placed.shape, plan.dtype)
    plan.emit(node.y, kind="resize", **map_fields(plan, placed, node.y), kh=len(rows), kw=len(columns),
              off=plan.table(lambda: np.concatenate([rows.ravel(), columns.ravel()])),
              w=plan.constant(np.concatenate([row_weights.ravel(), column_weights.ravel()])),
              t=plan.scratch(plan.threads * placed.shape[3] * plan.width))


@lowers(*COMBINING)
def combine(plan: Builder, node: Node) -> None:
    """Two maps of one shape, or a map and a factor (summand, ...) per channel of each image."""
    a, b = node.inputs.values()
    assert a is not None
    assert b is not None
    if node.op in ("add", "mul", "maximum", "minimum") and a.shape != node.y.shape:
        a, b = b, a
    if a.data is not None or b.data is not None or a.shape != node.y.shape or b.shape not in (
            a.shape, (*a.shape[:2], *[1] * (len(a.shape) - 2))):
        raise refuse(node, f"of shapes {a.shape} and {b.shape}; expected maps of one shape, or a map and (N, C, 1, 1)")
    first, second = plan.whole(a), plan.whole(b)
    fields = map_fields(plan, first, node.y)
    plan.emit(node.y, kind="combine", **(fields | {"reads": [first, second]}), s=second, n=first.pixels,
              px=plan.width if b.shape == a.shape else 0, mode=COMBINING[node.op], **last_store(plan, node))


@lowers(*ACTIVATIONS)
def activation(plan: Builder, node: Node) -> None:
    """An activation that no last store took."""
    placed = plan.whole(node.inputs["x"])
    plan.emit(node.y, kind="combine", **map_fields(plan, placed, node.y), n=placed.pixels, mode=ALONE,
              **ACTIVATIONS[node.op](node.attributes))


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


@lowers("astype")
def astype(plan: Builder, node: Node) -> None:
    """To the element type that a value has."""
    x = node.inputs["x"]
    assert x is not None
    if node.y.dtype != x.dtype:
        raise refuse(node, f"from {x.dtype} to {node.y.dtype}; expected the element type that it has")
    plan.place(node.y, plan.placed(x))
