"""What `ops.py` times: a file for each family of operations, each task one operation at one size."""
from . import boxes, dense, losses, optimisers, recurrent
from .frame import GROUPS, Missing, Task

__all__ = ["GROUPS", "Missing", "Task", "boxes", "dense", "losses", "optimisers", "recurrent"]
