"""Winograd's algorithm in training plans, all three ways, against the eager Function."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from product_plans import Bench, usable
from test_dense_kernels import eager, on_threads, parameters

from tinycnn.engine.training.rules import dense, winograd
from tinycnn.engine.training.rules.pointwise import Target
from tinycnn.engine.training.values import Lazy, LazyGradient
from tinycnn.ops.geometry import window

pytestmark = pytest.mark.usefixtures("isa")
CHANNELS = st.sampled_from([1, 3, 8, 16, 17, 40, 58])
LOW, HIGH = -0.3, 0.5


@st.composite
def layers(draw):
    """Arrays of a 3x3 convolution of stride 1, forward and back, and the size of its tiles."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    n, c, o = draw(st.sampled_from([1, 2, 5])), draw(CHANNELS), draw(CHANNELS)
    h, w = draw(st.integers(3, 18)), draw(st.integers(3, 18))
    how = window("conv2d", (h, w), (3, 3), 1, tuple(draw(st.integers(0, 2)) for _ in range(4)), 1)
    oh, ow = how.output(h, w)
    d = SimpleNamespace(how=how, m=draw(st.sampled_from([2, 4])), dtype=usable(draw(st.sampled_from(["f", "d", "d"]))),
                        few=draw(st.sampled_from([0, 8, winograd.FEW_TILES])), x=rng.standard_normal((n, c, h, w)),
                        w=rng.standard_normal((o, c, 3, 3)), b=rng.standard_normal(o),
                        gy=rng.standard_normal((n, o, oh, ow)), add=rng.standard_normal((n, c, h, w)),
                        a=rng.standard_normal((4, c)), c=rng.standard_normal((3, o)),
                        y=rng.standard_normal((n, o, oh, ow)))
    d.conv = dense.Dense(d.x.shape, d.gy.shape, how, 5, 5 + d.w.size)
    return d


def assert_near(got, want, dtype):
    scale = max(1, np.abs(want).max())
    np.testing.assert_allclose(got, want, rtol=0, atol=scale * (1e-11 if np.dtype(dtype) == np.float64 else 3e-4))


def per_channel(vectors):
    return [v[None, :, None, None] for v in vectors]


def lazy_of(d):
    scale, shift = per_channel(d.a[:2])
    return np.clip(scale * d.x + shift, LOW, HIGH)


def blended(d):
    c = per_channel(d.c)
    return c[0] * d.gy + c[1] * d.y + c[2]


def gradient_on(bench, d, blends):
    return (LazyGradient(bench.holds(d.gy), bench.holds(d.y), bench.per_channel(*d.c)) if blends
            else LazyGradient(bench.holds(d.gy)))


def one_strip(monkeypatch, d):
    """Up to how many tiles one strip holds them all."""
    monkeypatch.setattr(winograd, "FEW_TILES", d.few)


def assert_moments(sums, strips, y):
    """Sums of strips and of squares about their means. y: (N, C, H, W)."""
    pixels = y.transpose(1, 0, 2, 3).reshape(y.shape[1], -1)
    for i in range(strips.runs):
        run = pixels[:, i * strips.pixels:(i + 1) * strips.pixels]
        assert_near(sums[0, i], run.sum(1), sums.dtype)
        assert_near(sums[1, i], ((run - run.mean(1, keepdims=True)) ** 2).sum(1), sums.dtype)


@given(d=layers(), lazy=st.booleans(), biased=st.booleans(), summed=st.booleans())
def test_forward(d, lazy, biased, summed):
    if not biased:
        d.conv.b, d.b = None, 0 * d.b
    def run(threads):
        with pytest.MonkeyPatch.context() as patch:
            one_strip(patch, d)
            bench, layer = Bench(threads, d.dtype), winograd.Layer(d.conv, d.m)
            x = Lazy(bench.holds(d.x), *([bench.per_channel(*d.a), LOW, HIGH] if lazy else []))
            y, sums = bench.map(d.gy.shape), layer.sums(bench) if summed else None
            winograd.forward(bench, layer, x, y.stores[0], sums)
            bench.run(parameters(d))
        d.sums = sums
        return [bench.value(y), *([bench.sums(sums, len(d.b))] if summed else [])]
    found = on_threads(run)
    want = eager(d, lazy_of(d) if lazy else d.x)[0]
    assert_near(found[0], want, d.dtype)
    if summed:
        assert_moments(found[1], d.sums, want)


@given(d=layers(), blends=st.booleans(), adds=st.booleans(), gates=st.booleans())
def test_back_to_input(d, blends, adds, gates):
    def run(threads):
        with pytest.MonkeyPatch.context() as patch:
            one_strip(patch, d)
            bench, layer = Bench(threads, d.dtype), winograd.Layer(d.conv, d.m, turned=True)
            gx, sums = bench.map(d.x.shape), layer.sums(bench) if gates else None
            gate = Lazy(bench.holds(d.x), bench.per_channel(*d.a), LOW, HIGH) if gates else None
            into = Target(gx.stores[0], bench.holds(d.add) if adds else None, gate, sums.storage if gates else None)
            winograd.back_to_input(bench, layer, gradient_on(bench, d, blends), into)
            bench.run(parameters(d))
        d.sums = sums
        return [bench.value(gx), *([bench.sums(sums, d.x.shape[1])] if gates else [])]
    found = on_threads(run)
    d.gy = blended(d) if blends else d.gy
    want = eager(d, d.x)[1] + d.add * adds
    if gates:
        z = lazy_of(d)
        want = np.where((z > LOW) & (z < HIGH), want, 0)
        mean, inverse = per_channel(d.a[2:])
        assert_near(found[1].sum(1), [want.sum((0, 2, 3)), (want * (d.x - mean) * inverse).sum((0, 2, 3))], d.dtype)
    assert_near(found[0], want, d.dtype)


@given(d=layers(), blends=st.booleans(), lazy=st.booleans(), band=st.sampled_from([1, winograd.BAND_POINTS]),
       inputs=st.sampled_from([1, 3]), outputs=st.sampled_from([1, 2]))
def test_back_to_weights(d, blends, lazy, band, inputs, outputs):
    def run(threads):
        with pytest.MonkeyPatch.context() as patch:
            one_strip(patch, d)
            for name, value in (("BAND_POINTS", band), ("INPUTS", inputs), ("ALL_INPUTS", inputs), ("OUTPUTS", outputs),
                                ("ALL_OUTPUTS", outputs)):
                patch.setattr(winograd, name, value)
            bench = Bench(threads, d.dtype)
            x = Lazy(bench.holds(d.x), *([bench.per_channel(*d.a), LOW, HIGH] if lazy else []))
            winograd.back_to_weights(bench, d.conv, d.m, x, gradient_on(bench, d, blends), 3)
            return [bench.run(parameters(d), 3 + d.w.size + 16)]
    [gradients] = on_threads(run)
    d.gy = blended(d) if blends else d.gy
    want = eager(d, lazy_of(d) if lazy else d.x)[2]
    assert_near(gradients[3:3 + d.w.size].reshape(d.w.shape), want, d.dtype)
    assert np.isnan(gradients[:3]).all()
    assert np.isnan(gradients[3 + d.w.size:]).all()


@pytest.mark.parametrize(("shape", "outputs", "options", "want"), [
    ((8, 512, 7, 7), 512, {}, 4), ((16, 512, 2, 2), 512, {}, 2), ((8, 64, 56, 56), 64, {}, 4),
    ((1, 512, 1, 1), 512, {}, 0), ((8, 3, 56, 56), 64, {}, 0), ((8, 64, 56, 56), 8, {}, 0),
    ((8, 64, 56, 56), 64, {"stride": 2}, 0),
    ((8, 64, 56, 56), 64, {"dilation": 2}, 0), ((8, 64, 56, 56), 64, {"groups": 2}, 0),
    ((8, 64, 56, 56), 64, {"padding": 3}, 0), ((8, 64, 56, 56), 64, {"kernel": (3, 1)}, 0)])
def test_what_is_done_in_tiles(shape, outputs, options, want):
    how = window("conv2d", shape[2:], options.get("kernel", (3, 3)), options.get("stride", 1),
                 options.get("padding", 1), options.get("dilation", 1))
    y = (shape[0], outputs, *how.output(*shape[2:]))
    assert winograd.tile(shape, y, how, options.get("groups", 1)) == want


@pytest.mark.parametrize("size", [(56, 56), (28, 28), (14, 14), (113, 60), (64, 64), (30, 31)])
@pytest.mark.parametrize("m", [2, 4])
def test_all_strips_but_the_last_have_as_many_pixels(size, m):
    tiles = winograd.Tiles(m, (3, 16, *size))
    for rows in tiles.strips():
        begins = [tiles.pixels(first) for first in range(0, tiles.rows, rows)]
        assert set(np.diff([*begins, 3 * size[0] * size[1]])[:-1]) <= {tiles.pixels(rows)}
