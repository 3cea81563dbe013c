"""Losses as operations, forward beside backward: part of `tinycnn.functional`; `tinycnn.losses` has them as modules."""
from .binary import binary_cross_entropy, binary_cross_entropy_with_logits, hinge_loss, sigmoid_focal_loss
from .boxes import complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss, iou_loss
from .center import center_loss, center_update
from .classification import cross_entropy, nll_loss
from .ctc import ctc_loss
from .divergence import kl_div
from .gfl import distribution_focal_loss, integral, quality_focal_loss
from .margin import focal_loss, multi_margin_loss
from .metric import (
    contrastive_loss,
    cosine_embedding_loss,
    margin_ranking_loss,
    squared_triplet_loss,
    triplet_margin_loss,
)
from .mining import (
    batch_hard_triplet_loss,
    batch_hard_triplets,
    distance_matrix,
    semi_hard_triplet_loss,
    semi_hard_triplets,
)
from .regression import huber_loss, l1_loss, mse_loss, smooth_l1_loss, sse_loss, wing_loss
from .selection import hard_negatives, one_hot_max

__all__ = [
    "batch_hard_triplet_loss", "batch_hard_triplets", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "center_loss", "center_update", "complete_box_iou_loss", "contrastive_loss", "cosine_embedding_loss",
    "cross_entropy", "ctc_loss", "distance_box_iou_loss", "distance_matrix", "distribution_focal_loss", "focal_loss",
    "generalized_box_iou_loss", "hard_negatives", "hinge_loss", "huber_loss", "integral", "iou_loss", "kl_div",
    "l1_loss", "margin_ranking_loss", "mse_loss", "multi_margin_loss", "nll_loss", "one_hot_max", "quality_focal_loss",
    "semi_hard_triplet_loss", "semi_hard_triplets", "sigmoid_focal_loss", "smooth_l1_loss", "squared_triplet_loss",
    "sse_loss", "triplet_margin_loss", "wing_loss",
]
