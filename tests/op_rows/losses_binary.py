"""Rows of losses of yes and no, and of distributions."""
from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from hypothesis import strategies as st
from torchvision_oracle import import_torchvision

from op_rows.frame import Example, away, case, normal, shape
from op_rows.losses_regression import REDUCTIONS
from tinycnn import functional as F


def uniform(draw: Any, *extents: int, low: float = 0.02, high: float = 0.98) -> np.ndarray:
    """Numbers between two bounds."""
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).uniform(low, high, extents)


def weight(draw: Any, like: np.ndarray) -> np.ndarray | None:
    """None, or weights for a part of the axes."""
    if draw(st.booleans()):
        return None
    return uniform(draw, *like.shape[draw(st.integers(0, like.ndim)):], low=0, high=3)


def probabilities(draw: Any) -> Example:
    x = uniform(draw, *shape(draw, extent=9))
    return Example((x, uniform(draw, *x.shape), weight(draw, x)), {"reduction": draw(REDUCTIONS)})


def logits(draw: Any) -> Example:
    x = normal(draw, *shape(draw, extent=9), scale=6)
    return Example((x, uniform(draw, *x.shape), weight(draw, x), weight(draw, x)), {"reduction": draw(REDUCTIONS)})


def detections(draw: Any) -> Example:
    x = normal(draw, *shape(draw, extent=9), scale=4)
    targets = uniform(draw, *x.shape)
    if draw(st.booleans()):
        targets = targets.round() * 0.999 + 0.0005  # nearly what detectors have; differences may step to both sides
    return Example((x, targets), {"reduction": draw(REDUCTIONS), "alpha": draw(st.sampled_from([0.25, -1.0, 0.0, 1.0])),
                                  "gamma": draw(st.sampled_from([0.0, 0.5, 1.0, 2.0]))})


def sided(draw: Any) -> Example:
    """Scores and their sides, away from the margin."""
    x = normal(draw, *shape(draw, extent=9))
    y = np.where(normal(draw, *x.shape) > 0, 1.0, -1.0)
    return Example((y * away(x, 0.8), y), {"margin": 0.8, "reduction": draw(REDUCTIONS)})


def distributions(draw: Any) -> Example:
    x = normal(draw, *shape(draw, extent=9))
    log_target = draw(st.booleans())
    target = normal(draw, *x.shape) if log_target else uniform(draw, *x.shape)
    return Example((x, target), {"reduction": draw(st.sampled_from(["batchmean", "mean", "sum", "none"])),
                                 "log_target": log_target})


def torch_focal(torch, x, t, **settings):
    return import_torchvision().ops.sigmoid_focal_loss(x, t, **settings)


def torch_hinge(torch, x, y, margin, reduction):
    losses = (margin - y * x).clamp(min=0)
    return losses if reduction == "none" else getattr(losses, reduction)()


def torch_kl(torch, x, y, **settings):
    """It warns that its "mean" is no divergence."""
    with warnings.catch_warnings(action="ignore"):
        return torch.nn.functional.kl_div(x, y, **settings)


case("binary_cross_entropy", F.binary_cross_entropy, probabilities,
     lambda t, x, y, w, **k: t.nn.functional.binary_cross_entropy(x, y, w, **k), constant=(2,))
case("binary_cross_entropy_with_logits",
     lambda x, y, w, p, **k: F.binary_cross_entropy_with_logits(x, y, w, pos_weight=p, **k), logits,
     lambda t, x, y, w, p, **k: t.nn.functional.binary_cross_entropy_with_logits(x, y, w, pos_weight=p, **k),
     constant=(2, 3))
case("sigmoid_focal_loss", F.sigmoid_focal_loss, detections, torch_focal)
case("hinge_loss", F.hinge_loss, sided, torch_hinge, constant=(1,))
case("kl_div", F.kl_div, distributions, torch_kl)
