"""Rows of losses of choosing classes."""
from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from op_rows.frame import Example, case, normal
from op_rows.losses_regression import REDUCTIONS
from tinycnn import functional as F

IGNORED = -3


def pixels(draw: Any) -> tuple[int, ...]:
    """Extents after the classes: none, few, or such as fill no vector."""
    return draw(st.sampled_from([(), (), (1,), (5,), (2, 3), (3, 11), (37,)]))


def scores(draw: Any, *extents: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Logits (N, C, ...), a class for each pixel, and weights of the classes or None."""
    n, c = draw(st.integers(1, 5)), draw(st.integers(1, 37 if not extents else 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return (normal(draw, n, c, *extents, scale=3), rng.integers(0, c, (n, *extents)),
            rng.uniform(0.1, 3, c) if draw(st.booleans()) else None)


def classified(draw: Any) -> Example:
    """Some pixels ignored, the first never: a mean of nothing is NaN."""
    x, target, weight = scores(draw, *pixels(draw))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ignored = rng.random(target.shape) < draw(st.sampled_from([0.0, 0.3, 0.9]))
    ignored.flat[0] = False
    return Example((x, np.where(ignored, IGNORED, target), weight),
                   {"ignore_index": IGNORED, "reduction": draw(REDUCTIONS)})


def smoothed(draw: Any) -> Example:
    example = classified(draw)
    return Example(example.inputs, {**example.keywords, "label_smoothing": draw(st.sampled_from([0.0, 0.1, 1.0]))})


def mixed(draw: Any) -> Example:
    """Targets that are probabilities."""
    x, _, weight = scores(draw, *pixels(draw))
    target = np.exp(normal(draw, *x.shape))
    return Example((x, target / target.sum(1, keepdims=True), weight),
                   {"reduction": draw(REDUCTIONS), "label_smoothing": draw(st.sampled_from([0.0, 0.1]))})


def focused(draw: Any) -> Example:
    example = classified(draw)
    return Example(example.inputs, {**example.keywords, "gamma": draw(st.sampled_from([0.0, 0.5, 1.0, 2.0]))})


def ranked(draw: Any) -> Example:
    """Scores of one row at least a bit apart, so that none is at the margin."""
    x, target, weight = scores(draw)
    grid = np.argsort(np.argsort(x, 1), 1) * 0.3 + normal(draw, *x.shape) * 0.01
    return Example((grid, target, weight), {"p": draw(st.sampled_from([1, 2])), "margin": 1.05,
                                            "reduction": draw(REDUCTIONS)})


def torch_focal(torch, x, target, alpha, ignore_index, reduction, gamma):
    """Written out: torch does not have it. Of one class alone nothing is missing, and 0 ** gamma has no slope there."""
    counts, chosen = target != ignore_index, target.clamp(min=0)
    logs = torch.log_softmax(x, 1).gather(1, chosen[:, None])[:, 0]
    missing = (-torch.expm1(logs)).clamp(min=1e-30) if gamma else torch.ones_like(logs)
    losses = -(missing ** gamma if gamma else missing) * logs * counts
    losses = losses if alpha is None else losses * alpha[chosen]
    return losses if reduction == "none" else losses.sum() / (counts.sum() if reduction == "mean" else 1)


case("cross_entropy", F.cross_entropy, smoothed, lambda t, x, target, w, **k: t.nn.functional.cross_entropy(
    x, target, w, **k), constant=(1, 2))
case("soft_cross_entropy", F.cross_entropy, mixed, lambda t, x, target, w, **k: t.nn.functional.cross_entropy(
    x, target, w, **k), constant=(2,))
case("nll_loss", F.nll_loss, classified, lambda t, x, target, w, **k: t.nn.functional.nll_loss(
    x, target, w, **k), constant=(1, 2))
case("focal_loss", F.focal_loss, focused, torch_focal, constant=(1, 2))
case("multi_margin_loss", lambda x, target, w, **k: F.multi_margin_loss(x, target, weight=w, **k), ranked,
     lambda t, x, target, w, **k: t.nn.functional.multi_margin_loss(x, target, weight=w, **k), constant=(1, 2))
