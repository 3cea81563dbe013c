"""Strips: expand, depthwise and project a few rows at a time (`_kernels/engine/strip.pxi`)."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..graph import Graph, Node
from ..layout import Placed, blocks
from ..packing import pack_channels, vector
from ..passes import sole_reader
from .products import convolution, product_fields, rows_of
from .rules import last_store

if TYPE_CHECKING:
    from ..plan import Builder

STRIP_ROWS = 4  # output rows of a strip


def find_strips(graph: Graph, width: int, least: int) -> dict[Node, list[Node]]:
    """Runs of expand (there may be none), depthwise and project whose inner map has at least so many elements.

    By each of their nodes; what is inside must be seen by nobody else.
    """
    readers, outputs = graph.readers(), set(graph.outputs)
    strips: dict[Node, list[Node]] = {}
    for d in graph.nodes:
        if not _strip_depthwise(d) or not sole_reader(d.y, readers, outputs):
            continue
        [project] = readers[d.y]
        if not _strip_product(project) or project.inputs["x"] is not d.y:
            continue
        inner = convolution(d).x
        expand = inner.node
        expands = (expand is not None and expand not in strips and _strip_product(expand) and not adds(expand)
                   and sole_reader(inner, readers, outputs) is d)
        if int(np.prod(inner.shape)) >= least:
            members = [*([expand] if expand is not None and expands else []), d, project]
            strips.update(dict.fromkeys(members, members))
    return strips


def adds(node: Node) -> bool:
    """Whether a residual is added in the node's last store."""
    return any(step.op == "add" for step in node.after)


def _strip_depthwise(node: Node) -> bool:
    if node.op != "conv2d" or adds(node) or node.before:
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


def strip(plan: Builder, members: list[Node]) -> None:
    """The operation of a strip and those of its members."""
    *expand, d, project = [convolution(node) for node in members]
    width, (n, c, h, wd), (oh, ow) = plan.width, d.x.shape, d.node.y.shape[2:]
    (k, _), (s, _), _, (top, left, _, _) = d.window
    rows, inner, o = STRIP_ROWS, blocks(c, width), len(project.w)
    ring = 1 << ((rows - 1) * s + k - 1).bit_length() if expand else 0
    placed = plan.placed(expand[0].x) if expand else plan.whole(d.x)
    memory = inner * width * (ring * wd + rows * ow)
    store = last_store(plan, project.node)
    result = plan.storage(blocks(o, width) * width * n * oh * ow)
    result.used_by(len(plan.emitted))
    plan.emit_into(plan.scratch(plan.threads * memory), kind="strip", mode=len(members), k=ring, rows=rows, n=memory,
                   reads=[placed, store.get("r")])
    plan.emitted[-1].fields["t"] = plan.emitted[-1].fields.pop("y")
    if expand:
        plan.emit_into(result, **product_fields(plan, expand[0].w.reshape(c, -1), expand[0].b), x=0, px=width,
                       off=plan.table(lambda: placed.offsets(width)), **rows_of(1, 1, wd, width),
                       **last_store(plan, expand[0].node))
    weights = np.zeros((inner * width, k * k))
    weights[:c] = d.w.reshape(c, -1)
    plan.emit_into(result, kind="depthwise", x=0 if expand else placed, images=n, blocks=inner, h=h, wd=wd, oh=oh,
                   ow=ow, kh=k, kw=k, sh=s, sw=s, dh=1, dw=1, top=top, left=left, z=plan.zeros(wd * width),
                   w=plan.constant(pack_channels(weights, width)), b=plan.constant(vector(d.b, width)),
                   **last_store(plan, d.node))
    lanes, step = np.arange(c), rows * ow * width
    plan.emit_into(result, **product_fields(plan, project.w.reshape(o, -1), project.b), **rows_of(1, 1, ow, width),
                   px=width, ys=n * oh * ow * width, **store,
                   off=plan.table(lambda: lanes // width * step + lanes % width))
    plan.place(project.node.y, Placed.whole(project.node.y.shape, result))
