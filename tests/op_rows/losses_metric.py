"""Rows of losses of embeddings."""
from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from op_rows.frame import Example, away, case, normal
from op_rows.losses_regression import REDUCTIONS
from tinycnn import functional as F


def embeddings(draw: Any, least: int = 1) -> np.ndarray:
    return normal(draw, draw(st.integers(least, 7)), draw(st.integers(1, 37)))


def paired(draw: Any) -> Example:
    """Pairs whose distance is neither 0 nor the margin."""
    x1 = embeddings(draw)
    step = normal(draw, *x1.shape)
    step *= (away(np.abs(normal(draw, len(x1))) + 0.1, 1.0) / np.sqrt((step * step).sum(1)))[:, None]
    label = np.array(draw(st.lists(st.integers(0, 1), min_size=len(x1), max_size=len(x1))))
    return Example((x1, x1 + step, label), {"margin": 1.0, "reduction": draw(REDUCTIONS)})


def torch_contrastive(torch, x1, x2, label, margin, reduction):
    d = (x1 - x2).norm(dim=1)
    losses = torch.where(label == 0, d * d, (margin - d).clamp(min=0) ** 2) / 2
    return losses if reduction == "none" else getattr(losses, reduction)()


def triplets(draw: Any) -> Example:
    """Triplets with distances of their own, away from the margin."""
    anchor = embeddings(draw)
    positive, negative = anchor + normal(draw, *anchor.shape), anchor + normal(draw, *anchor.shape, scale=2)
    return Example((anchor, positive, negative),
                   {"margin": 1.0123, "p": draw(st.sampled_from([2.0, 2.0, 3.0, 1.5])), "swap": draw(st.booleans()),
                    "reduction": draw(REDUCTIONS)})


def squared_triplets(draw: Any) -> Example:
    example = triplets(draw)
    return Example(example.inputs, {"margin": 0.987, "reduction": example.keywords["reduction"]})


def torch_squared(torch, a, p, n, margin, reduction):
    losses = (((a - p) ** 2).sum(1) - ((a - n) ** 2).sum(1) + margin).clamp(min=0)
    return losses if reduction == "none" else getattr(losses, reduction)()


def ranking(draw: Any) -> Example:
    x = normal(draw, draw(st.integers(1, 20)))
    y = np.where(normal(draw, *x.shape) > 0, 1.0, -1.0)
    return Example((x, x - y * away(normal(draw, *x.shape), 0.4), y), {"margin": 0.4, "reduction": draw(REDUCTIONS)})


def labelled(draw: Any) -> Example:
    """A batch of several of each class, perhaps of one class alone."""
    x = embeddings(draw, least=2)
    labels = np.array(draw(st.lists(st.integers(-1, 1), min_size=len(x), max_size=len(x))))
    return Example((x, labels), {"margin": 1.0123, "reduction": draw(REDUCTIONS), "soft_margin": draw(st.booleans())})


def semi_hard(draw: Any) -> Example:
    example = labelled(draw)
    return Example(example.inputs, {"margin": 7.0, "reduction": draw(st.sampled_from(["mean", "sum"]))})


def torch_batch_hard(torch, x, labels, margin, reduction, soft_margin):
    """By a loop over the anchors."""
    losses = []
    for i in range(len(x)):
        d = torch.stack([(x[i] - x[j]).norm() if j != i else x[i, 0]*0 for j in range(len(x))])
        same = (labels == labels[i]) & (torch.arange(len(x)) != i)
        if same.any() and (labels != labels[i]).any():
            excess = d[same].max() - d[labels != labels[i]].min()
            losses.append(torch.nn.functional.softplus(excess) if soft_margin else (excess + margin).clamp(min=0))
        elif reduction == "none":
            losses.append(x[i, 0] * 0)
    if not losses:
        return x.sum() * 0
    losses = torch.stack(losses)
    return losses if reduction == "none" else getattr(losses, reduction)()


def torch_semi_hard(torch, x, labels, margin, reduction):
    losses = []
    square = ((x[:, None] - x) ** 2).sum(2)
    for i, j in np.argwhere((labels[:, None] == labels).numpy() & ~np.eye(len(x), dtype=bool)):
        beyond = (labels != labels[i]) & (square[i] > square[i, j]) & (square[i] < square[i, j] + margin)
        if beyond.any():
            losses.append(square[i, j] - square[i][beyond].min() + margin)
    return getattr(torch.stack(losses), reduction)() if losses else x.sum() * 0


def centred(draw: Any) -> Example:
    x, classes = embeddings(draw), draw(st.integers(1, 4))
    target = np.array(draw(st.lists(st.integers(0, classes - 1), min_size=len(x), max_size=len(x))))
    return Example((x, target, normal(draw, classes, x.shape[1])), {"reduction": draw(REDUCTIONS)})


def angled(draw: Any) -> Example:
    """Pairs whose cosine is away from the margin, which no cosine is, on either side."""
    x1 = embeddings(draw)
    x2 = x1 + normal(draw, *x1.shape, scale=0.5)
    y = np.array(draw(st.lists(st.sampled_from([1.0, -1.0]), min_size=len(x1), max_size=len(x1))))
    return Example((x1, x2, y), {"margin": -1.01 if draw(st.booleans()) else 1.01, "reduction": draw(REDUCTIONS)})


def torch_center(torch, x, target, centers, reduction):
    losses = ((x - centers[target]) ** 2).sum(1) / 2
    return losses if reduction == "none" else getattr(losses, reduction)()


case("contrastive_loss", F.contrastive_loss, paired, torch_contrastive, constant=(2,))
case("triplet_margin_loss", F.triplet_margin_loss, triplets,
     lambda t, *x, **k: t.nn.functional.triplet_margin_loss(*x, **k))
case("squared_triplet_loss", F.squared_triplet_loss, squared_triplets, torch_squared, ops=("triplet_margin_loss",))
case("margin_ranking_loss", F.margin_ranking_loss, ranking,
     lambda t, *x, **k: t.nn.functional.margin_ranking_loss(*x, **k), ops=("hinge_loss",), constant=(2,))
case("distance_matrix", F.distance_matrix, lambda draw: Example((embeddings(draw),)),
     lambda t, x: t.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist"))
case("batch_hard_triplet_loss", F.batch_hard_triplet_loss, labelled, torch_batch_hard,
     ops=("batch_hard_triplet_loss", "distance_matrix"), constant=(1,))
case("semi_hard_triplet_loss", F.semi_hard_triplet_loss, semi_hard, torch_semi_hard,
     ops=("semi_hard_triplet_loss", "distance_matrix"), constant=(1,))
case("center_loss", F.center_loss, centred, torch_center, constant=(1, 2))
case("cosine_embedding_loss", F.cosine_embedding_loss, angled,
     lambda t, *x, **k: t.nn.functional.cosine_embedding_loss(*x, **k), constant=(2,), composed=True)
