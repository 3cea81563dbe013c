"""Every operation, forward beside backward, then the call that users make: `tinycnn.functional`."""
from .activation import relu
from .arithmetic import maximum, minimum, where
from .conv import conv2d
from .linear import linear, matmul
from .pool import adaptive_avg_pool2d, avg_pool2d, global_avg_pool2d, max_pool2d
from .shape import chunk, concat, pad, split, stack

__all__ = ["adaptive_avg_pool2d", "avg_pool2d", "chunk", "concat", "conv2d", "global_avg_pool2d", "linear", "matmul",
           "max_pool2d", "maximum", "minimum", "pad", "relu", "split", "stack", "where"]
