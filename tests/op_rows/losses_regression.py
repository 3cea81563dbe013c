"""Rows of losses of the distance between numbers."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from op_rows.frame import Example, away, case, normal, shape
from tinycnn import functional as F

REDUCTIONS = st.sampled_from(["mean", "sum", "none"])
BETA = {"beta": 0.7}
DELTA = {"delta": 1.3}
WING = {"w": 2.5, "epsilon": 0.5}


def pair(*kinks: float, **settings: float) -> Callable[[Any], Example]:
    """Two arrays of one shape, their differences away from kinks, now and then longer than a block of a sum."""
    def examples(draw: Any) -> Example:
        x = normal(draw, *shape(draw, least=0, most=3, extent=13), scale=3)
        d = away(normal(draw, *x.shape, scale=2), *kinks, *(-k for k in kinks))
        return Example((x, np.asarray(x - d)), {"reduction": draw(REDUCTIONS), **settings})
    return examples


def weighed(draw: Any) -> Example:
    """A pair with weights for a part of its axes, some of them 0."""
    x = normal(draw, *shape(draw, extent=9))
    weight = np.abs(away(normal(draw, *x.shape[draw(st.integers(0, x.ndim)):]), 0))
    return Example((x, normal(draw, *x.shape), weight))


case("l1_loss", F.l1_loss, pair(0), lambda t, x, y, **k: t.nn.functional.l1_loss(x, y, **k))
case("mse_loss", F.mse_loss, pair(), lambda t, x, y, **k: t.nn.functional.mse_loss(x, y, **k))
case("sse_loss", lambda x, y, w: F.sse_loss(x, y, w), weighed, lambda t, x, y, w: (w * (x - y) ** 2).sum(),
     ops=("mse_loss",), constant=(2,))
case("smooth_l1_loss", F.smooth_l1_loss, pair(0.7, **BETA), lambda t, x, y, **k: t.nn.functional.smooth_l1_loss(
    x, y, **k))
case("huber_loss", F.huber_loss, pair(1.3, **DELTA), lambda t, x, y, **k: t.nn.functional.huber_loss(x, y, **k))
case("wing_loss", F.wing_loss, pair(0, 2.5, **WING))
