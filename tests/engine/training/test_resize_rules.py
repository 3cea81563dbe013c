"""Rules of resizing: steps against the tape's."""
from __future__ import annotations

import pytest
from kernel_rows import DTYPES
from test_element_rules import Chain, assert_same, image

from tinycnn import functional as F
from tinycnn import nn

RESIZES = {
    "doubled": {"scale_factor": 2}, "threefold": {"scale_factor": 3}, "rows": {"scale_factor": (4, 1)},
    "odd": {"size": (13, 9)}, "smaller": {"size": (2, 3)}, "bilinear": {"scale_factor": 2, "mode": "bilinear"},
    "corners": {"size": (8, 3), "mode": "bilinear", "align_corners": True},
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RESIZES)
def test_behind_a_norm(name, dtype):
    _, ran = assert_same(lambda: Chain(lambda x: F.interpolate(F.relu(x), **RESIZES[name])), image(2, 3, 5, 7), dtype)
    assert ran["resize"] == 2


class TopDown(nn.Module):
    """A pyramid of two levels: the larger map, and the smaller one, which goes on besides."""

    def __init__(self):
        self.large, self.down, self.small = nn.Conv2d(3, 17, 1), nn.Conv2d(3, 17, 3, 2, padding=1), nn.Conv2d(17, 17, 1)

    def forward(self, x):
        small = self.small(self.down(x))
        large = self.large(x) + F.interpolate(small, size=x.shape[2:])
        return F.global_avg_pool2d(large * 2) + F.global_avg_pool2d(small)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(2, 3, 8, 6), (3, 3, 7, 5)])
def test_in_a_pyramid(shape, threads):
    assert_same(TopDown, image(*shape), threads=threads, kinds=["resize"])
