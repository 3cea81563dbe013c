"""Losses as operations, forward beside backward: part of `tinycnn.functional`; `tinycnn.losses` has them as modules."""
from .boxes import complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss, iou_loss
from .classification import cross_entropy

__all__ = ["complete_box_iou_loss", "cross_entropy", "distance_box_iou_loss", "generalized_box_iou_loss", "iou_loss"]
