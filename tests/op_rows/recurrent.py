"""Rows of recurrent layers and of attention."""
from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from op_rows.frame import Example, case, normal
from tinycnn import functional as F


def sequence(draw: Any, gates: int, states: int) -> Example:
    """x, states, weights, biases and lengths, of which x and weights alone are always there; odd numbers of units."""
    t, n, i = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    size = draw(st.sampled_from([1, 2, 3, 2, 5, 17]))
    kept = [normal(draw, n, size) if draw(st.booleans()) else None for _ in range(states)]
    biased = draw(st.booleans())
    biases = [normal(draw, gates * size) if biased else None for _ in range(2)]
    weights = [normal(draw, gates * size, k, scale=0.5) for k in (i, size)]
    lengths = np.array(draw(st.lists(st.integers(1, t), min_size=n, max_size=n))) if draw(st.booleans()) else None
    return Example((normal(draw, t, n, i), *kept, *weights, *biases, lengths), {"reverse": draw(st.booleans())})


def torch_layer(t: Any, kind: str, x: Any, states: list, weights: list, lengths: Any, reverse: bool) -> tuple:
    """torch's layer with these weights; in reverse it is the second direction of two, the first one idle.

    Rows are read one by one, each as long as it is: what packed sequences mean."""
    size, weights = weights[1].shape[1], [w for w in weights if w is not None]
    run = getattr(t, kind)
    ends = [len(x)] * x.shape[1] if lengths is None else lengths.tolist()
    ys, lasts = [], []
    for row, end in enumerate(ends):
        part = x[:end, row:row + 1]
        first = [x.new_zeros(1, 1, size) if s is None else s[None, row:row + 1] for s in states]
        part = part.flip(0) if reverse else part
        y, *last = run(part, tuple(first) if kind == "lstm" else first[0], weights, len(weights) == 4, 1, 0.0, True,
                       False, False)
        y = y.flip(0) if reverse else y
        ys.append(t.cat([y, y.new_zeros(len(x) - end, 1, size)]))
        lasts.append([s[0] for s in last])
    return t.cat(ys, 1), *(t.cat(parts) for parts in zip(*lasts))


case("lstm", F.lstm, lambda draw: sequence(draw, 4, 2),
     lambda t, x, h, c, w, u, b, d, n, reverse: torch_layer(t, "lstm", x, [h, c], [w, u, b, d], n, reverse),
     constant=(7,))
case("gru", F.gru, lambda draw: sequence(draw, 3, 1),
     lambda t, x, h, w, u, b, d, n, reverse: torch_layer(t, "gru", x, [h], [w, u, b, d], n, reverse), constant=(6,))


def attended(draw: Any) -> Example:
    """Query, key, value with leading axes, and no mask, one of booleans (some rows without any), or one of numbers."""
    lead = draw(st.sampled_from([(), (2,), (2, 3)]))
    l, s, e, v = draw(st.tuples(*[st.integers(1, 5)] * 4))
    mask = draw(st.sampled_from([None, "bool", "added"]))
    if mask == "bool":
        mask = normal(draw, *draw(st.sampled_from([lead, ()])), l, s) > 0
    elif mask == "added":
        mask = normal(draw, l, s)
    return Example((normal(draw, *lead, l, e), normal(draw, *lead, s, e), normal(draw, *lead, s, v), mask),
                   {"is_causal": draw(st.booleans()) if mask is None else False})


case("scaled_dot_product_attention", F.scaled_dot_product_attention, attended,
     lambda t, q, k, v, m, is_causal: t.nn.functional.scaled_dot_product_attention(q, k, v, m, 0.0, is_causal),
     constant=(3,))
