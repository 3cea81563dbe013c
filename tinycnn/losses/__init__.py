"""Losses as modules: what training makes small."""
from .binary import BCELoss, BCEWithLogitsLoss, HingeLoss, KLDivLoss, SigmoidFocalLoss
from .center import CenterLoss
from .classification import CrossEntropyLoss, FocalLoss, MultiMarginLoss, NLLLoss
from .metric import (
    BatchHardTripletLoss,
    ContrastiveLoss,
    CosineEmbeddingLoss,
    MarginRankingLoss,
    SemiHardTripletLoss,
    SquaredTripletLoss,
    TripletMarginLoss,
)
from .regression import HuberLoss, L1Loss, MSELoss, SmoothL1Loss, SSELoss, WingLoss

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "BatchHardTripletLoss", "CenterLoss", "ContrastiveLoss", "CosineEmbeddingLoss",
    "CrossEntropyLoss", "FocalLoss", "HingeLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "MarginRankingLoss",
    "MultiMarginLoss", "NLLLoss", "SSELoss", "SemiHardTripletLoss", "SigmoidFocalLoss", "SmoothL1Loss",
    "SquaredTripletLoss", "TripletMarginLoss", "WingLoss",
]
