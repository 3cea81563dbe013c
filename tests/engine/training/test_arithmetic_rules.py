"""Sums, products and quotients of arrays that broadcast, parameters among them: steps against the tape's."""
from __future__ import annotations

import numpy as np
import pytest
from kernel_rows import DTYPES
from test_element_rules import assert_as_accurate, assert_same, assert_same_bits, image

from tinycnn import functional as F
from tinycnn import nn


class Scaled(nn.Module):
    """A layer, and its result with a parameter of some shape. bare: nothing but the layer comes before."""

    def __init__(self, combine, shape, bare=False):
        self.conv, self.norm = nn.Conv2d(3, 17, 1), (lambda x: x) if bare else nn.BatchNorm2d(17)
        self.scale, self.combine = nn.Parameter(np.full(shape, 0.75)), combine

    def forward(self, x):
        return self.combine(F.relu(self.norm(self.conv(x))), 1.5 + F.relu(self.scale)) * self.scale


SHAPES = [(), (1,), (1, 1, 1, 1), (17, 1, 1), (1, 17, 1, 1), (3, 1, 1, 1), (3, 17, 1, 1), (5, 7), (7,)]
WAYS = {"times": lambda x, s: x * s, "turned": lambda x, s: s * x, "over": lambda x, s: x / s,
        "under": lambda x, s: s / (x + 2), "plus": lambda x, s: x + s, "minus": lambda x, s: s - x}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_map_and_a_parameter(way, shape):
    _, ran = assert_same(lambda: Scaled(WAYS[way], shape), image(3, 3, 5, 7))
    assert not {kind for kind in ran if kind.startswith("python")}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 3, 9, 8), (4, 3, 1, 1), (2, 3, 30, 20)])
def test_a_number_of_all_pixels(shape, dtype):
    _, ran = assert_same(lambda: Scaled(WAYS["times"], (), bare=True), image(*shape), dtype)
    assert not {kind for kind in ran if kind.startswith("python")}
    assert ran.get("scale_back", 0) == (0 if shape[2:] == (1, 1) else 2)


class Fused(nn.Module):
    """Maps weighed by shares that are computed of parameters (EfficientDet, section 3.3), one of them read twice."""

    def __init__(self):
        self.one, self.two = nn.Conv2d(3, 17, 1), nn.Conv2d(3, 17, 1)
        self.weights, self.root = nn.Parameter(np.ones(3)), nn.Parameter(np.ones(2))

    def forward(self, x):
        w, maps = F.relu(self.weights), [self.one(x), F.silu(self.two(x)), self.one(x)]
        w = w / (w.sum() + 1e-4)
        total = sum(y * w[i:i + 1].reshape(1, 1, 1, 1) for i, y in enumerate(maps))
        return total * (self.root * self.root / 3).sum()


@pytest.mark.parametrize("dtype", DTYPES)
def test_weighed_sums(dtype):
    _, ran = assert_same(Fused, image(2, 3, 6, 5), dtype)
    assert not {kind for kind in ran if kind.startswith("python")}


def test_a_number_that_nothing_else_needs_a_gradient_for():
    class Model(nn.Module):
        def __init__(self):
            self.scale, self.rows = nn.Parameter(2.0), nn.Parameter(np.ones((4, 1, 5)))

        def forward(self, x):
            return (x * self.scale).reshape(2, 1, 3, -1)[..., :5] / self.rows
    assert_same(Model, image(2, 3, 6, 5))


@pytest.mark.parametrize("make", [Fused, lambda: Scaled(WAYS["over"], ())], ids=["fused", "over"])
def test_the_same_bits_for_any_number_of_threads(make):
    assert_same_bits(make, image(2, 3, 31, 30))


def test_as_accurate_as_the_tape():
    """A number's gradient is a sum over many pixels."""
    make, x = lambda: Scaled(WAYS["times"], (), bare=True), image(2, 3, 80, 80) + 1
    assert_as_accurate(make, x, image(2, 17, 80, 80, seed=1))
