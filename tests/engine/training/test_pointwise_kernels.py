"""Pointwise layers of training plans against NumPy: values, gradients, what is applied on load, gates, sums."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from product_plans import Bench, usable

from tinycnn.engine.training.rules import pointwise
from tinycnn.engine.training.values import Lazy, LazyGradient

pytestmark = pytest.mark.usefixtures("isa")
CHANNELS = st.sampled_from([1, 3, 8, 16, 17, 40, 58, 70])
MAPS = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 7))
DTYPES = st.sampled_from([np.float64, np.float64, np.float32])


@pytest.fixture(params=["strips", "few pixels", "few pixels, many weights"])
def sharing(request, monkeypatch):
    """Small strips, several of them, or one that threads share by channels, some of which are computed at a time."""
    if request.param == "few pixels, many weights":
        monkeypatch.setattr(pointwise, "HEAVY", 1)
    if request.param == "strips":
        for name, number in {"FEW": 0, "STRIP": 0, "SHORTEST": 14, "LANES": 3}.items():
            monkeypatch.setattr(pointwise, name, number)
    return request.param


@st.composite
def layers(draw):
    """Shapes and arrays of a layer, forward and back."""
    rng, (n, h, w), c, o = np.random.default_rng(draw(st.integers(0, 99))), draw(MAPS), draw(CHANNELS), draw(CHANNELS)
    def noise(*shape):
        return rng.standard_normal(shape)
    return SimpleNamespace(
        dtype=usable(draw(DTYPES)), layer=pointwise.Layer(c, o, n * h * w, 5, 5 + o * c), x=noise(n, c, h, w),
        g=noise(n, o, h, w), y=noise(n, o, h, w), add=noise(n, c, h, w), w=noise(o, c), b=noise(o), a=noise(4, c),
        c=noise(3, o), low=draw(st.sampled_from([-np.inf, -0.2])), high=draw(st.sampled_from([np.inf, 0.3])))


def of_channels(vector):
    return vector[None, :, None, None]


def applied(d):
    """What a load of x applies, and the value before it is clipped."""
    z = of_channels(d.a[0]) * d.x + of_channels(d.a[1])
    return np.clip(z, d.low, d.high), z


def parameters(d):
    return np.concatenate([np.zeros(5), d.w.ravel(), d.b, np.zeros(64)])


def assert_near(got, expected, dtype):
    scale = max(1, np.abs(expected).max())
    np.testing.assert_allclose(got, expected, rtol=0, atol=scale * (1e-12 if dtype == np.float64 else 1e-4))


def per_run(array, sums):
    """(C, pixels of each run) of a map (N, C, H, W)."""
    flat = array.transpose(1, 0, 2, 3).reshape(array.shape[1], -1)
    return [flat[:, i * sums.pixels:(i + 1) * sums.pixels] for i in range(sums.runs)]


def lazy(bench, d, is_lazy):
    if is_lazy:
        return Lazy(bench.holds(d.x), bench.per_channel(*d.a), d.low, d.high)
    return Lazy(bench.holds(d.x))


@given(d=layers(), is_lazy=st.booleans(), biased=st.booleans(), summed=st.booleans())
def test_forward(sharing, d, is_lazy, biased, summed):
    results = []
    for threads in (1, 3):
        bench = Bench(threads, d.dtype)
        d.layer.b = 5 + d.w.size if biased else None
        y, sums = bench.map(d.g.shape), pointwise.sums_for(bench, d.layer, d.layer.outputs)
        pointwise.forward(bench, d.layer, lazy(bench, d, is_lazy), y.stores[0], sums.storage if summed else None)
        bench.run(parameters(d))
        results.append((bench.value(y), bench.sums(sums, d.layer.outputs)))
    z = applied(d)[0] if is_lazy else d.x
    expected = np.einsum("nchw,oc->nohw", z, d.w) + of_channels(d.b) * biased
    (y, found), (y3, found3) = results
    assert_near(y, expected, d.dtype)
    for i, run in enumerate(per_run(expected, sums) if summed else []):
        assert_near(found[0, i], run.sum(1), d.dtype)
        assert_near(found[1, i], ((run - run.mean(1, keepdims=True))**2).sum(1), d.dtype)
    assert (y == y3).all()
    assert not summed or (found == found3).all()


def expected_back(d, is_lazy, blended, adds, gated):
    gy = of_channels(d.c[0]) * d.g + of_channels(d.c[1]) * d.y + of_channels(d.c[2]) if blended else d.g
    z, raw = applied(d)
    gx = np.einsum("nohw,oc->nchw", gy, d.w) + d.add * adds
    if gated:
        gx = gx * ((raw > d.low) & (raw < d.high))
    return np.einsum("nohw,nchw->oc", gy, z if is_lazy else d.x), gx


def emit_back(bench, d, is_lazy, blended, adds, gated, few, wants):
    """What goes back, as the rule of a layer emits it; gives where gx and its sums lie."""
    x, gw = lazy(bench, d, is_lazy), 3 if "w" in wants else None
    gx, sums = bench.map(d.x.shape), pointwise.sums_for(bench, d.layer, d.layer.inputs)
    into = pointwise.Target(gx.stores[0], bench.holds(d.add) if adds else None, sums=sums.storage if gated else None,
                            gate=Lazy(x.raw, bench.per_channel(*d.a), d.low, d.high) if gated else None)
    into = into if "x" in wants else None
    if few:
        gy = bench.holds(d.g)
        if into:
            pointwise.back_to_input(bench, d.layer, gy, into)
        if gw is not None:
            pointwise.back_to_weights(bench, d.layer, x.raw, gy, gw)
    else:
        gy = LazyGradient(bench.holds(d.g), *([bench.holds(d.y), bench.per_channel(*d.c)] if blended else []))
        pointwise.back(bench, d.layer, x, gy, gw, into)
    return gx, sums


@given(d=layers(), is_lazy=st.booleans(), blended=st.booleans(), adds=st.booleans(), gated=st.booleans(),
       wants=st.sampled_from(["xw", "xw", "xw", "x", "w"]))
def test_back(sharing, d, is_lazy, blended, adds, gated, wants):
    few = sharing != "strips"
    is_lazy, blended = is_lazy and not few, blended and not few
    results = []
    for threads in (1, 3):
        bench = Bench(threads, d.dtype)
        gx, sums = emit_back(bench, d, is_lazy, blended, adds, gated, few, wants)
        gradients = bench.run(parameters(d), 3 + d.w.size + 16)
        results.append((gradients, bench.value(gx), bench.sums(sums, d.layer.inputs)))
    (gradients, got, found), again = results
    gw, expected = expected_back(d, is_lazy, blended, adds, gated)
    for one, other in zip(results[0], again):
        np.testing.assert_array_equal(one, other)
    if "w" in wants:
        assert_near(gradients[3:3 + d.w.size].reshape(d.w.shape), gw, d.dtype)
        assert np.isnan(gradients[:3]).all()
        assert np.isnan(gradients[3 + d.w.size:]).all()
    if "x" in wants:
        assert_near(got, expected, d.dtype)
    if "x" in wants and gated:
        about = per_run((d.x - of_channels(d.a[2])) * of_channels(d.a[3]), sums)
        for i, run in enumerate(per_run(expected, sums)):
            assert_near(found[0, i], run.sum(1), d.dtype)
            assert_near(found[1, i], (run * about[i]).sum(1), d.dtype)
