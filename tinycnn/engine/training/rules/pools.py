"""Pooling, forward and back."""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...graph import Node
from ...layout import blocks
from ...lowering import RULES
from ...lowering.rules import map_fields
from ..values import Lazy, Sums
from .rule import trains

if TYPE_CHECKING:
    from ..builder import TrainingBuilder

LARGEST, MEAN_INSIDE, MEAN_PADDED = 0, 1, 2


@trains("max_pool2d")
def max_pool(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Normalises as it loads, back too, where it looks once more for the first of the largest."""
    x = plan.lazy(node.inputs["x"])
    fields = map_fields(plan, x.raw, node.y) | window_fields(node) | on_load(x)
    plan.emit(node.y, kind="pool", mode=LARGEST, t=plan.scratch(plan.threads * fields["wd"] * plan.width), **fields)
    y = plan.whole(node.y)
    yield
    send_back(plan, node, mode=LARGEST, r=y, **fields)


@trains("avg_pool2d")
def avg_pool(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """Each element of a window gets its share."""
    RULES[node.op](plan, node)
    yield
    mode = MEAN_PADDED if node.attributes["count_include_pad"] else MEAN_INSIDE
    send_back(plan, node, mode=mode, reads=[], **window_fields(node))


@trains("adaptive_avg_pool2d")
def adaptive_mean(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """The same, for parts of a map, or one."""
    RULES[node.op](plan, node)
    yield
    send_back(plan, node, mode=MEAN_INSIDE, reads=[], kh=0)


@trains("adaptive_max_pool2d")
def adaptive_max(plan: TrainingBuilder, node: Node) -> Iterator[None]:
    """To the first of the largest of each part."""
    RULES[node.op](plan, node)
    x, y = plan.whole(node.inputs["x"]), plan.whole(node.y)
    yield
    send_back(plan, node, mode=LARGEST, kh=0, x=x, r=y, reads=[x])


def window_fields(node: Node) -> dict[str, Any]:
    """The fields of a window."""
    (kh, kw), (sh, sw), (dh, dw), (top, left, bottom, right) = node.attributes["window"]
    return {"kh": kh, "kw": kw, "sh": sh, "sw": sw, "dh": dh, "dw": dw, "top": top, "left": left, "n": bottom,
            "px": right}


def on_load(x: Lazy) -> dict[str, Any]:
    """The fields of an operation that normalises and clips what it loads."""
    if x.coefficients is None:
        return {}
    return {"a": x.coefficients, "low": x.low, "high": x.high, "reads": [x.raw, x.coefficients]}


def send_back(plan: TrainingBuilder, node: Node, reads: list[Any], **fields: Any) -> None:
    """The gradient of the input; gated where that is the last contribution to what batch normalisation left."""
    x = node.inputs["x"]
    into = plan.into(x)
    if into is None or x is None:
        return
    g, sums = plan.gradient(node.y), None
    n, c, h, w = x.shape
    fields |= {"g": g, "images": n, "blocks": blocks(c, plan.width), "h": h, "wd": w, "oh": node.y.shape[2],
               "ow": node.y.shape[3]}
    reads = [*reads, g, fields.get("r")]
    if into.add is not None:
        fields["add"] = into.add
        reads.append(into.add)
    if into.gate is not None:
        sums = Sums(plan.storage(2 * n * fields["blocks"] * plan.width), n, h * w)
        fields |= {"x": into.gate.raw, "ga": into.gate.coefficients, "low": into.gate.low, "high": into.gate.high,
                   "sums": sums.storage}
        reads += [into.gate.raw, into.gate.coefficients, sums.storage]
    plan.emit_into(into.y, kind="pool_gradient", reads=reads, **fields)
    into.done(sums)
