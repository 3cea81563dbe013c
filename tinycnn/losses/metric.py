"""Losses that pull embeddings together or apart."""
from __future__ import annotations

from .. import ops as F
from .base import Loss


class ContrastiveLoss(Loss):
    """Of pairs; label 0 is the same, 1 different: see `functional.contrastive_loss`.

    >>> import numpy as np
    >>> ContrastiveLoss()(np.zeros((1, 2)), np.array([[0.0, 0.5]]), np.array([1])).item()
    0.125
    """

    function = staticmethod(F.contrastive_loss)
    shown = ("margin", "reduction")

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        self.margin, self.reduction = margin, reduction


class TripletMarginLoss(Loss):
    """Of triplets: see `functional.triplet_margin_loss`.

    >>> import numpy as np
    >>> round(TripletMarginLoss()(np.zeros((1, 1)), np.ones((1, 1)), np.ones((1, 1))).item(), 4)
    1.0
    """

    function = staticmethod(F.triplet_margin_loss)
    shown = ("margin", "p", "eps", "swap", "reduction")

    def __init__(self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, reduction: str =
                 "mean") -> None:
        self.margin, self.p, self.eps, self.swap, self.reduction = margin, p, eps, swap, reduction


class SquaredTripletLoss(Loss):
    """Of triplets, squared as FaceNet has it: see `functional.squared_triplet_loss`.

    >>> import numpy as np
    >>> round(SquaredTripletLoss()(np.zeros((1, 1)), np.ones((1, 1)), np.ones((1, 1))).item(), 4)
    0.2
    """

    function = staticmethod(F.squared_triplet_loss)
    shown = ("margin", "reduction")

    def __init__(self, margin: float = 0.2, reduction: str = "mean") -> None:
        self.margin, self.reduction = margin, reduction


class BatchHardTripletLoss(Loss):
    """Of the hardest triplets of a batch: see `functional.batch_hard_triplet_loss`.

    >>> import numpy as np
    >>> BatchHardTripletLoss()(np.array([[0.0], [2.0], [1.0]]), np.array([0, 0, 1])).item()
    1.2
    """

    function = staticmethod(F.batch_hard_triplet_loss)
    shown = ("margin", "soft_margin", "reduction")

    def __init__(self, margin: float = 0.2, soft_margin: bool = False, reduction: str = "mean") -> None:
        self.margin, self.soft_margin, self.reduction = margin, soft_margin, reduction


class SemiHardTripletLoss(Loss):
    """Of the semi-hard triplets of a batch: see `functional.semi_hard_triplet_loss`.

    >>> import numpy as np
    >>> round(SemiHardTripletLoss(0.5)(np.array([[0.0], [1.0], [1.1]]), np.array([0, 0, 1])).item(), 4)
    0.29
    """

    function = staticmethod(F.semi_hard_triplet_loss)
    shown = ("margin", "reduction")

    def __init__(self, margin: float = 0.2, reduction: str = "mean") -> None:
        self.margin, self.reduction = margin, reduction


class MarginRankingLoss(Loss):
    """Which of two should be larger: see `functional.margin_ranking_loss`.

    >>> import numpy as np
    >>> MarginRankingLoss()(np.array([0.0]), np.array([3.0]), np.array([1.0])).item()
    3.0
    """

    function = staticmethod(F.margin_ranking_loss)
    shown = ("margin", "reduction")

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        self.margin, self.reduction = margin, reduction


class CosineEmbeddingLoss(Loss):
    """Of the angle between pairs: see `functional.cosine_embedding_loss`.

    >>> import numpy as np
    >>> CosineEmbeddingLoss()(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]]), np.array([1.0])).item()
    1.0
    """

    function = staticmethod(F.cosine_embedding_loss)
    shown = ("margin", "reduction")

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        self.margin, self.reduction = margin, reduction
