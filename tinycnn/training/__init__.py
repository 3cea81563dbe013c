"""Training: the loop, what it writes down, and how it goes on after it was stopped."""
from .checkpoint import Checkpoint
from .evaluate import accuracy
from .fit import fit
from .log import CSVLog, read_log
from .steps import eager_step

__all__ = ["CSVLog", "Checkpoint", "accuracy", "eager_step", "fit", "read_log"]
