"""One row per operation: what to call, how to draw its arguments, what torch calls it.

`test_ops.py` runs every check over every row: kernel against twin, gradients against differences, torch, element
types, threads.  A new operation is one more row.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinycnn import functional as F
from tinycnn import manual_seed


@dataclass(frozen=True)
class Example:
    """Arguments of one call: arrays (floating ones in float64, the tests cast them; None where optional), keywords."""

    inputs: tuple[Any, ...]
    keywords: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OpCase:
    """One row.

    call(*tensors, **keywords) -> Tensor or tuple of Tensors; examples(draw) -> Example, where draw is hypothesis's;
    torch(torch, *tensors, **keywords): the same in torch (None: torch does not have it); ops: names in autograd.OPS
    that the row covers; constant: positions of inputs that take no gradient; float32 and float64: tolerance relative
    to the largest magnitude; composed: made of NumPy alone, so that there is no kernel to compare with a twin.
    """

    name: str
    call: Callable[..., Any]
    examples: Callable[[Any], Example]
    torch: Callable[..., Any] | None = None
    ops: tuple[str, ...] = ()
    constant: tuple[int, ...] = ()
    float32: float = 1e-5
    float64: float = 1e-12
    composed: bool = False

    def __str__(self) -> str:
        return self.name


CASES: list[OpCase] = []
COMPOSED = {"add", "sub", "mul", "div", "maximum", "minimum", "neg", "pow", "exp", "log", "sqrt", "abs", "clip",
            "astype", "where", "sum", "mean", "var", "max", "min", "reshape", "transpose", "expand", "getitem",
            "concat", "split", "pad"}


def case(name: str, call: Callable[..., Any], examples: Callable[[Any], Example], torch: Any = None,
         **more: Any) -> None:
    """Add a row; it covers the op of its own name unless `ops` says otherwise."""
    more.setdefault("ops", (name,))
    more.setdefault("composed", name in COMPOSED)
    CASES.append(OpCase(name, call, examples, torch, **more))


# ---------------------------------------------------------------- what rows draw from
def normal(draw: Any, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers of a shape, from a seed that hypothesis draws."""
    return np.asarray(np.random.default_rng(draw(st.integers(0, 2**32 - 1))).standard_normal(shape) * scale)


def away(x: np.ndarray, *points: float, by: float = 1e-2) -> np.ndarray:
    """x, moved off the points where the function has a kink."""
    for point in points:
        x = np.where(np.abs(x - point) < by, point + np.where(x >= point, by, -by), x)
    return x


def shape(draw: Any, least: int = 1, most: int = 4, extent: int = 9) -> tuple[int, ...]:
    """A shape of `least` to `most` axes."""
    return tuple(draw(st.lists(st.integers(1, extent), min_size=least, max_size=most)))


def any_shape(*kinks: float) -> Callable[[Any], Example]:
    """One array of any shape, long enough to fill vectors now and then, away from kinks."""
    def examples(draw: Any) -> Example:
        return Example((away(normal(draw, *shape(draw, extent=13), scale=3), *kinks),))
    return examples


def positive(draw: Any) -> Example:
    return Example((np.abs(normal(draw, *shape(draw))) + 0.1,))


def two_broadcast(draw: Any) -> Example:
    """Two arrays whose shapes broadcast: some extents 1, some leading axes missing; the second away from 0."""
    full = shape(draw, most=4, extent=5)
    def part() -> tuple[int, ...]:
        kept = full[draw(st.integers(0, len(full))):]
        return tuple(1 if draw(st.booleans()) else n for n in kept)
    return Example((normal(draw, *part()), away(normal(draw, *part()), 0, by=0.2)))


def with_axis(draw: Any) -> Example:
    x = normal(draw, *shape(draw, extent=5))
    axis = draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    return Example((x,), {"axis": axis, "keepdims": draw(st.booleans())})


# ---------------------------------------------------------------- arithmetic
case("add", lambda a, b: a + b, two_broadcast, lambda _, a, b: a + b)
case("sub", lambda a, b: a - b, two_broadcast, lambda _, a, b: a - b)
case("mul", lambda a, b: a * b, two_broadcast, lambda _, a, b: a * b)
case("div", lambda a, b: a / b, two_broadcast, lambda _, a, b: a / b)
case("maximum", F.maximum, two_broadcast, lambda t, a, b: t.maximum(a, b))
case("minimum", F.minimum, two_broadcast, lambda t, a, b: t.minimum(a, b))
case("neg", lambda x: -x, any_shape(), lambda _, x: -x)
case("pow", lambda x, exponent: x**exponent,
     lambda draw: Example(positive(draw).inputs, {"exponent": draw(st.sampled_from([0, 1, 2, 3, -1, 0.5, 1.7]))}),
     lambda _, x, exponent: x**exponent)
case("exp", lambda x: x.exp(), any_shape(), lambda _, x: x.exp())
case("log", lambda x: x.log(), positive, lambda _, x: x.log())
case("sqrt", lambda x: x.sqrt(), positive, lambda _, x: x.sqrt())
case("abs", lambda x: abs(x), any_shape(0), lambda _, x: x.abs())
case("clip", lambda x: x.clip(-1, 2), any_shape(-1, 2), lambda _, x: x.clip(-1, 2))
case("astype", lambda x: x.astype("float64"), any_shape(), lambda _, x: x.double())
case("where", F.where,
     lambda draw: (lambda e: Example((normal(draw, *e.inputs[0].shape) > 0, *e.inputs)))(two_broadcast(draw)),
     lambda t, c, a, b: t.where(c, a, b), constant=(0,))


def _all_axes(x: Any, axis: int | None) -> Any:
    return tuple(range(x.ndim)) if axis is None else axis


case("sum", lambda x, **k: x.sum(**k), with_axis, lambda _, x, axis, keepdims: x.sum(_all_axes(x, axis), keepdims))
case("mean", lambda x, **k: x.mean(**k), with_axis, lambda _, x, axis, keepdims: x.mean(_all_axes(x, axis), keepdims))
case("var", lambda x, **k: x.var(**k), with_axis,
     lambda t, x, axis, keepdims: t.var(x, _all_axes(x, axis), correction=0, keepdim=keepdims))
case("max", lambda x, **k: x.max(**k), with_axis, lambda _, x, axis, keepdims: x.amax(_all_axes(x, axis), keepdims))
case("min", lambda x, **k: x.min(**k), with_axis, lambda _, x, axis, keepdims: x.amin(_all_axes(x, axis), keepdims))

# ---------------------------------------------------------------- shape
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
case("pad", lambda x, pads: F.pad(x, pads, 0.5),
     lambda draw: Example((normal(draw, *shape(draw, least=2, extent=4)),),
                          {"pads": draw(st.lists(st.integers(0, 3), min_size=4, max_size=4))}),
     lambda t, x, pads: t.nn.functional.pad(x, pads, value=0.5))

# ---------------------------------------------------------------- matrix product, linear
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


# ---------------------------------------------------------------- convolution
def images(draw: Any, kernels: Any, groups: Any, pad: int = 3) -> Example:
    """A convolution whose kernel fits: kernel extents and groups from strategies, padding on each side its own."""
    kh, kw = draw(kernels)
    sh, sw = draw(st.tuples(*[st.integers(1, 3)] * 2))
    dh, dw = draw(st.tuples(*[st.integers(1, 3)] * 2))
    pads = draw(st.tuples(*[st.integers(0, pad)] * 4))
    g = draw(groups)
    least = [max(1, d*(k - 1) + 1 - p - q) for d, k, p, q in ((dh, kh, pads[0], pads[2]), (dw, kw, pads[1], pads[3]))]
    h, w = (draw(st.integers(n, n + 7)) for n in least)
    n, c, o = draw(st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4) | st.just(17)))
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

# ---------------------------------------------------------------- pooling
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
case("global_avg_pool2d", F.global_avg_pool2d,
     lambda draw: Example((normal(draw, *draw(st.tuples(*[st.integers(1, 20)]*4))),)),
     lambda t, x: x.mean((2, 3), True))

# ---------------------------------------------------------------- normalisation
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

# ---------------------------------------------------------------- activation
case("relu", F.relu, any_shape(0), lambda t, x: t.relu(x))
case("relu6", F.relu6, any_shape(0, 6), lambda t, x: t.nn.functional.relu6(x))
case("hardsigmoid", F.hardsigmoid, any_shape(-3, 3),  # torch's own has 1/6 in float32 even for float64
     lambda t, x: t.nn.functional.relu6(x + 3) / 6)
case("hardswish", F.hardswish, any_shape(-3, 3), lambda t, x: t.nn.functional.hardswish(x))
case("sigmoid", F.sigmoid, any_shape(), lambda t, x: t.sigmoid(x))
case("silu", F.silu, any_shape(), lambda t, x: t.nn.functional.silu(x))
case("tanh", F.tanh, any_shape(), lambda t, x: t.tanh(x))


# ---------------------------------------------------------------- structure: channel shuffle
def grouped_channels(draw: Any) -> Example:
    n, groups, each = draw(st.tuples(*[st.integers(1, 4)] * 3))
    spatial = draw(st.sampled_from([(1, 1), (2, 3), (5, 5)]))
    return Example((normal(draw, n, groups * each, *spatial),), {"groups": groups})


case("channel_shuffle", F.channel_shuffle, grouped_channels, lambda t, x, groups: t.channel_shuffle(x, groups))


# ---------------------------------------------------------------- regularisation: dropout
def dropped(x: Any, p: float, seed: int) -> Any:
    """Dropout with a mask that a call made again meets again."""
    manual_seed(seed)
    return F.dropout(x, p)


case("dropout", dropped, lambda draw: Example((normal(draw, *shape(draw, extent=7)),),
                                              {"p": draw(st.sampled_from([0, 0.2, 0.5, 0.9])), "seed": 3}))


# ---------------------------------------------------------------- loss
def with_one_axis(draw: Any) -> Example:
    x = normal(draw, *shape(draw, most=3, extent=21), scale=3)
    return Example((x,), {"axis": draw(st.integers(-x.ndim, x.ndim - 1))})


case("softmax", F.softmax, with_one_axis, lambda t, x, axis: t.softmax(x, axis))
case("log_softmax", F.log_softmax, with_one_axis, lambda t, x, axis: t.log_softmax(x, axis))


def classified(draw: Any) -> Example:
    n, c = draw(st.integers(1, 6)), draw(st.integers(1, 37))
    target = np.array(draw(st.lists(st.integers(0, c - 1), min_size=n, max_size=n)))
    return Example((normal(draw, n, c, scale=3), target),
                   {"reduction": draw(st.sampled_from(["mean", "sum", "none"])),
                    "label_smoothing": draw(st.sampled_from([0.0, 0.1]))})


case("cross_entropy", F.cross_entropy, classified, lambda t, x, target, **k: t.nn.functional.cross_entropy(
    x, target, **k), constant=(1,))
