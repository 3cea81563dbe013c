"""tinycnn: a convolutional-network engine from scratch, small enough to read."""
from . import ops as functional
from ._kernels import get_num_threads, set_num_threads
from .autograd import gradcheck, no_grad
from .tensor import Tensor
from .versions import __version__, show_versions

__all__ = ["Tensor", "__version__", "functional", "get_num_threads", "gradcheck", "no_grad", "set_num_threads",
           "show_versions"]
