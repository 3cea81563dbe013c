"""Layers that run a few rows at a time, and Winograd's algorithm in bands, on a processor of any cache."""
from __future__ import annotations

import numpy as np
import pytest
from engine_nets import assert_close, picture, settled
from hypothesis import given, settings
from hypothesis import strategies as st

import tinycnn
from tinycnn import functional as F
from tinycnn import nn


@pytest.fixture
def monkeypatch_cache(monkeypatch):
    """Plans for a processor whose second-level cache holds nothing."""
    monkeypatch.setattr("tinycnn.engine.plan.CACHE", 4)


BOTTLENECKS = st.tuples(
    st.integers(1, 2), st.integers(3, 20), st.integers(3, 20), st.integers(1, 40), st.integers(1, 40),
    st.sampled_from([3, 5]), st.integers(1, 2), st.booleans(), st.sampled_from([nn.ReLU6, nn.Hardswish, None]))


@settings(max_examples=40)
@given(BOTTLENECKS, st.integers(1, 3))
def test_strips_of_bottlenecks(monkeypatch_cache, described, threads):
    """A second-level cache of no size makes every bottleneck run in strips."""
    n, h, w, inputs, inner, kernel, stride, expands, activation = described
    layers = [*nn.ConvBNAct(inputs, inner if expands else inputs, 1, activation=activation)] if expands else []
    channels = inner if expands else inputs
    layers += [*nn.DepthwiseBNAct(channels, kernel, stride, activation=activation),
               *nn.ConvBNAct(channels, inputs, 1, activation=None)]
    body = settled(nn.Sequential(*layers))
    model = (lambda x: F.relu(x) + body(F.relu(x))) if stride == 1 else (lambda x: body(F.relu(x)))
    x = picture(n, inputs, h, w)
    net = tinycnn.compile(model, x, threads=threads)
    assert net.report().operations["strip"] == 1
    assert_close(net(x), model(tinycnn.Tensor(x)).numpy())


def test_outputs_that_see_only_the_bias():
    """A stride beyond the kernel leaves them out; what is not finite elsewhere does not reach them."""
    model, x = nn.ConvTranspose2d(1, 1, 1, stride=2), np.array([[[[np.inf, 1], [1, 1]]]], np.float32)
    np.testing.assert_array_equal(tinycnn.compile(model, x)(x), model(x).numpy())


STEMS = st.tuples(
    st.integers(1, 2), st.integers(100, 130), st.integers(100, 130), st.integers(1, 4), st.integers(1, 40),
    st.sampled_from([3, 5, 7]), st.integers(1, 2), st.sampled_from(["pool", "depthwise"]))


@settings(max_examples=20)
@given(STEMS, st.integers(1, 3))
def test_strips_of_first_layers(monkeypatch_cache, described, threads):
    n, h, w, inputs, channels, kernel, stride, then = described
    layers = [*nn.ConvBNAct(inputs, channels, kernel, stride)]
    if then == "pool":
        layers += [nn.MaxPool2d(3, stride, padding=stride - 1, dilation=3 - stride)]
    else:
        layers += [*nn.DepthwiseBNAct(channels, 3, stride), *nn.ConvBNAct(channels, 20, 1)]
    model, x = settled(nn.Sequential(*layers)), picture(n, inputs, h, w)
    net = tinycnn.compile(model, x, threads=threads)
    assert next(iter(net.report().operations)) == "strip"
    assert_close(net(x), model(x).numpy())


@settings(max_examples=30)
@given(st.integers(1, 3), st.integers(3, 30), st.integers(3, 30), st.integers(16, 40), st.integers(1, 40),
       st.integers(1, 3), st.sampled_from([4, 300_000]))
def test_winograd_in_bands(n, h, w, inputs, outputs, threads, cache):
    """Bands that all threads share or, where the cache holds the weights, of each by itself."""
    model, x = nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()), picture(n, inputs, h, w)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinycnn.engine.plan.CACHE", cache)
        net = tinycnn.compile(model, x, threads=threads)
    assert_close(net(x), model(x).numpy())
