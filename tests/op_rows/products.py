"""Rows of the matrix product and the convolution."""
from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from op_rows.frame import Example, case, normal
from tinycnn import functional as F


def two_matrices(draw: Any) -> Example:
    """Operands of numpy's @: vectors, matrices, stacks of them that broadcast; thin, or larger than a tile."""
    m, n, k = draw(st.tuples(*[st.integers(1, 9) | st.sampled_from([17, 33, 70])] * 3))
    lead = draw(st.sampled_from([((), ()), ((2,), (2,)), ((3, 1), (2,)), ((2,), ()), ((), (2, 1))]))
    a = normal(draw, k) if draw(st.integers(0, 5)) == 0 else normal(draw, *lead[0], m, k)
    b = normal(draw, k) if draw(st.integers(0, 5)) == 0 else normal(draw, *lead[1], k, n)
    return Example((a, b))


def fully_connected(draw: Any) -> Example:
    i, o = draw(st.tuples(*[st.integers(1, 9) | st.sampled_from([17, 40])] * 2))
    rows = draw(st.sampled_from([(), (1,), (4,), (37,), (2, 3)]))
    return Example((normal(draw, *rows, i), normal(draw, o, i), normal(draw, o) if draw(st.booleans()) else None))


case("matmul", lambda a, b: F.matmul(a, b), two_matrices, lambda t, a, b: t.matmul(a, b))
case("linear", F.linear, fully_connected, lambda t, x, w, b: t.nn.functional.linear(x, w, b))

def images(draw: Any, kernels: Any, groups: Any, pad: int = 3) -> Example:
    """A convolution whose kernel fits: kernel extents and groups from strategies, padding on each side its own."""
    kh, kw = draw(kernels)
    sh, sw = draw(st.tuples(*[st.integers(1, 3)] * 2))
    dh, dw = draw(st.tuples(*[st.integers(1, 3)] * 2))
    pads = draw(st.tuples(*[st.integers(0, pad)] * 4))
    g = draw(groups)
    least = [max(1, d*(k - 1) + 1 - p - q) for d, k, p, q in ((dh, kh, pads[0], pads[2]), (dw, kw, pads[1], pads[3]))]
    h, w = (draw(st.integers(n, n + 7)) for n in least)
    n, o = draw(st.integers(1, 3)), draw(st.integers(1, 4) | st.just(17))
    c = draw(st.sampled_from([2, 1, 3, 4]))  # 2 first: the simplest example is no depthwise convolution
    return Example((normal(draw, n, g*c, h, w), normal(draw, g*o, c, kh, kw),
                    normal(draw, g*o) if draw(st.booleans()) else None),
                   {"stride": (sh, sw), "padding": pads, "dilation": (dh, dw), "groups": g})


def torch_conv2d(t: Any, x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    top, left, bottom, right = padding
    x = t.nn.functional.pad(x, (left, right, top, bottom))
    return t.nn.functional.conv2d(x, w, b, stride, 0, dilation, groups)


ANY_KERNEL = st.sampled_from([(3, 3), (2, 2), (5, 5), (1, 4), (3, 1), (2, 3)])
ONE = st.just((1, 1))
case("conv2d", F.conv2d, lambda draw: images(draw, ANY_KERNEL, st.just(1)), torch_conv2d)
case("conv2d grouped", F.conv2d, lambda draw: images(draw, ANY_KERNEL, st.sampled_from([2, 3])), torch_conv2d,
     ops=("conv2d",))
case("conv2d pointwise", F.conv2d, lambda draw: images(draw, ONE, st.sampled_from([1, 1, 2]), pad=0), torch_conv2d,
     ops=("conv2d",))
case("conv2d pointwise padded", F.conv2d, lambda draw: images(draw, ONE, st.just(1)), torch_conv2d, ops=("conv2d",))


SOME = st.integers(1, 4)


def enlarged(draw: Any, kernels: Any, groups: Any, channels: Any = SOME) -> Example:
    """A transposed convolution that leaves something: padding below the kernel, any output padding it may have."""
    kernel = draw(kernels)
    stride, dilation = draw(st.tuples(*[st.integers(1, 3)]*2)), draw(st.tuples(*[st.integers(1, 3)]*2))
    extent = [d*(k - 1) + 1 for k, d in zip(kernel, dilation)]
    g, (n, c, o) = draw(groups), draw(st.tuples(st.integers(1, 3), channels, channels))
    h, w = draw(st.tuples(*[st.integers(1, 7)]*2))
    return Example((normal(draw, n, g*c, h, w), normal(draw, g*c, o, *kernel),
                    normal(draw, g*o) if draw(st.booleans()) else None),
                   {"stride": stride, "padding": tuple(draw(st.integers(0, (e - 1)//2)) for e in extent),
                    "output_padding": tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation)),
                    "groups": g, "dilation": dilation})


def torch_conv_transpose2d(t: Any, x: Any, w: Any, b: Any, **keywords: Any) -> Any:
    return t.nn.functional.conv_transpose2d(x, w, b, **keywords)


def depthwise_enlarged(draw: Any) -> Example:
    return enlarged(draw, ANY_KERNEL, st.sampled_from([2, 5, 17]), st.just(1))


case("conv_transpose2d", F.conv_transpose2d, lambda draw: enlarged(draw, ANY_KERNEL, st.sampled_from([1, 1, 2, 3])),
     torch_conv_transpose2d)
case("conv_transpose2d pointwise", F.conv_transpose2d, lambda draw: enlarged(draw, ONE, st.sampled_from([1, 2])),
     torch_conv_transpose2d, ops=("conv_transpose2d",))
case("conv_transpose2d depthwise", F.conv_transpose2d, depthwise_enlarged, torch_conv_transpose2d,
     ops=("conv_transpose2d",))
