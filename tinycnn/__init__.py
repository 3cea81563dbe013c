"""tinycnn: a convolutional-network engine from scratch, small enough to read."""
from . import ops as functional
from . import optim
from ._kernels import get_num_threads, set_num_threads
from .autograd import gradcheck, no_grad
from .random import manual_seed
from .tensor import Tensor

__version__ = "0.1.0"
__all__ = ["Tensor", "functional", "get_num_threads", "gradcheck", "manual_seed", "no_grad", "optim", "set_num_threads"]
