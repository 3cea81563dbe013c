"""Strips: several layers a few rows at a time (`_kernels/engine/strip.pxi`)."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Graph, Node, Value
from ..layout import Placed, blocks
from ..packing import pack_channels, vector
from ..passes import sole_reader
from .products import Convolution, Job, convolution, first_layer, is_first_layer, job_fields, rows_of
from .rules import last_store

if TYPE_CHECKING:
    from ..plan import Builder

STRIP_ROWS = 4  # output rows of a strip


def find_strips(graph: Graph, width: int, least: int) -> dict[Node, list[Node]]:
    """Runs of nodes whose inner map has at least so many elements, by each of their nodes.

    A first layer or an expansion (there may be none), depthwise, projection; or a first layer and max pooling.  What is
    inside must be seen by nobody else.
    """
    readers, outputs = graph.readers(), set(graph.outputs)
    strips: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        inner = node.inputs.get("x")
        if inner is None or int(np.prod(inner.shape)) < least:
            continue
        before = inner.node
        first = before is not None and before not in strips and sole_reader(inner, readers, outputs) is node
        produces = first and before is not None and (_expands(before) or _is_first(before, graph.inputs))
        if node.op == "max_pool2d" and produces and before is not None and _is_first(before, graph.inputs):
            members = [before, node]
        elif _strip_depthwise(node) and sole_reader(node.y, readers, outputs):
            [project] = readers[node.y]
            if not _strip_product(project) or project.inputs["x"] is not node.y:
                continue
            if before is not None and before.op == "pick":  # each of its maps is convolved as it lies, not gathered
                continue
            members = [*([before] if produces and before is not None else []), node, project]
        else:
            continue
        strips.update(dict.fromkeys(members, members))
    return strips


def _adds(node: Node) -> bool:
    return any(step.op == "add" for step in node.after)


def _strip_depthwise(node: Node) -> bool:
    if node.op != "conv2d" or _adds(node) or node.before:
        return False
    conv = convolution(node)
    (kh, kw), (sh, sw), dilation, _ = conv.window
    return (conv.groups == conv.x.shape[1] == len(conv.w) and kh == kw and kh in (3, 5) and sh == sw and sh in (1, 2)
            and dilation == (1, 1))


def _strip_product(node: Node) -> bool:
    if node.op != "conv2d" or node.before:
        return False
    conv = convolution(node)
    return (conv.w.shape[2:] == (1, 1) and conv.groups == 1 and conv.window.stride == (1, 1)
            and not any(conv.window.pads))


def _expands(node: Node) -> bool:
    return _strip_product(node) and not _adds(node)


def _is_first(node: Node, inputs: list[Value]) -> bool:
    if node.op != "conv2d" or node.before or _adds(node):
        return False
    conv = convolution(node)
    return conv.x in inputs and conv.groups == 1 and is_first_layer(conv)


def strip(plan: Builder, members: list[Node]) -> None:
    """The operation of a strip and those of its members."""
    pooled = members[-1].op == "max_pool2d"
    *producers, consumer = members if pooled else members[:-1]
    reads: list[Any] = []
    jobs: list[Job] = []
    ring = 0
    window = consumer.attributes["window"]
    if producers:
        made = convolution(producers[0])
        jobs = producing(plan, made, reads)
        ring = 1 << ((STRIP_ROWS - 1) * window.stride[0] + window.extent[0] - 1).bit_length()
    else:
        reads.append(plan.whole(consumer.inputs["x"]))
    n, _, oh, ow = consumer.y.shape
    wd, inner, width = consumer.inputs["x"].shape[3], blocks(consumer.y.shape[1], plan.width), plan.width  # type: ignore[union-attr]
    memory = inner * width * ring * wd + (wd * width if pooled else inner * width * STRIP_ROWS * ow)
    store = {} if pooled else last_store(plan, members[-1])
    result = plan.storage(blocks(members[-1].y.shape[1], width) * width * n * oh * ow)
    result.used_by(len(plan.emitted))
    plan.emit_into(plan.scratch(plan.threads * memory), kind="strip", mode=len(jobs) + len(members) - len(producers),
                   kh=len(jobs), k=ring, rows=STRIP_ROWS, n=memory, reads=[*reads, store.get("r")])
    plan.emitted[-1].fields["t"] = plan.emitted[-1].fields.pop("y")
    for job in jobs:
        plan.emit_into(result, **job_fields(plan, made, job), **last_store(plan, producers[0]))
    fields = window_fields(consumer) | {"x": 0 if producers else reads[0], "blocks": inner}
    if pooled:
        plan.emit_into(result, kind="pool", mode=0, **fields)
    else:
        plan.emit_into(result, kind="depthwise", **fields, **depthwise_weights(plan, convolution(consumer)),
                       z=plan.zeros(wd * width), **last_store(plan, consumer))
        plan.emit_into(result, **projection(plan, convolution(members[-1])), **store)
    plan.place(members[-1].y, Placed.whole(members[-1].y.shape, result))


def producing(plan: Builder, conv: Convolution, reads: list[Any]) -> list[Job]:
    """The products that make the inner map, and (into `reads`) what they read."""
    if _is_first(conv.node, plan.graph.inputs):
        return first_layer(conv, plan.given[conv.x], plan.width)
    placed, (n, _, h, wd), width = plan.placed(conv.x), conv.x.shape, plan.width
    reads.append(placed)
    where = rows_of(n, h, wd, width) | {"x": 0, "px": width, "xrow": wd * width, "image_step": h * wd * width, "top": 0,
                                        "left": 0, "oh": h}
    return [Job(lambda: placed.offsets(width)[:, None], where)]


def window_fields(node: Node) -> dict[str, Any]:
    """Sizes of the maps and of the window that moves over them."""
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = node.attributes["window"]
    n, _, oh, ow = node.y.shape
    h, wd = node.inputs["x"].shape[2:]  # type: ignore[union-attr]
    return {"images": n, "h": h, "wd": wd, "oh": oh, "ow": ow, "kh": kh, "kw": kw, "sh": sh, "sw": sw, "dh": dh,
            "dw": dw, "top": top, "left": left}


def depthwise_weights(plan: Builder, conv: Convolution) -> dict[str, Any]:
    """Taps and biases of whole blocks of channels."""
    count = len(conv.w)
    weights = np.zeros((blocks(count, plan.width) * plan.width, conv.w[0].size))
    weights[:count] = conv.w.reshape(count, -1)
    return {"w": plan.constant(pack_channels(weights, plan.width)), "b": plan.constant(vector(conv.b, plan.width))}


def projection(plan: Builder, conv: Convolution) -> dict[str, Any]:
    """The product that reads the depthwise's strip."""
    n, c, oh, ow = conv.x.shape
    width, lanes = plan.width, np.arange(c)
    offsets = lanes // width * STRIP_ROWS * ow * width + lanes % width
    where = rows_of(1, 1, ow, width) | {"px": width, "ys": n * oh * ow * width}
    return job_fields(plan, conv, Job(lambda: offsets[:, None], where))
