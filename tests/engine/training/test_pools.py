"""Gradients of pooling in training plans, against the Functions of the tape."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_rows import Memory, close, dtypes, noise

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.engine.spans import PlanError

CHANNELS = st.sampled_from([1, 3, 17, 58])
LOW, HIGH = 0.0, 6.0


def window_fields(window, mode):
    (kh, kw), (sh, sw), (dh, dw), (top, left, bottom, right) = window
    return {"kh": kh, "kw": kw, "sh": sh, "sw": sw, "dh": dh, "dw": dw, "top": top, "left": left, "n": bottom,
            "px": right, "mode": mode}


def map_fields(memory, x, y):
    return {"images": x[0], "blocks": memory.blocks(x[1]), "h": x[2], "wd": x[3], "oh": y[2], "ow": y[3]}


def room(memory, shape):
    n, c, h, w = shape
    return memory.room(memory.blocks(c) * memory.width * n * h * w)


def eager(call, x, gy=None, seed=1):
    """The result of a Function, a gradient of it, and that of x."""
    x = Tensor(x, requires_grad=True)
    y = call(x)
    gy = np.random.default_rng(seed).standard_normal(y.shape) if gy is None else gy
    y.backward(gy)
    return y.numpy(), gy, x.grad


def levels(rng, shape, ties):
    """Numbers of which many are equal, or none; exact in float32."""
    return (rng.integers(0, 3, shape) if ties else rng.permutation(int(np.prod(shape))).reshape(shape)).astype(float)


@st.composite
def windows(draw, dilated):
    """A shape (N, C, H, W) and arguments of pooling that fit it."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 5)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in (*kernel, *kernel))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 3))) if dilated else (1, 1)
    size = [max(1, d * (k - 1) + 1) + draw(st.integers(0, 8)) for k, d in zip(kernel, dilation)]
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    arguments = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": draw(st.booleans())}
    return (draw(st.integers(1, 3)), draw(CHANNELS), *size), arguments | ({"dilation": dilation} if dilated else {})


def gradient(x, y, gy, fields, dtype=np.float32, threads=1, add=None, in_place=False):
    """By the kernel alone."""
    memory = Memory(dtype, threads)
    inputs = {"x": memory.put(x), "r": memory.put(y), "g": memory.put(gy)}
    if add is not None:
        inputs["add"] = memory.put(add)
    to = inputs["add"] if in_place else room(memory, x.shape)
    memory.run("pool_gradient", y=to, **inputs, **map_fields(memory, x.shape, y.shape), **fields)
    memory.assert_refused("y g blocks images h wd oh ow mode" + (" x r" if fields["mode"] == 0 else ""))
    return memory.map(to, x.shape)


def traced_window(call, x):
    return call(Tensor(x, requires_grad=True)).node.window


@dtypes
@given(case=windows(dilated=True), ties=st.booleans(), threads=st.sampled_from([1, 3]), seed=st.integers(0, 99))
def test_max_pooling(case, ties, threads, seed, dtype):
    shape, arguments = case
    rng = np.random.default_rng(seed)
    x, call = levels(rng, shape, ties), lambda x: F.max_pool2d(x, **arguments)
    y, gy, want = eager(call, x)
    close(gradient(x, y, gy, window_fields(traced_window(call, x), 0), dtype, threads), want, dtype)


@dtypes
@given(case=windows(dilated=False), count=st.booleans(), threads=st.sampled_from([1, 3]), add=st.booleans())
def test_average_pooling(case, count, threads, add, dtype):
    shape, arguments = case
    rng = np.random.default_rng(0)
    x, more = rng.standard_normal(shape), rng.standard_normal(shape) if add else None
    call = lambda x: F.avg_pool2d(x, **arguments, count_include_pad=count)  # noqa: E731
    y, gy, want = eager(call, x)
    got = gradient(x, y, gy, window_fields(traced_window(call, x), 2 if count else 1), dtype, threads, add=more)
    close(got, want + (more if add else 0), dtype)


@dtypes
@given(n=st.integers(1, 2), c=CHANNELS, size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
       out=st.tuples(st.integers(1, 9), st.integers(1, 9)), largest=st.booleans(), ties=st.booleans())
def test_adaptive_pooling(n, c, size, out, largest, ties, dtype):
    x = levels(np.random.default_rng(0), (n, c, *size), ties)
    y, gy, want = eager(lambda x: (F.adaptive_max_pool2d if largest else F.adaptive_avg_pool2d)(x, out), x)
    close(gradient(x, y, gy, {"kh": 0, "mode": 0 if largest else 1}, dtype, threads=2), want, dtype)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 17, 7, 7), (2, 58, 5, 3)])
def test_global_mean_with_what_others_left(shape, in_place):
    rng = np.random.default_rng(0)
    x, add = rng.standard_normal(shape), rng.standard_normal(shape)
    y, gy, want = eager(F.global_avg_pool2d, x)
    got = gradient(x, y, gy, {"kh": 0, "mode": 1}, threads=3, add=add, in_place=in_place)
    close(got, want + add, np.float32)


def test_nan_takes_nothing_and_minus_infinity_does():
    x = np.full((1, 3, 6, 6), -np.inf)
    x[0, 1, 0, 0] = x[0, 1, 5, 5] = np.nan
    call = lambda x: F.max_pool2d(x, 3, 3)  # noqa: E731
    y, gy, want = eager(call, x)
    got = gradient(x, y, gy, window_fields(traced_window(call, x), 0))
    np.testing.assert_array_equal(got, want.astype(np.float32))
    assert (got[0, 1, :3, :3] == 0).all()
    assert got[0, 0, 0, 0] != 0


# ---------------------------------------------------------------- behind batch normalisation
def normalised(memory, c):
    """Coefficients of a batch normalisation, some of them negative: where they lie, and each as (C, 1, 1)."""
    vectors = noise(4, c).astype(memory.dtype)
    return memory.put_lanes(*vectors), [v[:, None, None].astype(float) for v in vectors]


def behind_norm(shape, dtype, threads):
    """Max pooling that normalises as it loads, forward and back: results, and what the tape says of them."""
    memory, raw, add = Memory(dtype, threads), noise(*shape).astype(dtype), noise(*shape, seed=1)
    coefficients, (scale, shift, mean, inverse) = normalised(memory, shape[1])
    call = lambda x: F.max_pool2d(x, 3, 2, 1)  # noqa: E731
    v = scale * raw.astype(float) + shift
    want_y, gy, want = eager(call, np.clip(v, LOW, HIGH))
    want = np.where((v > LOW) & (v < HIGH), want + add, 0)
    fields = {**window_fields(traced_window(call, raw), 0), **map_fields(memory, shape, want_y.shape),
              "x": memory.put(raw), "a": coefficients, "low": LOW, "high": HIGH}
    y, gx, sums = (room(memory, s) for s in (want_y.shape, shape, (shape[0], shape[1], 1, 2)))
    memory.run("pool", y=y, t=memory.room(threads * shape[3] * memory.width), **fields)
    memory.assert_refused("a")
    memory.run("pool_gradient", y=gx, g=memory.put(gy), r=y, ga=coefficients, sums=sums, add=memory.put(add), **fields)
    memory.assert_refused("a ga sums add")
    size = memory.blocks(shape[1]) * 2 * memory.width
    found = [memory.lanes(sums + run * size, 2, shape[1]) for run in range(shape[0])]
    want_sums = np.stack([want.sum((2, 3)), (want * (raw - mean) * inverse).sum((2, 3))], 1)
    return (memory.map(y, want_y.shape), memory.map(gx, shape), np.array(found)), (want_y, want, want_sums)


@dtypes
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 17, 9, 8), (3, 58, 7, 12)])
def test_normalised_on_load_and_gated(shape, dtype):
    results = [behind_norm(shape, dtype, threads) for threads in (1, 3)]
    for got, want in zip(*results[0]):
        close(got, want, dtype)
    for one, other in zip(results[0][0], results[1][0]):
        np.testing.assert_array_equal(one, other)


@dtypes
def test_a_mean_is_gated_too(dtype):
    shape, memory = (2, 17, 4, 6), Memory(dtype)
    raw, gy = noise(*shape).astype(dtype), noise(2, 17, 1, 1)
    coefficients, (scale, shift, _, _) = normalised(memory, 17)
    gx = room(memory, shape)
    memory.run("pool_gradient", y=gx, x=memory.put(raw), g=memory.put(gy), ga=coefficients, low=LOW, high=HIGH, mode=1,
               kh=0, **map_fields(memory, shape, gy.shape))
    v = scale * raw + shift
    close(memory.map(gx, shape), np.where((v > LOW) & (v < HIGH), gy / 24, 0), dtype)


@pytest.mark.parametrize("wrong", [{"sh": 0}, {"dw": 0}, {"kw": 0}, {"kh": -2}, {"top": -1}, {"px": -1},
                                   {"kh": 0, "mode": 2}, {"mode": 3}])
def test_windows_without_extent_are_refused(wrong):
    memory = Memory(np.float32)
    fields = {"kh": 2, "kw": 2, "sh": 2, "sw": 2, "dh": 1, "dw": 1, "mode": 1}
    row = memory.row("pool_gradient", g=memory.put(noise(1, 3, 2, 2)), y=room(memory, (1, 3, 4, 4)),
                     **map_fields(memory, (1, 3, 4, 4), (1, 3, 2, 2)), **fields | wrong)
    with pytest.raises(PlanError, match="expected"):
        memory.check(row)
