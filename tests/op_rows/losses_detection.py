"""Rows of losses of detectors."""
from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from op_rows.frame import Example, case, normal, shape
from tinycnn import functional as F


def uniform(draw: Any, *extents: int) -> np.ndarray:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random(extents)


def reduction(draw: Any) -> dict[str, Any]:
    return {"reduction": draw(st.sampled_from(["mean", "sum", "none"]))}


def qualities(draw: Any) -> Example:
    """Half of the qualities 0, a few 1; some with weights."""
    extents = shape(draw, extent=13)
    y = uniform(draw, *extents)
    y = np.where(y < 0.5, 0, np.where(y > 0.9, 1, y))
    weight = draw(st.none() | st.just(uniform(draw, *extents)))
    return Example((normal(draw, *extents, scale=3), y),
                   {"beta": draw(st.sampled_from([0, 1, 1.5, 2, 2.5])), "weight": weight, **reduction(draw)})


def bins(draw: Any) -> Example:
    n, c = draw(st.integers(1, 6)), draw(st.integers(2, 37))
    label = uniform(draw, n)*(c - 1)
    label[0] = draw(st.sampled_from([label[0], 0, c - 1, (c - 1)//2]))
    return Example((normal(draw, n, c, scale=3), label), {"weight": draw(st.none() | st.just(uniform(draw, n))),
                                                          **reduction(draw)})


def torch_distribution_focal_loss(t: Any, x: Any, label: Any, weight: Any, reduction: str) -> Any:
    """Cross-entropy with probabilities as targets."""
    low = label.detach().floor().clamp(max=x.shape[1] - 2).long()
    q = t.zeros_like(x).scatter(1, low[:, None], (low + 1 - label)[:, None])
    q = q.scatter(1, low[:, None] + 1, (label - low)[:, None])
    losses = t.nn.functional.cross_entropy(x, q, reduction="none")*(1 if weight is None else t.tensor(weight).to(x))
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


case("quality_focal_loss", F.quality_focal_loss, qualities, constant=(1,))
case("distribution_focal_loss", F.distribution_focal_loss, bins, torch_distribution_focal_loss, constant=(1,))
case("integral", F.integral, lambda draw: Example((normal(draw, *shape(draw, extent=9)),)),
     lambda t, x: (x.softmax(-1)*t.arange(x.shape[-1])).sum(-1), ops=("softmax",))


def mined(draw: Any) -> Example:
    """Losses that differ by more than differences move them."""
    n, a = draw(st.integers(1, 3)), draw(st.sampled_from([1, 4, 19]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return Example((rng.permutation(n*a).reshape(n, a)*0.1, rng.choice([-1, 0, 0, 0, 1], (n, a))),
                   {"neg_pos_ratio": draw(st.sampled_from([0, 1.5, 3]))})


case("hard_negatives", lambda losses, labels, **k: losses*F.hard_negatives(losses, labels, **k), mined, constant=(1,),
     composed=True)
case("one_hot_max", lambda x: x*F.one_hot_max(x), lambda draw: Example((normal(draw, *shape(draw)),)),
     lambda t, x: x*t.nn.functional.one_hot(x.argmax(-1), x.shape[-1]), composed=True)
