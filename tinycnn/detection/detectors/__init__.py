"""The detectors, one file each; `models.create_model` knows them by name."""
from .atss import ATSS
from .fcos import FCOS
from .retinanet import RetinaNet

__all__ = ["ATSS", "FCOS", "RetinaNet"]
