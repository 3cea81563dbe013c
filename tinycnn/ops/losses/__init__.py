"""Losses as operations, forward beside backward: part of `tinycnn.functional`; `tinycnn.losses` has them as modules."""
from .boxes import complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss, iou_loss
from .classification import cross_entropy
from .ctc import ctc_loss
from .gfl import distribution_focal_loss, integral, quality_focal_loss
from .mining import hard_negatives, one_hot_max

__all__ = [
    "complete_box_iou_loss", "cross_entropy", "ctc_loss", "distance_box_iou_loss", "distribution_focal_loss",
    "generalized_box_iou_loss", "hard_negatives", "integral", "iou_loss", "one_hot_max", "quality_focal_loss",
]
