"""Every operation, forward beside backward, then the call that users make: `tinycnn.functional`."""
from .activation import hardsigmoid, hardswish, relu, relu6, sigmoid, silu, tanh
from .arithmetic import maximum, minimum, where
from .boxes import best_iou, box_area, box_iou, complete_box_iou, distance_box_iou, generalized_box_iou
from .conv import conv2d
from .dropout import dropout
from .linear import linear, matmul
from .losses import *  # noqa: F403
from .losses import __all__ as _losses
from .norm import batch_norm
from .pool import adaptive_avg_pool2d, avg_pool2d, global_avg_pool2d, max_pool2d
from .shape import chunk, concat, pad, split, stack
from .softmax import log_softmax, softmax
from .structure import channel_shuffle

__all__ = [
    "adaptive_avg_pool2d", "avg_pool2d", "batch_norm", "best_iou", "box_area", "box_iou", "channel_shuffle", "chunk",
    "complete_box_iou", "concat", "conv2d", "distance_box_iou", "dropout", "generalized_box_iou", "global_avg_pool2d",
    "hardsigmoid", "hardswish", "linear", "log_softmax", "matmul", "max_pool2d", "maximum", "minimum", "pad", "relu",
    "relu6", "sigmoid", "silu", "softmax", "split", "stack", "tanh", "where",
    *_losses,
]
