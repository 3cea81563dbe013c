"""torchvision and timm as oracles, beside a torch that has no CUDA.

torchvision's compiled operators need the torch they were built with.  Where they do not load, importing torchvision
fails, because it looks two of them up; declared by name, without an implementation, they let its networks be built.
"""
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

_DECLARED = []  # torch forgets a declaration with the object that made it
_BOXES = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def import_torchvision():
    """torchvision, or a skip that says what is missing."""
    torch = pytest.importorskip("torch", reason="torch is not installed: networks are not compared")
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        pytest.skip("torchvision is not installed: networks are not compared")
    if "torchvision" not in sys.modules and not _operators_load(torch, Path(spec.origin)):
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms" + _BOXES)
        library.define("qnms" + _BOXES)
        _DECLARED.append(library)
    import torchvision

    torch.set_num_threads(1)  # its threads and ours would wait for each other's processors
    return torchvision


def import_timm():
    """timm, or a skip that says what is missing."""
    import_torchvision()  # timm imports it
    return pytest.importorskip("timm", reason="timm is not installed: its networks are not compared")


def _operators_load(torch, origin):
    try:
        torch.ops.load_library(origin.with_name("_C.so"))
    except OSError:
        return False
    return True
