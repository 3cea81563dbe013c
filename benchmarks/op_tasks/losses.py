"""Losses, at the sizes at which classifiers, detectors and readers of text end."""
from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from tinycnn import functional as F

from .frame import Task, group, integers, normal, uniform
from .torchvision import ops

T = torch.nn.functional


@group("losses of classes")
def classes() -> Iterator[Task]:
    for n, c in ((16, 1000), (64, 10), (256, 1000), (8732, 21)):  # the last: SSD's boxes
        x, y = normal(n, c), integers(n, high=c)
        yield Task("cross_entropy", lambda x, y: F.cross_entropy(x, y), T.cross_entropy, [x, y])
        yield Task("cross_entropy smoothed", lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1),
                   lambda x, y: T.cross_entropy(x, y, label_smoothing=0.1), [x, y])
        yield Task("nll_loss", lambda x, y: F.nll_loss(F.log_softmax(x, 1), y),
                   lambda x, y: T.nll_loss(torch.log_softmax(x, 1), y), [x, y])
        yield Task("kl_div", lambda x, q: F.kl_div(F.log_softmax(x, 1), q, reduction="batchmean"),
                   lambda x, q: T.kl_div(torch.log_softmax(x, 1), q, reduction="batchmean"),
                   [x, np.full((n, c), 1 / c, np.float32)])


@group("losses of pairs")
def pairs() -> Iterator[Task]:
    for shape in ((64, 80), (64, 4), (8732, 4), (4, 80, 40, 40), (2, 3, 160, 160)):
        x, y, p = normal(*shape), normal(*shape, seed=1), (uniform(*shape) < 0.1).astype(np.float32)
        for name in ("l1_loss", "mse_loss", "smooth_l1_loss", "huber_loss"):
            yield Task(name, lambda x, y, name=name: getattr(F, name)(x, y), getattr(T, name), [x, y])
        yield Task("bce with logits", lambda x, y: F.binary_cross_entropy_with_logits(x, y),
                   T.binary_cross_entropy_with_logits, [x, p])
        yield Task("sigmoid_focal_loss", lambda x, y: F.sigmoid_focal_loss(x, y, reduction="mean"),
                   lambda x, y: ops().sigmoid_focal_loss(x, y, reduction="mean"), [x, p])
        yield Task("quality_focal_loss", lambda x, y: F.quality_focal_loss(x, y), quality_focal_loss,
                   [x, uniform(*shape, seed=2)])
    for n in (64, 4 * 8400):
        yield Task("distribution_focal_loss", lambda x, y: F.distribution_focal_loss(x, y), distribution_focal_loss,
                   [normal(n, 17), uniform(n, high=15.99)])


def quality_focal_loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Li et al., "Generalized focal loss", 2020, equation 5, composed."""
    return ((y - x.sigmoid()).abs() ** 2 * T.binary_cross_entropy_with_logits(x, y, reduction="none")).mean()


def distribution_focal_loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The same, equation 6."""
    left = y.long()
    upper = y - left
    return ((1 - upper) * T.cross_entropy(x, left, reduction="none")
            + upper * T.cross_entropy(x, left + 1, reduction="none")).mean()


@group("losses of embeddings")
def embeddings() -> Iterator[Task]:
    for n, c in ((32, 128), (512, 512)):
        a, b, d = (normal(n, c, seed=i) for i in range(3))
        sign = np.where(integers(n, high=2) > 0, 1, -1)
        yield Task("triplet_margin_loss", lambda a, b, d: F.triplet_margin_loss(a, b, d), T.triplet_margin_loss,
                   [a, b, d], (0, 1, 2))
        yield Task("cosine_embedding_loss", lambda a, b, s: F.cosine_embedding_loss(a, b, s),
                   T.cosine_embedding_loss, [a, b, sign], (0, 1))


@group("CTC")
def ctc() -> Iterator[Task]:
    for t, n, c, s in ((26, 4, 37, 8), (26, 64, 37, 12), (80, 16, 5000, 20)):
        targets, frames, labels = integers(n, s, low=1, high=c), np.full(n, t), np.full(n, s)
        yield Task(f"ctc_loss of {s} labels", lambda x, *rest: F.ctc_loss(F.log_softmax(x, 2), *rest),
                   lambda x, *rest: T.ctc_loss(torch.log_softmax(x, 2), *rest),
                   [normal(t, n, c), targets, frames, labels])
