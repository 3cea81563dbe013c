"""Losses as modules: what training makes small."""
from .auxiliary import AuxiliaryLoss
from .binary import BCELoss, BCEWithLogitsLoss, HingeLoss, KLDivLoss, SigmoidFocalLoss
from .center import CenterLoss
from .classification import CrossEntropyLoss, FocalLoss, MultiMarginLoss, NLLLoss
from .dense import FCOSLoss, RetinaNetLoss
from .gfl import DistributionFocalLoss, QualityFocalLoss
from .metric import (
    BatchHardTripletLoss,
    ContrastiveLoss,
    CosineEmbeddingLoss,
    MarginRankingLoss,
    SemiHardTripletLoss,
    SquaredTripletLoss,
    TripletMarginLoss,
)
from .multibox import MultiBoxLoss
from .regression import HuberLoss, L1Loss, MSELoss, SmoothL1Loss, SSELoss, WingLoss
from .sequence import CTCLoss
from .word_tree import WordTree
from .yolo import YOLOv2Loss, YOLOv3Loss, YOLOv4Loss
from .yolo9000 import YOLO9000Loss
from .yolo_v1 import YOLOv1Loss

__all__ = [
    "AuxiliaryLoss", "BCELoss", "BCEWithLogitsLoss", "BatchHardTripletLoss", "CTCLoss", "CenterLoss",
    "ContrastiveLoss", "CosineEmbeddingLoss", "CrossEntropyLoss", "DistributionFocalLoss", "FCOSLoss", "FocalLoss",
    "HingeLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "MarginRankingLoss", "MultiBoxLoss", "MultiMarginLoss",
    "NLLLoss", "QualityFocalLoss", "RetinaNetLoss", "SSELoss", "SemiHardTripletLoss", "SigmoidFocalLoss",
    "SmoothL1Loss", "SquaredTripletLoss", "TripletMarginLoss", "WingLoss", "WordTree", "YOLO9000Loss", "YOLOv1Loss",
    "YOLOv2Loss", "YOLOv3Loss", "YOLOv4Loss",
]
