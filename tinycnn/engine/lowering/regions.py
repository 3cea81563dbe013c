"""Regions of interest: boxes come with each call, so the kernels look at every coordinate themselves."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Node
from ..layout import Placed, blocks
from .rules import lowers, map_fields, refuse

if TYPE_CHECKING:
    from ..plan import Builder

MOST_BINS = 64  # of an axis, as the kernels have it
LARGEST, MEAN = range(2)  # modes of the kernel roi_pool


def box_fields(plan: Builder, node: Node, placed: Placed, boxes: Placed) -> dict[str, Any]:
    """What the kernels share."""
    oh, ow = node.attributes["output_size"]
    if max(oh, ow) > MOST_BINS:
        raise refuse(node, f"bins ({oh}, {ow}), expected at most {MOST_BINS} on an axis")
    fields = map_fields(plan, placed, node.y)
    return fields | {"reads": [placed, boxes], "s": boxes, "k": node.y.shape[0],
                     "low": node.attributes["spatial_scale"]}


@lowers("roi_pool")
def roi_pool(plan: Builder, node: Node) -> None:
    """The largest element of each bin."""
    placed, boxes = (plan.whole(node.inputs[name]) for name in ("input", "boxes"))
    plan.emit(node.y, kind="roi_pool", **box_fields(plan, node, placed, boxes), mode=LARGEST)


@lowers("ps_roi_pool")
def ps_roi_pool(plan: Builder, node: Node) -> None:
    """The mean of each bin from channels of its own, which are brought side by side: c (oh ow) + bin for each c."""
    source, boxes = plan.placed(node.inputs["input"]), plan.whole(node.inputs["boxes"])
    n, _, h, w = source.shape
    _, c, oh, ow = node.y.shape
    count = blocks(c, plan.width)
    storage = plan.storage(oh * ow * count * plan.width * n * h * w)
    def offsets() -> np.ndarray:
        table = np.full((oh * ow, count * plan.width), -1)
        table[:, :c] = source.offsets(plan.width).reshape(c, oh * ow).T
        return table.ravel()
    plan.emit_into(storage, kind="gather", blocks=oh * ow * count, images=n, n=h * w, off=plan.table(offsets),
                   reads=[source])
    fields = box_fields(plan, node, source, boxes) | {"x": storage, "reads": [storage, boxes], "blocks": count}
    plan.emit(node.y, kind="roi_pool", **fields, mode=MEAN)


@lowers("roi_align")
def roi_align(plan: Builder, node: Node) -> None:
    """The mean of bilinear samples of each bin."""
    placed, boxes = (plan.whole(node.inputs[name]) for name in ("input", "boxes"))
    fields = box_fields(plan, node, placed, boxes)
    room = fields["wd"] * plan.width + fields["oh"] * fields["h"] + fields["ow"] * fields["wd"]
    plan.emit(node.y, kind="roi_align", **fields, kh=node.attributes["sampling_ratio"],
              mode=int(node.attributes["aligned"]), t=plan.scratch(plan.threads * room))
