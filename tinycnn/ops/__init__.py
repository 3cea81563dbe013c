"""Every operation, forward beside backward, then the call that users make: `tinycnn.functional`."""
from .activation import relu
from .arithmetic import maximum, minimum, where
from .shape import chunk, concat, pad, split, stack

__all__ = ["chunk", "concat", "maximum", "minimum", "pad", "relu", "split", "stack", "where"]
