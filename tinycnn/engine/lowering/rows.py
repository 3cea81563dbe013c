"""What is computed over an axis, or over some: softmax, sums, extremes, layer normalisation."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Node, Value
from ..layout import Part
from .elements import steps_after
from .maps import global_mean
from .moves import axes_of, sole_input
from .norms import layer_norm_of_maps, weight_and_bias
from .rules import lowers, map_fields

if TYPE_CHECKING:
    from ..plan import Builder

REDUCTIONS = {"sum": 0, "mean": 0, "max": 1, "min": 2, "var": 3}


def emit_rows(plan: Builder, y: Value, kind: str, x: Part, **fields: Any) -> None:
    """An operation from one array in plain order to another."""
    into = plan.result(y)
    plan.emit_into(into.pop("y"), kind=kind, x=x, reads=[x], **into, **fields)


def extent(shape: tuple[int, ...]) -> int:
    """How many elements a part of a shape has."""
    return int(np.prod(shape))


@lowers("softmax", "log_softmax")
def softmax(plan: Builder, node: Node) -> None:
    """Along any axis, in plain order."""
    x = sole_input(node)
    axis = node.attributes["axis"] % len(x.shape)
    emit_rows(plan, node.y, "softmax", plan.plain(x), rows=extent(x.shape[:axis]), k=x.shape[axis],
              n=extent(x.shape[axis + 1:]), low=1, mode=int(node.op == "log_softmax"))


@lowers(*REDUCTIONS)
def reduction(plan: Builder, node: Node) -> None:
    """Over any axes; over the pixels of maps by the kernels for these."""
    x, axis = sole_input(node), node.attributes["axis"]
    ndim = len(x.shape)
    axes = tuple(range(ndim)) if axis is None else tuple(sorted({i % ndim for i in np.atleast_1d(axis).tolist()}))
    if x in plan.where and ndim == 4 and axes == (2, 3) and node.op in ("mean", "max"):
        of_pixels(plan, node)
        return
    if axes and axes[-1] - axes[0] == len(axes) - 1:
        part = plan.plain(x)
    else:  # the axes that are reduced come last
        view, groups = axes_of(plan, x)
        order = [i for i in range(ndim) if i not in axes] + list(axes)
        there = Value(x.name, tuple([x.shape[i] for i in order]), x.dtype)
        plan.see(there, view.with_axes([groups[i] for i in order]))
        part, axes, x = plan.plain(there), tuple(range(ndim - len(axes), ndim)), there
    first, end = (axes[0], axes[-1] + 1) if axes else (ndim, ndim)
    k = extent(x.shape[first:end])
    emit_rows(plan, node.y, "reduce", part, rows=extent(x.shape[:first]), k=k, n=extent(x.shape[end:]),
              low=factor(node, k), mode=REDUCTIONS[node.op])


def factor(node: Node, k: int) -> float:
    """By what the sum over k elements is multiplied."""
    count = {"mean": k, "var": k - node.attributes.get("correction", 0)}.get(node.op, 1)
    return 1 / count if count else np.inf


def of_pixels(plan: Builder, node: Node) -> None:
    """The mean, or the largest, of each channel of a map."""
    if node.op == "mean":
        global_mean(plan, node)
    else:
        fields = map_fields(plan, plan.whole(node.inputs["x"]), node.y)
        plan.emit(node.y, kind="adaptive_pool", **(fields | {"oh": 1, "ow": 1}), mode=0)


@lowers("layer_norm")
def layer_norm(plan: Builder, node: Node) -> None:
    """Over the last axes; over all of a map as that lies."""
    x = node.inputs["x"]
    assert x is not None
    k = extent(node.attributes["normalized_shape"])
    if x in plan.where and len(x.shape) == 4 and node.attributes["normalized_shape"] == x.shape[1:]:
        layer_norm_of_maps(plan, node)
        return
    w, b = (plan.constant(v) for v in weight_and_bias(node, k))
    done = Value(node.y.name, node.y.shape, node.y.dtype) if node.after else node.y
    emit_rows(plan, done, "layer_norm", plan.plain(x), rows=extent(x.shape) // k, k=k, w=w, b=b,
              low=node.attributes["eps"])
    if node.after:
        steps_after(plan, node, done)
