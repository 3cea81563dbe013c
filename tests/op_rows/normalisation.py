"""Rows of normalisation."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from op_rows.frame import Example, case, normal
from tinycnn import functional as F


def channels(draw: Any, values: int = 1) -> np.ndarray:
    """x (N, C), (N, C, L) or (N, C, H, W) with at least `values` elements per channel, far from constant."""
    n, c = draw(st.integers(1, 5)), draw(st.integers(1, 19))
    spatial = draw(st.sampled_from([(), (1, 1), (2, 2), (3,), (3, 5), (7, 7), (1, 40), (9, 17)]))
    n = max(n, -(-values // int(np.prod(spatial))))
    x = normal(draw, n, c, *spatial, scale=2)
    return x + 3 * np.sign(x) + normal(draw, 1, c, *[1] * len(spatial))


def batch_normed(training: bool) -> Callable[[Any], Example]:
    def examples(draw: Any) -> Example:
        x = channels(draw, values=4)
        vectors = [normal(draw, x.shape[1]) if draw(st.booleans()) else None for _ in range(2)]
        statistics = [normal(draw, x.shape[1]), np.abs(normal(draw, x.shape[1])) + 0.3]
        if training and draw(st.booleans()):
            statistics = [None, None]
        return Example((x, *statistics, *vectors),
                       {"training": training, "momentum": 0.2, "eps": draw(st.sampled_from([1e-5, 1e-3]))})
    return examples


for _training in (True, False):
    case(f"batch_norm {'train' if _training else 'eval'}", F.batch_norm, batch_normed(_training),
         lambda t, *arrays, **k: t.nn.functional.batch_norm(*arrays, **k), ops=("batch_norm",), constant=(1, 2))
