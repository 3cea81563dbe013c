"""Activations in training: a clip behind a normalisation only narrows what its readers apply on load."""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graph import Node, Value
from ...lowering.rules import ACTIVATIONS
from ..values import Lazy
from .group_norms import back_to_norm
from .maps import COPY, OPEN, RUN, emit_gradient, is_open, loading, read, whole_map
from .rule import trains

if TYPE_CHECKING:
    from ..builder import TrainingBuilder

OF_Y = 32  # lazy.pxi: the slope is told from the result
FROM_RESULT = {"relu": 0, "relu6": 0, "sigmoid": OF_Y, "tanh": OF_Y}  # what that adds to the number of an activation


def bounds(plan: TrainingBuilder, node: Node) -> tuple[float, float]:
    """Those of a clip, the gradient of what lies strictly between them passes.

    The operation `clip` lets it pass at the bounds too: they lie one number further out.
    """
    fields = ACTIVATIONS[node.op](node.attributes)
    low, high = fields["low"], fields["high"]
    if node.op != "clip":
        return low, high
    number = plan.dtype.type
    return float(np.nextafter(number(low), number(-np.inf))), float(np.nextafter(number(high), number(np.inf)))


@trains("relu", "relu6", "clip")
def clip(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Nothing to do but to narrow the clip, where x is computed on load."""
    x = node.inputs["x"]
    assert x is not None
    low, high = bounds(plan, node)
    lazy = plan.lazies.get(x)
    if lazy is None or max(low, lazy.low) > min(high, lazy.high):
        yield from stored(plan, node, OPEN | {"low": low, "high": high})
        return
    plan.lazies[node.y] = lazy._replace(low=max(low, lazy.low), high=min(high, lazy.high))
    yield
    plan.gated(node.y)
    plan.pass_on(node.y, x)


@trains("hardswish", "hardsigmoid", "sigmoid", "silu", "tanh", "leaky_relu", "mish")
def activation(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Computed and kept; of a normalised x as that is loaded, both ways."""
    return stored(plan, node, OPEN | ACTIVATIONS[node.op](node.attributes))


def stored(plan: TrainingBuilder, node: Node, fields: dict[str, Any]) -> Iterator[None]:
    """An activation as an operation of its own. fields: how it is called."""
    x = node.inputs["x"]
    assert x is not None
    lazy = operand(plan, x)
    plan.emit(node.y, kind="affine_clip", **whole_map(plan, lazy.raw, lazy.by_plane), **loading(lazy) | fields,
              mode=COPY, reads=read(lazy.raw, lazy.coefficients))
    yield
    if lazy.by_plane:
        back_to_norm(plan, x, node.y, lazy, fields)
        return
    into = plan.into(x)
    if into is None:
        return
    g, kept = plan.gradient(node.y), lazy
    if lazy.coefficients is None and node.op in FROM_RESULT:
        kept = Lazy(plan.whole(node.y))
        fields = fields | {"activation": fields["activation"] + FROM_RESULT[node.op]}
    common = {"kind": "gate_sums", **whole_map(plan, g), **fields, "rows": RUN, "mode": 0, "x": kept.raw, "g": g,
              "px": plan.width, "reads": read(kept.raw, g)}
    if lazy.coefficients is None:
        emit_gradient(plan, into, RUN, None, **common)
    elif into.gate is not None:
        emit_gradient(plan, into, RUN, into.gate, **common)
    else:
        common["reads"] += [lazy.coefficients]
        emit_gradient(plan, into, RUN, None, **common, ga=lazy.coefficients)


def operand(plan: TrainingBuilder, x: Value) -> Lazy:
    """What an activation loads: a value that is clipped besides, or read by others too, is computed first."""
    if x in plan.by_plane and plan.needs_of.readers[x] == 1:
        return plan.by_plane[x]
    lazy = plan.lazy(x)
    return lazy if is_open(lazy) else Lazy(plan.whole(x))
