"""Group and instance normalisation in training plans: kernels against the tape's operation, steps against its steps."""
from __future__ import annotations

import numpy as np
import pytest
from kernel_rows import DTYPES, Memory, close, dtypes, eager, noise
from test_element_rules import assert_as_accurate, assert_same, assert_same_bits, image

from tinycnn import functional as F
from tinycnn import nn

EPS = 1e-5
GROUPS = [(1, 1), (6, 3), (17, 1), (17, 17), (32, 2), (64, 2), (72, 24), (96, 2)]  # channels, groups


class Norm:
    """A group norm in memory: x, parameters, forward and back."""

    def __init__(self, dtype, c, groups, shape, absent=False, offset=0.0):
        n, h, w = shape
        self.memory = m = Memory(dtype)
        self.x = (noise(n, c, h, w) * 2 + offset).astype(dtype)
        self.w, self.b = ((noise(c, seed=i) + 1).astype(dtype) for i in range(2))
        self.fields = {"blocks": m.blocks(c), "images": n, "k": c, "rows": groups}
        self.pixels, self.planes = {"n": h * w}, m.blocks(c) * n
        self.places = {"w": -1, "b": -1} if absent else {"w": m.put_io(0, self.w), "b": m.put_io(0, self.b)}
        self.attributes, self.absent = {"num_groups": groups, "eps": EPS}, absent
        self.each = {"blocks": self.planes, "images": 1} | self.pixels
        self.at, moments, self.a = m.put(self.x), m.room(2 * self.planes * m.width), m.room(4 * self.planes * m.width)
        m.run("moments", blocks=m.blocks(c), images=n, **self.pixels, x=self.at, y=moments)
        m.run("group_norm_finish", **self.fields, **self.places, s=moments, y=self.a, low=EPS)

    def expected(self, gy=None):
        affine = (None, None) if self.absent else (self.w, self.b)
        return eager("group_norm", self.x, *affine, gy=gy, **self.attributes)

    def forward(self):
        y = self.memory.room(self.planes * self.pixels["n"] * self.memory.width)
        self.memory.run("affine_clip", **self.each, x=self.at, a=self.a, y=y, mode=6, low=-np.inf, high=np.inf)
        return self.memory.map(y, self.x.shape)

    def back(self, gy):
        m, c = self.memory, self.fields["k"]
        sums, by, g = m.room(2 * self.planes * m.width), m.room(3 * self.planes * m.width), m.put(gy)
        gx = m.room(self.planes * self.pixels["n"] * m.width)
        m.run("gate_sums", **self.each, rows=self.pixels["n"], g=g, x=self.at, px=m.width, ga=self.a, low=-np.inf,
              high=np.inf, gx=-1, sums=sums)
        places = {"gw": -1, "b": -1} if self.absent else {k: m.put_io(2, np.full(c, np.nan)) for k in ("gw", "b")}
        m.run("group_norm_back", **self.fields, **self.pixels, **places, a=self.a, sums=sums, y=by)
        m.run("blend", **self.each, g=g, x=self.at, c=by, y=gx)
        return [m.map(gx, self.x.shape), *(m.io[2][at:at + c] for at in places.values() if at >= 0)]


@dtypes
@pytest.mark.parametrize(("c", "groups"), GROUPS)
@pytest.mark.parametrize("shape", [(1, 7, 9), (3, 5, 4), (4, 1, 2)], ids=str)
def test_kernels(dtype, c, groups, shape):
    norm = Norm(dtype, c, groups, shape)
    gy = noise(*norm.x.shape, seed=5).astype(dtype)
    y, gradients = norm.expected(gy)
    close(norm.forward(), y, dtype)
    for got, want in zip(norm.back(gy), gradients, strict=True):
        close(got, want, dtype, factor=4)


@dtypes
def test_without_parameters_and_with_a_large_mean(dtype):
    norm = Norm(dtype, 20, 4, (2, 9, 11), absent=True, offset=100.0)
    gy = noise(*norm.x.shape, seed=5).astype(dtype)
    y, gradients = norm.expected(gy)
    close(norm.forward(), y, dtype, factor=4)
    close(norm.back(gy)[0], gradients[0], dtype, factor=4)


def test_what_the_checks_refuse():
    norm = Norm(DTYPES[-1], 20, 4, (2, 3, 4))
    norm.memory.assert_refused("y s blocks images k rows w b parameters")
    norm.back(noise(*norm.x.shape).astype(DTYPES[-1]))
    norm.memory.rows.pop()
    norm.memory.assert_refused("y a blocks images k rows gw b gradients")


class Chain(nn.Module):
    """A layer, a group norm, and something behind it."""

    def __init__(self, after, channels=18, groups=3, again=False):
        self.conv, self.norm, self.after = nn.Conv2d(3, channels, 1), nn.GroupNorm(groups, channels), after
        self.last = nn.Conv2d(channels, channels, 3, padding=1) if again else lambda x: x

    def forward(self, x):
        return self.last(self.after(self.norm(self.conv(x))))


AFTER = {"nothing": lambda x: x, "relu": F.relu, "silu": F.silu, "clip": lambda x: x.clip(-0.5, 0.75),
         "hardswish": F.hardswish, "read twice": lambda x: F.relu(x) + F.sigmoid(x),
         "and itself": lambda x: F.relu(x) + x,
         "detached": lambda x: F.relu(x) * x.detach(), "scaled": lambda x: F.relu(x * 2) * x.mean(),
         "rows": lambda x: F.softmax(x.reshape(x.shape[0], 6, -1), -1).reshape(x.shape)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("after", AFTER)
def test_what_comes_behind(after, dtype):
    _, ran = assert_same(lambda: Chain(AFTER[after]), image(3, 3, 5, 7), dtype, python=["detach"], slack=2)
    assert "python: group_norm" not in ran
    assert ran["gate_sums"] == 2 or after not in ("nothing", "relu", "silu", "clip", "hardswish")  # one is the loss's


@pytest.mark.parametrize(("c", "groups"), GROUPS[1:])
@pytest.mark.parametrize("shape", [(1, 3, 9, 8), (4, 3, 1, 2), (2, 3, 30, 20)])
def test_groups_and_shapes(c, groups, shape):
    assert_same(lambda: Chain(F.relu, c, groups, again=True), image(*shape))


def test_of_other_values():
    """Instances, a norm of a norm, one behind a batch norm that is read twice, a sequence, a frozen parameter."""
    class Model(nn.Module):
        def __init__(self):
            self.conv, self.batch, self.one = nn.Conv2d(3, 18, 1), nn.BatchNorm2d(18), nn.GroupNorm(2, 18)
            self.two, self.three = nn.InstanceNorm2d(18, affine=True), nn.GroupNorm(6, 18, affine=False)
            self.one.bias.requires_grad = False

        def forward(self, x):
            x = F.relu(self.batch(self.conv(x)))
            x = self.two(self.one(x)) + x
            return F.relu(self.three(x.reshape(x.shape[0], 18, -1)))
    _, ran = assert_same(Model, image(3, 3, 5, 7), slack=10)
    assert not {kind for kind in ran if kind.startswith("python")} & {"python: group_norm", "python: instance_norm"}


def test_a_layer_shared_by_levels():
    """Parameters used for several maps have the sum of their gradients, as in heads of detectors."""
    class Model(nn.Module):
        def __init__(self):
            self.conv, self.norm = nn.Conv2d(3, 18, 1), nn.GroupNorm(6, 18)

        def forward(self, x):
            maps = [F.relu(self.norm(self.conv(y))) for y in (x, F.max_pool2d(x, 2), F.max_pool2d(x, 4))]
            return F.concat([y.reshape(x.shape[0], 18, -1) for y in maps], 2)
    assert_same(Model, image(2, 3, 16, 8))


def test_the_same_bits_for_any_number_of_threads():
    assert_same_bits(lambda: Chain(F.relu, again=True), image(3, 3, 21, 20))


def test_as_accurate_as_the_tape():
    assert_as_accurate(lambda: Chain(F.relu), image(2, 3, 60, 50) + 2, image(2, 18, 60, 50, seed=1))
