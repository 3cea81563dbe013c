"""Every operation, forward beside backward, then the call that users make: `tinycnn.functional`."""
from .activation import relu
from .arithmetic import maximum, minimum, where
from .conv import conv2d
from .linear import linear, matmul
from .shape import chunk, concat, pad, split, stack

__all__ = ["chunk", "concat", "conv2d", "linear", "matmul", "maximum", "minimum", "pad", "relu", "split", "stack",
           "where"]
