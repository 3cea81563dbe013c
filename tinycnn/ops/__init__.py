"""Every operation, forward beside backward, then the call that users make: `tinycnn.functional`."""
from .activation import hardsigmoid, hardswish, relu, relu6, sigmoid, silu, tanh
from .arithmetic import maximum, minimum, where
from .conv import conv2d
from .conv_transpose import conv_transpose2d
from .dropout import dropout
from .linear import linear, matmul
from .losses import cross_entropy
from .norm import batch_norm
from .pixels import pixel_shuffle, pixel_unshuffle, space_to_depth
from .pool import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, global_avg_pool2d, max_pool2d
from .resize import interpolate
from .roi import ps_roi_pool, roi_align, roi_pool
from .shape import chunk, concat, pad, split, stack
from .softmax import log_softmax, softmax
from .structure import channel_shuffle, concat_shuffle_split, scale_channels

__all__ = [
    "adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool2d", "batch_norm", "channel_shuffle", "chunk", "concat",
    "concat_shuffle_split", "conv2d", "conv_transpose2d", "cross_entropy", "dropout", "global_avg_pool2d",
    "hardsigmoid", "hardswish", "interpolate", "linear", "log_softmax", "matmul", "max_pool2d", "maximum", "minimum",
    "pad", "pixel_shuffle", "pixel_unshuffle", "ps_roi_pool", "relu", "relu6", "roi_align", "roi_pool",
    "scale_channels", "sigmoid", "silu", "softmax", "space_to_depth", "split", "stack", "tanh", "where",
]
