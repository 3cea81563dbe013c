"""tinycnn: a convolutional-network engine from scratch, small enough to read."""
from . import data, losses, models, nn, optim, training
from . import ops as functional
from ._kernels import get_num_threads, set_num_threads
from .autograd import gradcheck, no_grad
from .random import manual_seed
from .serialize import load, save
from .tensor import Tensor
from .versions import __version__, show_versions

__all__ = ["Tensor", "__version__", "data", "functional", "get_num_threads", "gradcheck", "load", "losses",
           "manual_seed", "models", "nn", "no_grad", "optim", "save", "set_num_threads", "show_versions", "training"]
