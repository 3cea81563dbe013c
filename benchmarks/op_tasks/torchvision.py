"""torchvision's operations, also beside a torch that its compiled ones were not built for."""
from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from torchvision_oracle import import_torchvision

from .frame import Missing


@cache
def ops() -> Any:
    """torchvision.ops: what of it is written in Python runs everywhere."""
    import torch

    threads = torch.get_num_threads()
    module = import_torchvision().ops
    torch.set_num_threads(threads)
    return module


@cache
def compiled_ops() -> Any:
    """torchvision.ops, if its compiled operators load: what stands in for them is no rival."""
    module = ops()
    if not sys.modules["torchvision"].extension._has_ops():
        raise Missing("torchvision's compiled operators")
    return module
