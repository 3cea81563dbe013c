"""tinycnn: a convolutional-network engine from scratch, small enough to read."""
from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import ops as functional
from ._kernels import get_num_threads, set_num_threads
from .autograd import gradcheck, no_grad
from .random import manual_seed
from .serialize import load, save
from .tensor import Tensor
from .versions import __version__, show_versions

if TYPE_CHECKING:
    from . import analysis, data, detection, engine, losses, models, nn, optim, training
    from .analysis import summary
    from .engine import compile, load_compiled
    from .engine.trace import trace
    from .engine.training import compile_training_step

__all__ = ["Tensor", "__version__", "analysis", "compile", "compile_training_step", "data", "detection", "engine",
           "functional", "get_num_threads", "gradcheck", "load", "load_compiled", "losses", "manual_seed", "models",
           "nn", "no_grad", "optim", "save", "set_num_threads", "show_versions", "summary", "trace", "training"]
READERS = {"compile": "engine", "load_compiled": "engine", "trace": "engine", "summary": "analysis",
           "compile_training_step": "engine.training"}


def __getattr__(name: str) -> Any:
    """`tinycnn.models` and its like are imported when they are first asked for: `import tinycnn` stays quick."""
    if name in READERS:
        return getattr(import_module(f"{__name__}.{READERS[name]}"), name)
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
