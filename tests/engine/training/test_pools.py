"""Gradients of pooling in training plans, against the Functions of the tape."""
from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from bench import Bench
from hypothesis import given
from hypothesis import strategies as st

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import available
from tinycnn.engine.check import CHECKS
from tinycnn.engine.spans import Fields, PlanError

ISA = available()[0]
pytestmark = pytest.mark.skipif(find_spec(f"tinycnn._kernels._engine_{ISA}_f64") is None,
                                reason="the engine is not built for float64 (TINYCNN_ENGINE_F64=1)")
CHANNELS = st.sampled_from([1, 3, 17, 58])
LOW, HIGH = 0.0, 6.0


def window_fields(window, mode):
    (kh, kw), (sh, sw), (dh, dw), (top, left, bottom, right) = window
    return {"kh": kh, "kw": kw, "sh": sh, "sw": sw, "dh": dh, "dw": dw, "top": top, "left": left, "n": bottom,
            "px": right, "mode": mode}


def map_fields(bench, x, y):
    return {"images": x[0], "blocks": -(-x[1] // bench.width), "h": x[2], "wd": x[3], "oh": y[2], "ow": y[3]}


def eager(call, x, gy=None, seed=1):
    """The result of a Function, a gradient of it, and that of x."""
    x = Tensor(x, requires_grad=True)
    y = call(x)
    gy = np.random.default_rng(seed).standard_normal(y.shape) if gy is None else gy
    y.backward(gy)
    return y.numpy(), gy, x.grad


def levels(rng, shape, ties):
    """Numbers of which many are equal, or none."""
    return rng.integers(0, 3, shape).astype(float) if ties else rng.standard_normal(shape)


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


def gradient(x, y, gy, fields, dtype=np.float64, threads=1, add=None, in_place=False):
    """By the kernel alone."""
    bench = Bench(dtype, threads)
    inputs = {"x": bench.put(x), "r": bench.put(y), "g": bench.put(gy)}
    if add is not None:
        inputs["add"] = bench.put(add)
    target = inputs["add"] if in_place else bench.room(*x.shape)
    bench.emit(target, kind="pool_gradient", **inputs, **map_fields(bench, x.shape, y.shape), **fields)
    return bench.run().read_map(target, x.shape)


def traced_window(call, x):
    return call(Tensor(x, requires_grad=True)).node.window


@given(case=windows(dilated=True), ties=st.booleans(), threads=st.sampled_from([1, 3]), seed=st.integers(0, 99))
def test_max_pooling(case, ties, threads, seed):
    shape, arguments = case
    rng = np.random.default_rng(seed)
    x, call = levels(rng, shape, ties), lambda x: F.max_pool2d(x, **arguments)
    y, gy, want = eager(call, x)
    got = gradient(x, y, gy, window_fields(traced_window(call, x), 0), threads=threads)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


@given(case=windows(dilated=False), count=st.booleans(), threads=st.sampled_from([1, 3]), add=st.booleans())
def test_average_pooling(case, count, threads, add):
    shape, arguments = case
    rng = np.random.default_rng(0)
    x, more = rng.standard_normal(shape), rng.standard_normal(shape) if add else None
    call = lambda x: F.avg_pool2d(x, **arguments, count_include_pad=count)  # noqa: E731
    y, gy, want = eager(call, x)
    got = gradient(x, y, gy, window_fields(traced_window(call, x), 2 if count else 1), threads=threads, add=more)
    np.testing.assert_allclose(got, want + (more if add else 0), rtol=0, atol=1e-12)


@given(n=st.integers(1, 2), c=CHANNELS, size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
       out=st.tuples(st.integers(1, 9), st.integers(1, 9)), largest=st.booleans(), ties=st.booleans())
def test_adaptive_pooling(n, c, size, out, largest, ties):
    x = levels(np.random.default_rng(0), (n, c, *size), ties)
    y, gy, want = eager(lambda x: (F.adaptive_max_pool2d if largest else F.adaptive_avg_pool2d)(x, out), x)
    got = gradient(x, y, gy, {"kh": 0, "mode": 0 if largest else 1}, threads=2)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 17, 7, 7), (2, 58, 5, 3)])
def test_global_mean_with_what_others_left(shape, in_place):
    rng = np.random.default_rng(0)
    x, add = rng.standard_normal(shape), rng.standard_normal(shape)
    y, gy, want = eager(F.global_avg_pool2d, x)
    got = gradient(x, y, gy, {"kh": 0, "mode": 1}, threads=3, add=add, in_place=in_place)
    np.testing.assert_allclose(got, want + add, rtol=0, atol=1e-12)


def test_nan_takes_nothing_and_minus_infinity_does():
    x = np.full((1, 3, 6, 6), -np.inf)
    x[0, 1, 0, 0] = x[0, 1, 5, 5] = np.nan
    call = lambda x: F.max_pool2d(x, 3, 3)  # noqa: E731
    y, gy, want = eager(call, x)
    got = gradient(x, y, gy, window_fields(traced_window(call, x), 0))
    np.testing.assert_array_equal(got, want)
    assert (got[0, 1, :3, :3] == 0).all()
    assert got[0, 0, 0, 0] == gy[0, 0, 0, 0]


# ---------------------------------------------------------------- behind batch normalisation
def normalised(bench, rng, c):
    """Coefficients of a batch normalisation, some of them negative: the storage, and each as (C, 1, 1)."""
    vectors = rng.standard_normal((4, c))
    return bench.put_vectors(*vectors), [v[:, None, None] for v in vectors]


def behind_norm(shape, dtype, threads):
    """Max pooling that normalises as it loads, back and forth: results, and what the tape says of them."""
    rng, bench = np.random.default_rng(0), Bench(dtype, threads)
    raw, add = rng.standard_normal(shape).astype(dtype), rng.standard_normal(shape).astype(dtype)
    coefficients, (scale, shift, mean, inverse) = normalised(bench, rng, shape[1])
    call = lambda x: F.max_pool2d(x, 3, 2, 1)  # noqa: E731
    want_y, gy, want = eager(call, np.clip(scale * raw.astype(float) + shift, LOW, HIGH))
    v = scale * raw + shift
    want = np.where((v > LOW) & (v < HIGH), want + add, 0)
    window = traced_window(call, raw)
    fields = {**window_fields(window, 0), **map_fields(bench, shape, want_y.shape), "x": bench.put(raw),
              "a": coefficients, "low": LOW, "high": HIGH}
    y, gx, sums = bench.room(*want_y.shape), bench.room(*shape), bench.plain(
        shape[0] * 2 * -(-shape[1] // bench.width) * bench.width)
    bench.emit(y, kind="pool", **fields, t=bench.plain(threads * shape[3] * bench.width))
    bench.emit(gx, kind="pool_gradient", **fields, g=bench.put(gy), r=y, ga=coefficients, sums=sums,
               add=bench.put(add))
    bench.run()
    want_sums = np.stack([want.sum((2, 3)), (want * (raw - mean) * inverse).sum((2, 3))], 1)
    return ((bench.read_map(y, want_y.shape), bench.read_map(gx, shape),
             bench.read_vectors(sums, shape[0], 2, shape[1])), (want_y, want, want_sums))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 17, 9, 8), (3, 58, 7, 12)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 2e-5)])
def test_normalised_on_load_and_gated(shape, dtype, tolerance):
    results = [behind_norm(shape, dtype, threads) for threads in (1, 3)]
    for got, want in zip(*results[0]):
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * max(1.0, np.abs(want).max()))
    for one, other in zip(results[0][0], results[1][0]):
        np.testing.assert_array_equal(one, other)


def test_a_mean_is_gated_too():
    shape, bench = (2, 17, 4, 6), Bench(np.float64)
    rng = np.random.default_rng(0)
    raw, gy = rng.standard_normal(shape), rng.standard_normal((2, 17, 1, 1))
    coefficients, (scale, shift, _, _) = normalised(bench, rng, 17)
    gx = bench.room(*shape)
    bench.emit(gx, kind="pool_gradient", x=bench.put(raw), g=bench.put(gy), ga=coefficients, low=LOW, high=HIGH,
               mode=1, kh=0, **map_fields(bench, shape, gy.shape))
    v = scale * raw + shift
    want = np.where((v > LOW) & (v < HIGH), gy / 24, 0)
    np.testing.assert_allclose(bench.run().read_map(gx, shape), want, atol=1e-15)


# ---------------------------------------------------------------- checks
GOOD = {"kind": 0, "blocks": 2, "images": 3, "h": 5, "wd": 4, "oh": 3, "ow": 2, "kh": 3, "kw": 3, "sh": 2, "sw": 2,
        "dh": 1, "dw": 1, "mode": 0, "a": 7, "ga": 8, "sums": 9, "add": 10}


def spans(**fields):
    names = {name: i for i, name in enumerate(FIELDS)}
    row = np.zeros((1, len(FIELDS)), np.int64)
    for name, value in fields.items():
        row[0, names[name]] = value
    return list(CHECKS["pool_gradient"](Fields(names, ["pool_gradient"], row, 0, np.zeros(1, np.int32), 16, 2)))


FIELDS = Bench(np.float32).kernels.FIELDS


@pytest.mark.parametrize("wrong", [{"h": 0}, {"ow": -1}, {"mode": 3}, {"sh": 0}, {"kh": -2}, {"top": -1}, {"px": -1}])
def test_checks_refuse(wrong):
    assert len(spans(**GOOD)) == 8
    with pytest.raises(PlanError):
        spans(**GOOD | wrong)
