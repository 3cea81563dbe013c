"""Depthwise convolution on arrays: definition, twins, gradients, threads."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycnn._kernels import available, kernels, use
from tinycnn.ops import depthwise
from tinycnn.ops.geometry import Window

TYPES = (np.float32, np.float64)
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}
BUILDS = pytest.mark.parametrize(("isa", "dtype"), [(isa, dtype) for isa in available() for dtype in TYPES])


@st.composite
def problems(draw):
    """x, w, b, gy and a window: kernels with tiles of their own and others, maps of a pixel and of several strips, less
    channels than a vector has lanes and more.
    """
    kernel = draw(st.sampled_from([(3, 3), (3, 3), (5, 5), (5, 5), (1, 1), (2, 3), (4, 1), (7, 7)]))
    stride = draw(st.sampled_from([(1, 1), (2, 2), (2, 1), (1, 2), (3, 3)]))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (1, 2), (2, 1), (3, 2)]))
    pads = draw(st.sampled_from([(k//2,)*4 for k in kernel] + [(0, 0, 0, 0), (0, 1, 2, 3), (4, 3, 0, 1)]))
    window = Window(kernel, stride, dilation, pads)
    c, m = draw(st.sampled_from([1, 3, 8, 16, 19, 35])), draw(st.sampled_from([1, 1, 1, 2, 3]))
    n = draw(st.integers(1, 3)) if c < 16 else 2
    least = [max(1, e - a - b) for e, a, b in zip(window.extent, pads[:2], pads[2:])]
    h, w = (n + draw(st.sampled_from([0, 1, 2, 3, 5, 8, 14, 31])) for n in least)
    if draw(st.integers(0, 15)) == 0:
        h, w, c = h + 150, w + 90, 2
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x, weight = rng.standard_normal((n, c, h, w)), rng.standard_normal((c*m, 1, *kernel))
    bias = rng.standard_normal(c*m) if draw(st.booleans()) else None
    return x, weight, bias, rng.standard_normal((n, c*m, *window.output(h, w))), window


def run(x, w, b, gy, window, dtype):
    """y, gx and gw, from memory that held NaN."""
    x, w, gy = x.astype(dtype), w.astype(dtype), gy.astype(dtype)
    y, gx, gw = (np.full_like(a, np.nan) for a in (gy, x, w))
    depthwise.forward(x, w, None if b is None else b.astype(dtype), y, window)
    depthwise.backward_input(gy, w, gx, window)
    depthwise.backward_weight(x, gy, gw, window)
    return y, gx, gw


def definition(x, w, b, window):
    """y by the sum over windows that it is."""
    top, left, bottom, right = window.pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, window.extent, (2, 3))
    seen = seen[:, :, ::window.stride[0], ::window.stride[1], ::window.dilation[0], ::window.dilation[1]]
    y = np.einsum("nkpqij,kij->nkpq", seen.repeat(len(w)//x.shape[1], 1), w[:, 0])
    return y if b is None else y + b[:, None, None]


def assert_close(got, want, dtype):
    np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE[dtype]*max(1, np.abs(want).max()))


@BUILDS
@given(problem=problems())
def test_values_and_adjoints(isa, dtype, problem):
    x, w, b, _, window = problem
    with use(isa):
        y, gx, gw = run(*problem, dtype)
    assert_close(y, definition(x, w, b, window), dtype)
    with use("reference"):
        _, *want = run(*problem, np.float64)
    for got, twin in zip((gx, gw), want):
        assert_close(got, twin, dtype)


@given(problem=problems(), data=st.data())
def test_twins_are_the_definition_and_its_gradients(problem, data):
    """y is linear in x and in w: its gradients are right where the inner products agree for any direction."""
    x, w, b, gy, window = problem
    with use("reference"):
        y, gx, gw = run(*problem, np.float64)
    assert_close(y, definition(x, w, b, window), np.float64)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    dx, dw = rng.standard_normal(x.shape), rng.standard_normal(w.shape)
    assert np.vdot(gx, dx) == pytest.approx(np.vdot(gy, definition(dx, w, None, window)), rel=1e-9, abs=1e-9)
    assert np.vdot(gw, dw) == pytest.approx(np.vdot(gy, definition(x, dw, None, window)), rel=1e-9, abs=1e-9)


@BUILDS
@given(problem=problems())
def test_same_bits_for_any_thread_count(isa, dtype, share_out_everything, problem):
    results = []
    with use(isa):
        for _ in share_out_everything():
            results.append(run(*problem, dtype))
    for other in results[1:]:
        for one, two in zip(results[0], other):
            np.testing.assert_array_equal(one, two)


def test_a_value_that_is_not_finite_stays_in_its_window():
    x = np.ones((2, 2, 5, 5), "f")
    x[0, 1, 2, 2] = np.nan
    y = np.empty((2, 2, 5, 5), "f")
    depthwise.forward(x, np.ones((2, 1, 3, 3), "f"), None, y, Window((3, 3), (1, 1), (1, 1), (1, 1, 1, 1)))
    want = np.zeros(y.shape, bool)
    want[0, 1, 1:4, 1:4] = True
    np.testing.assert_array_equal(np.isnan(y), want)


def test_suits():
    same = Window((3, 3), (1, 1), (1, 1), (1, 1, 1, 1))
    assert depthwise.suits((1, 8, 5, 5), (16, 1, 3, 3), same, 8)
    assert not depthwise.suits((1, 8, 5, 5), (8, 4, 3, 3), same, 2)
    assert not depthwise.suits((1, 8, 5, 5), (8, 1, 15, 15), same, 8)


@pytest.mark.parametrize(("name", "shape"), [("w", (3, 3, 3)), ("b", (3,)), ("y", (1, 4, 0, 5)), ("scratch", (1,))])
def test_kernels_refuse_what_does_not_fit(name, shape):
    arrays = {"x": np.zeros((1, 4, 5, 5), "f"), "w": np.zeros((4, 3, 3), "f"), "b": np.zeros(4, "f"),
              "y": np.zeros((1, 4, 5, 5), "f"), "scratch": np.zeros(10**5, "f")}
    arrays[name] = np.zeros(shape, "f")
    with pytest.raises(ValueError, match="depthwise"):
        kernels(np.dtype("f")).depthwise_forward(*arrays.values(), 1, 1, 1, 1, 1, 1)
