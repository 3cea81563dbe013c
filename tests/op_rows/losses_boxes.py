"""Rows of losses of boxes, and of what criteria ask about boxes."""
from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from torchvision_oracle import import_torchvision

from op_rows.frame import Example, case
from tinycnn import functional as F


def boxes(draw: Any, *shape: int) -> np.ndarray:
    """Boxes (..., 4) of sides 0.5 to 5, some of which overlap."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    corner = rng.uniform(0, 6, (*shape, 2))
    return np.concatenate([corner, corner + rng.uniform(0.5, 5, (*shape, 2))], -1)


def pairs(draw: Any) -> Example:
    """From one seed: two could be the same, and boxes that coincide have kinks."""
    shape = draw(st.sampled_from([(), (1,), (3,), (17,), (2, 5), (37,)]))
    return Example(tuple(boxes(draw, 2, *shape)),
                   {"reduction": draw(st.sampled_from(["mean", "sum", "none"]))})


def pairs_of_either_kind(draw: Any) -> Example:
    example = pairs(draw)
    return Example(example.inputs, {**example.keywords, "logarithmic": draw(st.booleans())})


def torchvision_loss(name: str) -> Any:
    return lambda _, a, b, reduction: getattr(import_torchvision().ops, name)(a, b, reduction)


def predictions_and_truths(draw: Any) -> Example:
    n, p, m = draw(st.integers(1, 3)), draw(st.sampled_from([1, 5, 33])), draw(st.integers(0, 4))
    return Example((boxes(draw, n, p), boxes(draw, n, m)))


case("iou_loss", F.iou_loss, pairs_of_either_kind)
case("generalized_box_iou_loss", F.generalized_box_iou_loss, pairs, torchvision_loss("generalized_box_iou_loss"))
case("distance_box_iou_loss", F.distance_box_iou_loss, pairs, torchvision_loss("distance_box_iou_loss"))
case("complete_box_iou_loss", F.complete_box_iou_loss, pairs, torchvision_loss("complete_box_iou_loss"), weighted=True)
case("best_iou", lambda boxes, truths: F.best_iou(boxes, truths)*boxes.sum(2), predictions_and_truths, constant=(1,),
     weighted=True)
