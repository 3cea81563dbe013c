"""What SSD and RefineDet have besides layers: pixels of length 1, transposed convolutions; steps against the tape's."""
from __future__ import annotations

import numpy as np
import pytest
from kernel_rows import DTYPES, Memory, close, dtypes, eager, noise
from test_element_rules import assert_as_accurate, assert_same, assert_same_bits, image

from tinycnn import functional as F
from tinycnn import nn

EPS = 1e-10


# ---------------------------------------------------------------- l2_norm
@dtypes
@pytest.mark.parametrize("c", [1, 17, 40])
@pytest.mark.parametrize("added", [False, True])
def test_back_through_lengths(dtype, c, added):
    memory, x, g, add = Memory(dtype), *(noise(2, c, 5, 7, seed=i).astype(dtype) for i in range(3))
    x[0, :, 2, 3] = 0  # of no length
    g[0, :, 2, 3] *= EPS
    gx = memory.room(memory.blocks(c) * 70 * memory.width)
    memory.run("l2_norm_back", blocks=memory.blocks(c), images=2, n=35, k=c, low=EPS, x=memory.put(x), g=memory.put(g),
               gx=gx, add=memory.put(add) if added else -1)
    _, [want, _] = eager("l2_norm", x, np.ones(c), gy=g, eps=EPS)
    close(memory.map(gx, x.shape), want + add if added else want, dtype)
    memory.assert_refused("x g add gx blocks images n k")


class Lengths(nn.Module):
    """Pixels of length 1, times weights or not; what they are made of is read by others too."""

    def __init__(self, channels, weight, skip, rows=False):
        self.conv, self.norm, self.skip = nn.Conv2d(3, channels, 1), nn.BatchNorm2d(channels), skip
        self.weight, self.rows = nn.Parameter(np.ones(channels)) if weight else None, rows

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x))) + 0.1
        x = F.global_avg_pool2d(x).flatten(1) if self.rows else x
        y = F.l2_norm(x, self.weight, EPS)
        return y + x if self.skip else y


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weight", [False, True])
@pytest.mark.parametrize("skip", [False, True])
def test_lengths(dtype, weight, skip):
    for channels in (1, 17, 40):
        _, ran = assert_same(lambda c=channels: Lengths(c, weight, skip), image(2, 3, 7, 5), dtype)
        assert not {kind for kind in ran if kind.startswith("python")}


def test_lengths_of_rows_and_of_a_weight_alone():
    assert_same(lambda: Lengths(17, True, True, rows=True), image(3, 3, 4, 5))

    def frozen():
        model = Lengths(17, True, False)
        for p in (*model.conv.parameters(), *model.norm.parameters()):
            p.requires_grad = False
        model.norm.eval()
        return model
    assert_same(frozen, image(2, 3, 7, 5))


# ---------------------------------------------------------------- transposed convolution
class Enlarged(nn.Module):
    """A transposed convolution between two layers."""

    def __init__(self, channels, outputs, *window, **options):
        self.conv, self.norm = nn.Conv2d(3, channels, 1), nn.BatchNorm2d(channels)
        self.up, self.last = nn.ConvTranspose2d(channels, outputs, *window, **options), nn.Conv2d(outputs, 5, 1)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)))
        return self.last(F.relu(self.up(x)))


WINDOWS = {"2 by 2": ((2, 2), {}), "no bias": ((2, 2), {"bias": False}), "overlapping": ((4, 2), {"padding": 1}),
           "odd": ((3, 2), {"padding": 1, "output_padding": 1}), "stride 1": ((3, 1), {"padding": 1}),
           "gaps": ((2, 3), {}), "wide": (((2, 3), (1, 2)), {"padding": (0, 1), "dilation": (2, 1)}),
           "much padding after": ((3, 1), {"dilation": 2, "output_padding": 1})}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("window", WINDOWS)
def test_transposed_convolutions(window, dtype):
    arguments, options = WINDOWS[window]
    for shape, channels, outputs in (((2, 3, 5, 8), 17, 20), ((9, 3, 2, 3), 3, 33)):
        _, ran = assert_same(lambda c=channels, o=outputs: Enlarged(c, o, *arguments, **options), image(*shape), dtype,
                             slack=4)
        assert not {kind for kind in ran if kind.startswith("python")}


def test_groups_run_on_the_tape():
    assert_same(lambda: Enlarged(6, 8, 2, 2, groups=2), image(2, 3, 5, 8), python=["conv_transpose2d"])


@pytest.mark.parametrize("make", [lambda: Lengths(17, True, True), lambda: Enlarged(17, 20, 4, 2, padding=1)])
def test_the_same_bits_for_any_number_of_threads(make):
    assert_same_bits(make, image(2, 3, 19, 18))


def test_as_accurate_as_the_tape():
    x = image(2, 3, 19, 18)
    assert_as_accurate(lambda: Lengths(40, True, True), x, image(2, 40, 19, 18, seed=1))
    assert_as_accurate(lambda: Enlarged(40, 20, 2, 2), x, image(2, 5, 38, 36, seed=1))
