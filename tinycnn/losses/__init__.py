"""Losses as modules: what training makes small."""
from .classification import CrossEntropyLoss
from .gfl import DistributionFocalLoss, QualityFocalLoss
from .multibox import MultiBoxLoss
from .sequence import CTCLoss
from .yolo import YOLOv2Loss, YOLOv3Loss, YOLOv4Loss
from .yolo_v1 import YOLOv1Loss

__all__ = [
    "CTCLoss", "CrossEntropyLoss", "DistributionFocalLoss", "MultiBoxLoss", "QualityFocalLoss", "YOLOv1Loss",
    "YOLOv2Loss", "YOLOv3Loss", "YOLOv4Loss",
]
