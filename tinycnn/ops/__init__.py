"""Every operation, forward beside backward, then the call that users make: `tinycnn.functional`."""
from .activation import hardsigmoid, hardswish, relu, relu6, sigmoid, silu, tanh
from .arithmetic import maximum, minimum, where
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
    "adaptive_avg_pool2d", "avg_pool2d", "batch_norm", "channel_shuffle", "chunk", "concat", "conv2d",
    "dropout", "global_avg_pool2d", "hardsigmoid", "hardswish", "linear", "log_softmax", "matmul", "max_pool2d",
    "maximum", "minimum", "pad", "relu", "relu6", "sigmoid", "silu", "softmax", "split", "stack", "tanh", "where",
    *_losses,
]
