"""Convolutions of training plans of more than one tap, or with a stride, against the eager Function."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from product_plans import Bench, usable

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.engine.layout import Part
from tinycnn.engine.training.rules import dense
from tinycnn.engine.training.values import Lazy, LazyGradient
from tinycnn.ops.geometry import window

pytestmark = pytest.mark.usefixtures("isa")
CHANNELS = st.sampled_from([1, 3, 8, 16, 17, 40, 58])
TWO = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def convolutions(draw):
    """Arrays of a convolution, forward and back, and what the eager Function makes of them."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    kernel = draw(st.sampled_from([(3, 3), (1, 1), (2, 5), (7, 1)]))
    n, c, o = draw(st.sampled_from([1, 2, 5])), draw(CHANNELS), draw(CHANNELS)
    h, w = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    pads = tuple(draw(st.integers(0, 3)) for _ in range(4))
    how = window("conv2d", (h, w), kernel, draw(TWO), pads, draw(st.tuples(st.integers(1, 2), st.integers(1, 2))))
    assume(min(how.output(h, w)) >= 1)
    oh, ow = how.output(h, w)
    d = SimpleNamespace(how=how, dtype=usable(draw(st.sampled_from([np.float64, np.float64, np.float32]))),
                        x=rng.standard_normal((n, c, h, w)), w=rng.standard_normal((o, c, *kernel)),
                        b=rng.standard_normal(o), gy=rng.standard_normal((n, o, oh, ow)),
                        add=rng.standard_normal((n, c, h, w)), a=rng.standard_normal((4, c)))
    d.conv = dense.Dense(d.x.shape, d.gy.shape, how, 5, 5 + d.w.size)
    return d


def eager(d, x):
    """y, gx, gw, gb."""
    tensors = [Tensor(a, requires_grad=True) for a in (x, d.w, d.b)]
    y = F.conv2d(*tensors, stride=d.how.stride, padding=d.how.pads, dilation=d.how.dilation)
    y.backward(d.gy)
    return y.numpy(), *(t.grad.numpy() if isinstance(t.grad, Tensor) else t.grad for t in tensors)


def parameters(d):
    return np.concatenate([np.zeros(5), d.w.ravel(), d.b, np.zeros(64)])


def assert_near(got, expected, dtype):
    scale = max(1, np.abs(expected).max())
    np.testing.assert_allclose(got, expected, rtol=0, atol=scale * (1e-12 if dtype == np.float64 else 1e-4))


def on_threads(run):
    """What `run` gives on one thread, which must be what it gives on three."""
    one, three = run(1), run(3)
    for a, b in zip(one, three):
        np.testing.assert_array_equal(a, b)
    return one


@given(d=convolutions(), lazy=st.booleans(), biased=st.booleans())
def test_forward(d, lazy, biased):
    if not biased:
        d.conv.b, d.b = None, 0 * d.b
    def run(threads):
        bench = Bench(threads, d.dtype)
        x, y = Lazy(bench.holds(d.x), *([bench.per_channel(*d.a), -0.3, 0.5] if lazy else [])), bench.map(d.gy.shape)
        dense.forward(bench, d.conv, dense.input_frame(bench, d.conv, x), 0, Part(y.stores[0], 0))
        bench.run(parameters(d))
        return [bench.value(y)]
    scale, shift = d.a[:2, None, :, None, None]
    x = np.clip(scale * d.x + shift, -0.3, 0.5) if lazy else d.x
    assert_near(on_threads(run)[0], eager(d, x)[0], d.dtype)


@given(d=convolutions(), adds=st.booleans())
def test_back_to_input(d, adds):
    def run(threads):
        bench = Bench(threads, d.dtype)
        gx, seen = bench.map(d.x.shape), dense.gradient_frame(bench, d.conv, bench.holds(d.gy))
        dense.back_to_input(bench, d.conv, seen, 0, Part(gx.stores[0], 0), bench.holds(d.add) if adds else None)
        bench.run(parameters(d))
        return [bench.value(gx)]
    assert_near(on_threads(run)[0], eager(d, d.x)[1] + d.add * adds, d.dtype)


@given(d=convolutions(), few=st.booleans(), by_caller=st.booleans())
def test_back_to_weights(d, few, by_caller):
    def run(threads):
        bench = Bench(threads, d.dtype, [d.x])
        frame = (dense.given_frame(bench, d.conv, 1) if few and by_caller
                 else dense.input_frame(bench, d.conv, Lazy(bench.holds(d.x)), few))
        gy = bench.holds(d.gy)
        if few:
            dense.back_to_few_channels(bench, d.conv, frame, LazyGradient(gy), 3)
        else:
            gy = dense.in_order_of(bench, frame, gy)
            dense.back_to_weights(bench, d.conv, frame, 0, Part(gy.stores[0], 0), 3)
        return [bench.run(parameters(d), 3 + d.w.size + 16)]
    [gradients] = on_threads(run)
    assert_near(gradients[3:3 + d.w.size].reshape(d.w.shape), eager(d, d.x)[2], d.dtype)
    assert np.isnan(gradients[:3]).all()
    assert np.isnan(gradients[3 + d.w.size:]).all()


@given(d=convolutions())
def test_forward_from_the_callers_array(d):
    def run(threads):
        bench = Bench(threads, d.dtype, [d.x])
        y = bench.map(d.gy.shape)
        dense.forward(bench, d.conv, dense.given_frame(bench, d.conv, 1), 0, Part(y.stores[0], 0))
        bench.run(parameters(d))
        return [bench.value(y)]
    assert_near(on_threads(run)[0], eager(d, d.x)[0], d.dtype)


@given(d=convolutions())
def test_bias_gradient(d):
    def run(threads):
        bench = Bench(threads, d.dtype)
        dense.bias_gradient(bench, bench.holds(d.gy), 3)
        return [bench.run(parameters(d), 3 + d.b.size + 16)]
    [gradients] = on_threads(run)
    assert_near(gradients[3:3 + d.b.size], eager(d, d.x)[3], d.dtype)
    assert np.isnan(gradients[:3]).all()
    assert np.isnan(gradients[3 + d.b.size:]).all()
