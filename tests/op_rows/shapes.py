"""Rows of operations that move elements."""
from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from op_rows.frame import Example, any_shape, case, normal, shape
from tinycnn import functional as F

case("reshape", lambda x: x.reshape(-1, x.shape[0]), any_shape(), lambda _, x: x.reshape(-1, x.shape[0]))


def permuted(draw: Any) -> Example:
    x = normal(draw, *shape(draw, extent=5))
    return Example((x,), {"axes": tuple(draw(st.permutations(range(x.ndim))))})


case("transpose", lambda x, axes: x.transpose(axes), permuted, lambda _, x, axes: x.permute(axes))
case("expand", lambda x, to: x.expand(to),
     lambda draw: (lambda n, m, k: Example((normal(draw, n, 1, m),), {"to": (k, n, k, m)}))(
         *draw(st.tuples(*[st.integers(1, 4)] * 3))), lambda _, x, to: x.expand(to))


def indexed(draw: Any) -> Example:
    x = normal(draw, 4, 5, 3)
    index = draw(st.sampled_from([0, -1, (slice(1, 3), ..., 1), (slice(None, None, 2), None), np.array([0, 2, 2, 1]),
                                  (np.array([0, 0, 3]), slice(None), np.array([2, 2, 0]))]))
    return Example((x,), {"index": index})


case("getitem", lambda x, index: x[index], indexed, lambda _, x, index: x[index])


def several(draw: Any) -> Example:
    one = shape(draw, least=2, extent=4)
    axis = draw(st.integers(-len(one), len(one) - 1))
    parts = []
    for n in draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)):
        extents = list(one)
        extents[axis] = n
        parts.append(normal(draw, *extents))
    return Example(tuple(parts), {"axis": axis})


def cut(draw: Any) -> Example:
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    return Example((normal(draw, 2, sum(sizes), 3),), {"sizes": sizes})


case("concat", lambda *xs, axis: F.concat(xs, axis), several, lambda t, *xs, axis: t.cat(xs, axis))
case("split", F.split, cut, lambda t, x, sizes: t.split(x, sizes, 1))
case("pad", lambda x, pads: F.pad(x, pads, value=0.5),
     lambda draw: Example((normal(draw, *shape(draw, least=2, extent=4)),),
                          {"pads": draw(st.lists(st.integers(0, 3), min_size=4, max_size=4))}),
     lambda t, x, pads: t.nn.functional.pad(x, pads, value=0.5))


def padded(draw: Any) -> Example:
    """Pads of two axes, smaller than both."""
    x = normal(draw, 2, 3, *draw(st.tuples(*[st.integers(1, 6)] * 2)))
    w, h = (st.integers(0, n - 1) for n in x.shape[:1:-1])
    return Example((x,), {"pads": draw(st.tuples(w, w, h, h)), "mode": draw(st.sampled_from(["reflect", "replicate"]))})


case("pad by copies", F.pad, padded, lambda t, x, pads, mode: t.nn.functional.pad(x, pads, mode), ops=("pad",),
     composed=True)
