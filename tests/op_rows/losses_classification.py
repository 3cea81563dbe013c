"""Rows of losses of choosing classes."""
from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from op_rows.frame import Example, case, normal
from tinycnn import functional as F


def classified(draw: Any) -> Example:
    n, c = draw(st.integers(1, 6)), draw(st.integers(1, 37))
    target = np.array(draw(st.lists(st.integers(0, c - 1), min_size=n, max_size=n)))
    return Example((normal(draw, n, c, scale=3), target),
                   {"reduction": draw(st.sampled_from(["mean", "sum", "none"])),
                    "label_smoothing": draw(st.sampled_from([0.0, 0.1]))})


case("cross_entropy", F.cross_entropy, classified, lambda t, x, target, **k: t.nn.functional.cross_entropy(
    x, target, **k), constant=(1,))
