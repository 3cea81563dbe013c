"""Losses of classes, softmax, forward and back."""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ....autograd import OPS
from ...graph import Node, Value
from ...layout import Part, Placed, Storage, as_map
from ...lowering import RULES, refuse
from ...lowering.moves import sole_input
from ...lowering.rows import extent
from ...lowering.rules import constant
from .rule import trains

if TYPE_CHECKING:
    from ..builder import TrainingBuilder

SUM = 0  # mode of `reduce`


@trains("cross_entropy", "soft_cross_entropy")
def cross_entropy(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """On blocks of classes; the largest and the sum of each pixel are kept for the way back."""
    x, reduction = node.inputs["input"], node.attributes["reduction"]
    fields, reads = class_fields(plan, node)
    rows, each = fields["rows"], reduction == "none"
    kept, factor = plan.storage(2 * rows), plan.storage(1)
    result = plan.result(node.y)
    y = result.pop("y")
    losses = {"y": y, **result} if each else {"y": plan.storage(plan.padded(rows))}
    emit(plan, "cross_entropy", reads, t=kept, **fields, **losses)
    if not each:
        mean = {name: fields[name] for name in ("rows", "k", "w", "mode", "top") if name in fields}
        emit(plan, "loss_mean", [losses["y"]], x=losses["y"], t=factor, kh=int(reduction == "mean"), y=y, **result,
             **mean)
    yield
    into = plan.into(x)
    if into is None:
        return
    g = plan.plain(plan.gradient_value(node.y))
    more: dict[str, Any] = {"z": -1 if each else factor, "kh": int(each), "g": g, "t": kept}
    if into.add is not None:
        more["add"] = into.add
    emit(plan, "cross_entropy_gradient", [*reads, g, factor, more.get("add")], y=into.y, **fields, **more)
    into.done()


def emit(plan: TrainingBuilder, kind: str, reads: list[Any], y: Any, **fields: Any) -> None:
    """An operation."""
    plan.emit_into(y, kind=kind, reads=reads, **fields)


def class_fields(plan: TrainingBuilder, node: Node) -> tuple[dict[str, Any], list[Placed | Storage]]:
    """What the kernels of a loss of classes take both ways, and what they read."""
    x, target = node.inputs["input"], node.inputs["target"]
    assert x is not None
    assert target is not None
    n, k, h, w = as_map(x.shape)
    rows, placed = n * h * w, plan.whole(x)
    weights = np.zeros(-(-k // plan.width) * plan.width)
    weights[:k] = constant(node, "weight", np.ones(k))
    fields = {"x": placed, "rows": rows, "k": k, "px": plan.width, "ys": rows * plan.width, "w": plan.constant(weights),
              "low": node.attributes["label_smoothing"], "top": node.attributes.get("ignore_index", 0)}
    if node.op == "cross_entropy":
        return fields | {"mode": numbers_of_classes(plan, node, target)}, [placed]
    if plan.needs(target):
        raise refuse(node, "the gradient of its target is wanted, expected a target that does not train")
    distributions = plan.whole(target)
    return fields | {"s": distributions}, [placed, distributions]


def numbers_of_classes(plan: TrainingBuilder, node: Node, target: Value) -> int:
    """The number of the caller's array that holds a target as it is given, or seen in another shape."""
    view = plan.view(target)
    if view.space < 0 or view.start or view.table is not None or any(axis.step != 1 for axis in view.axes):
        raise refuse(node, "its target is computed, expected an array that is given to the step")
    if view.space >= len(plan.graph.inputs) or target.dtype != np.int64:
        raise refuse(node, f"its target, of {target.dtype}, is no input of int64")
    function: Any = OPS[node.op].like([None] * len(node.inputs), node.attributes)
    x = node.inputs["input"]
    assert x is not None
    classes, dtype = x.shape[1], x.dtype
    def demand(inputs: list[np.ndarray]) -> None:
        function.class_numbers(inputs[view.space].reshape(target.shape), classes, dtype)
    plan.demands.append(demand)
    return view.space


# ---------------------------------------------------------------- losses of pairs of numbers
@trains("l1_loss", "mse_loss", "smooth_l1_loss", "huber_loss", "wing_loss", "binary_cross_entropy",
        "binary_cross_entropy_with_logits", "sigmoid_focal_loss", "hinge_loss", "kl_div")
def pairs(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """In plain order; gradients of both, where they are wanted."""
    x, *_ = values = list(node.inputs.values())
    assert x is not None
    n, reduction = extent(x.shape), node.attributes["reduction"]
    share = 1 / {"mean": n, "batchmean": x.shape[0]}.get(reduction, 1)
    fields, reads = pair_fields(plan, node)
    if reduction == "none":
        result = plan.result(node.y)
        emit(plan, "pair_loss", reads, kh=0, high=1.0, **fields, **result)
    else:
        parts = min(plan.kernels.PAIR_PARTS, -(-n // plan.kernels.PAIR_BLOCK))
        sums = plan.storage(plan.padded(parts))
        emit(plan, "pair_loss", reads, y=sums, t=sums, kh=1, rows=parts, high=1.0, **fields)
        emit(plan, "reduce", [sums], x=sums, rows=1, k=parts, n=1, mode=SUM, low=share, **plan.result(node.y))
    yield
    for to_target, value in enumerate(values[:2]):
        if value is not None and plan.needs(value):
            g, gx = plan.plain(plan.gradient_value(node.y)), Value(f"g({value.name})", value.shape, value.dtype)
            emit(plan, "pair_gradient", [*reads, g], g=g, kh=int(reduction == "none"), kw=to_target,
                 high=share, **fields, **plan.result(gx))
            plan.give(value, gx)


def pair_fields(plan: TrainingBuilder, node: Node) -> tuple[dict[str, Any], list[Any]]:
    """What the kernels of a loss of pairs take both ways, and what they read."""
    function: Any = OPS[node.op].like([None] * len(node.inputs), node.attributes)
    x = next(iter(node.inputs.values()))
    assert x is not None
    parts = [None if value is None else plan.plain(value) for value in node.inputs.values()]
    named = dict(zip(("x", "s", "a", "z"), parts))
    numbers = np.zeros(3)
    numbers[:] = function.constants()
    fields = {"z": -1} | {name: part for name, part in named.items() if part is not None}
    return (fields | {"mode": plan.kernels.PAIR_LOSSES.index(function.kind), "n": extent(x.shape),
                      "w": plan.constant(numbers)}, [part for part in parts if part is not None])


# ---------------------------------------------------------------- softmax
@trains("softmax", "log_softmax")
def softmax(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """In plain order."""
    RULES[node.op](plan, node)
    y, x = plan.plain(node.y), sole_input(node)
    yield
    if not plan.needs(x):
        return
    axis = node.attributes["axis"] % len(x.shape)
    g, gx = plan.plain(plan.gradient_value(node.y)), Value(f"g({x.name})", x.shape, x.dtype)
    fields: dict[str, Part] = plan.result(gx)
    plan.emit_into(fields.pop("y"), kind="softmax_gradient", x=y, g=g, reads=[y, g], rows=extent(x.shape[:axis]),
                   k=x.shape[axis], n=extent(x.shape[axis + 1:]), low=1, mode=int(node.op == "log_softmax"))
    plan.give(x, gx)
