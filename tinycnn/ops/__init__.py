"""Every operation, forward beside backward, then the call that users make: `tinycnn.functional`."""
from .activation import hardsigmoid, hardswish, leaky_relu, mish, prelu, relu, relu6, sigmoid, silu, tanh
from .arithmetic import maximum, minimum, where
from .attention import masked_softmax, scaled_dot_product_attention
from .boxes import best_iou, box_area, box_iou, complete_box_iou, distance_box_iou, generalized_box_iou
from .channel_norm import l2_norm, local_response_norm, normalize
from .conv import conv2d
from .conv_transpose import conv_transpose2d
from .dropout import drop_connect, drop_path, dropout, dropout2d, stochastic_depth
from .linear import linear, matmul
from .losses import *  # noqa: F403
from .losses import __all__ as _losses
from .norm import batch_norm
from .pixels import pixel_shuffle, pixel_unshuffle, space_to_depth
from .pool import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, global_avg_pool2d, max_pool2d
from .recurrent import gru, lstm
from .resize import interpolate
from .roi import ps_roi_pool, roi_align, roi_pool
from .row_norm import group_norm, instance_norm, layer_norm
from .shape import chunk, concat, pad, split, stack
from .softmax import log_softmax, softmax
from .structure import channel_shuffle, concat_shuffle_split, scale_channels
from .switchable_norm import switchable_norm
from .tree import tree_log_softmax

__all__ = [
    "adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool2d", "batch_norm", "best_iou", "box_area", "box_iou",
    "channel_shuffle", "chunk", "complete_box_iou", "concat", "concat_shuffle_split", "conv2d", "conv_transpose2d",
    "distance_box_iou", "drop_connect", "drop_path", "dropout", "dropout2d", "generalized_box_iou",
    "global_avg_pool2d", "group_norm", "gru", "hardsigmoid", "hardswish", "instance_norm", "interpolate", "l2_norm",
    "layer_norm", "leaky_relu", "linear", "local_response_norm", "log_softmax", "lstm", "masked_softmax", "matmul",
    "max_pool2d", "maximum", "minimum", "mish", "normalize", "pad", "pixel_shuffle", "pixel_unshuffle", "prelu",
    "ps_roi_pool", "relu", "relu6", "roi_align", "roi_pool", "scale_channels", "scaled_dot_product_attention",
    "sigmoid", "silu", "softmax", "space_to_depth", "split", "stack", "stochastic_depth", "switchable_norm", "tanh",
    "tree_log_softmax", "where",
    *_losses,
]
