"""Rows of pooling."""
from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from op_rows.frame import Example, case, normal
from tinycnn import functional as F


def distinct(draw: Any, *shape: int) -> np.ndarray:
    """Numbers that differ by at least 0.1, in any order: a maximum without ties."""
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).permutation(np.prod(shape)).reshape(shape)*0.1 - 3


def pooled(draw: Any, dilated: bool) -> Example:
    """A map that the window fits into, never in between its elements; the padding at most half of the kernel."""
    kernel, stride = draw(st.tuples(*[st.integers(1, 4)]*2)), draw(st.tuples(*[st.integers(1, 3)]*2))
    dilation = draw(st.tuples(*[st.integers(1, 2)]*2)) if dilated else (1, 1)
    padding = tuple(draw(st.integers(0, k//2)) for k in kernel)
    size = [max(d, d*(k - 1) + 1 - 2*p) + draw(st.sampled_from([0, 1, 2, 5, 19]))
            for k, d, p in zip(kernel, dilation, padding)]
    x = distinct(draw, draw(st.integers(1, 2)), draw(st.integers(1, 3)), *size)
    more = {"dilation": dilation} if dilated else {"count_include_pad": draw(st.booleans())}
    return Example((x,), {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": draw(st.booleans()),
                          **more})


def uneven(draw: Any) -> Example:
    """Padding that differs by side: the four numbers, or TensorFlow's rule."""
    padding = draw(st.sampled_from([(1, 0, 0, 1), (0, 1, 1, 0), "tf_same"]))
    return Example((distinct(draw, 1, 2, *draw(st.tuples(*[st.integers(3, 20)]*2))),),
                   {"kernel_size": draw(st.integers(2, 3)), "stride": draw(st.integers(1, 3)), "padding": padding})


def parted(draw: Any) -> Example:
    x = normal(draw, 2, draw(st.integers(1, 3)), *draw(st.tuples(*[st.integers(1, 20)]*2)))
    return Example((x,), {"output_size": draw(st.tuples(*[st.integers(1, 7)]*2))})


case("max_pool2d", F.max_pool2d, lambda draw: pooled(draw, True), lambda t, x, **k: t.nn.functional.max_pool2d(x, **k))
case("max_pool2d_uneven", F.max_pool2d, uneven, ops=("max_pool2d",))
case("avg_pool2d", F.avg_pool2d, lambda draw: pooled(draw, False), lambda t, x, **k: t.nn.functional.avg_pool2d(x, **k))
case("avg_pool2d_uneven", F.avg_pool2d, uneven, ops=("avg_pool2d",))
case("adaptive_avg_pool2d", F.adaptive_avg_pool2d, parted,
     lambda t, x, output_size: t.nn.functional.adaptive_avg_pool2d(x, output_size))
case("adaptive_max_pool2d", F.adaptive_max_pool2d,
     lambda draw: Example((distinct(draw, 2, draw(st.integers(1, 3)), *draw(st.tuples(*[st.integers(1, 20)]*2))),),
                          {"output_size": draw(st.tuples(*[st.integers(1, 7)]*2))}),
     lambda t, x, output_size: t.nn.functional.adaptive_max_pool2d(x, output_size))
case("global_avg_pool2d", F.global_avg_pool2d,
     lambda draw: Example((normal(draw, *draw(st.tuples(*[st.integers(1, n) for n in (3, 5, 20, 20)]))),)),
     lambda t, x: x.mean((2, 3), True))
