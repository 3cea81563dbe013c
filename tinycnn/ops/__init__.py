"""Every operation, forward beside backward, then the call that users make: `tinycnn.functional`."""
from .activation import hardsigmoid, hardswish, relu, relu6, sigmoid, silu, tanh
from .arithmetic import maximum, minimum, where
from .boxes import best_iou, box_area, box_iou, complete_box_iou, distance_box_iou, generalized_box_iou
from .conv import conv2d
from .dropout import dropout
from .linear import linear, matmul
from .losses import (
    complete_box_iou_loss,
    cross_entropy,
    ctc_loss,
    distance_box_iou_loss,
    distribution_focal_loss,
    generalized_box_iou_loss,
    hard_negatives,
    integral,
    iou_loss,
    one_hot_max,
    quality_focal_loss,
)
from .norm import batch_norm
from .pool import adaptive_avg_pool2d, avg_pool2d, global_avg_pool2d, max_pool2d
from .shape import chunk, concat, pad, split, stack
from .softmax import log_softmax, softmax
from .structure import channel_shuffle

__all__ = [
    "adaptive_avg_pool2d", "avg_pool2d", "batch_norm", "best_iou", "box_area", "box_iou", "channel_shuffle",
    "chunk", "complete_box_iou", "complete_box_iou_loss", "concat", "conv2d", "cross_entropy", "ctc_loss",
    "distance_box_iou", "distance_box_iou_loss", "distribution_focal_loss", "dropout", "generalized_box_iou",
    "generalized_box_iou_loss", "global_avg_pool2d", "hard_negatives", "hardsigmoid", "hardswish", "integral",
    "iou_loss", "linear", "log_softmax", "matmul", "max_pool2d", "maximum", "minimum", "one_hot_max", "pad",
    "quality_focal_loss", "relu", "relu6", "sigmoid", "silu", "softmax", "split", "stack", "tanh", "where",
]
