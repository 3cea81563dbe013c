"""Every operation, forward beside backward, then the call that users make: `tinycnn.functional`."""
from .activation import hardsigmoid, hardswish, relu, relu6, sigmoid, silu, tanh
from .arithmetic import maximum, minimum, where
from .dropout import dropout
from .loss import cross_entropy, log_softmax, softmax
from .norm import batch_norm
from .shape import chunk, concat, pad, split, stack
from .structure import channel_shuffle

__all__ = [
    "batch_norm", "channel_shuffle", "chunk", "concat", "cross_entropy", "dropout", "hardsigmoid", "hardswish",
    "log_softmax", "maximum", "minimum", "pad", "relu", "relu6", "sigmoid", "silu", "softmax", "split", "stack", "tanh",
    "where",
]
