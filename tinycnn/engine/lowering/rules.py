"""What all rules share: how they are entered, what they refuse, last stores, the fields of operations on whole maps."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Node, Step, Value
from ..layout import Placed, as_map, blocks

if TYPE_CHECKING:
    from ..plan import Builder


class CompileError(ValueError):
    """A graph holds what the engine cannot run; the message names the node."""


Rule = Callable[["Builder", Node], None]
RULES: dict[str, Rule] = {}


def lowers(*ops: str) -> Callable[[Rule], Rule]:
    """Make a function the rule of some operations."""
    def enter(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(ops, rule))
        return rule
    return enter


def refuse(node: Node, why: str) -> CompileError:
    """The error for a node that cannot run."""
    where = f" in {node.path}" if node.path else ""
    return CompileError(f"compile: {node.op}{where} ({node.outputs[0].name}, shape {node.outputs[0].shape}): {why}")


def constant(node: Node, name: str, default: np.ndarray | None = None) -> np.ndarray:
    """The numbers of an input that must not be computed; `default` where it is not given."""
    value = node.inputs[name]
    if value is None and default is not None:
        return default
    if value is None or value.data is None:
        raise refuse(node, f"its {name} is computed, expected a constant")
    return np.asarray(value.data)


# ---------------------------------------------------------------- activations and last stores
def clipping(low: float = -np.inf, high: float = np.inf) -> dict[str, Any]:
    """The fields of a last store that keeps results within [low, high]."""
    return {"activation": 0, "low": low, "high": high}


ACTIVATIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "relu": lambda a: clipping(0),
    "relu6": lambda a: clipping(0, 6),
    "clip": lambda a: clipping(-np.inf if a["low"] is None else a["low"], np.inf if a["high"] is None else a["high"]),
    "hardswish": lambda a: {"activation": 1},
    "hardsigmoid": lambda a: {"activation": 2},
    "sigmoid": lambda a: {"activation": 3},
    "silu": lambda a: {"activation": 4},
    "tanh": lambda a: {"activation": 5},
    "leaky_relu": lambda a: {"activation": 6, "low": a["negative_slope"]},
    "mish": lambda a: {"activation": 7},
}


def last_store(plan: Builder, node: Node) -> dict[str, Any]:
    """The fields of what a node's last store does: activation, residual, and their order."""
    fields = clipping()
    for i, step in enumerate(node.after):
        if step.op == "add":
            fields |= {"r": residual(plan, node, step), "add_last": int(i > 0)}
        else:
            fields |= ACTIVATIONS[step.op](step.attributes)
    return fields


def residual(plan: Builder, node: Node, step: Step) -> Placed:
    """The value that a step adds, laid out as the node's output is."""
    [other] = [value for value in step.inputs if value is not None]
    return plan.whole(other)


# ---------------------------------------------------------------- whole maps
def map_fields(plan: Builder, placed: Placed, y: Value) -> dict[str, Any]:
    """What operations on whole maps share."""
    n, c, h, w = placed.shape
    _, _, oh, ow = as_map(y.shape)
    return {"x": placed, "reads": [placed], "images": n, "blocks": blocks(c, plan.width), "h": h, "wd": w, "oh": oh,
            "ow": ow}


def map_by_map(plan: Builder, placed: Placed, y: Value) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, Any]]]:
    """For an operation that treats each channel by itself: each of the maps that hold them is its input as it lies.

    Gives the channels of the value that a map holds (a mask), their places in it, and the fields of the operation.
    """
    n, c, h, wd = placed.shape
    _, _, oh, ow = as_map(y.shape)
    results = []
    for i, source in enumerate(placed.stores):
        here = placed.store == i
        channel = placed.channel[here]
        count = blocks(int(channel.max()) + 1, plan.width)
        results.append(plan.storage(count * plan.width * n * oh * ow))
        yield here, channel, {"y": results[-1], "x": source, "reads": [source], "images": n, "blocks": count, "h": h,
                              "wd": wd, "oh": oh, "ow": ow}
    plan.place(y, Placed((n, c, oh, ow), results, placed.store, placed.channel))


COMBINING = {"add": 0, "sub": 1, "mul": 2, "div": 3, "maximum": 4, "minimum": 5, "scale_channels": 2}
ALONE = 6  # no second operand: s = -1
