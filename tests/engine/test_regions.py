"""Regions of interest compiled: boxes that come with each call, whatever they hold."""
from __future__ import annotations

import numpy as np
import pytest
from engine_nets import assert_compiled, assert_refused, kinds, noise
from hypothesis import given
from hypothesis import strategies as st

import tinycnn
from tinycnn import functional as F
from tinycnn import nn
from tinycnn._kernels import kernels
from tinycnn.engine.check import check
from tinycnn.engine.spans import PlanError

pytestmark = pytest.mark.usefixtures("isa")

POOLS = {
    "roi_pool": lambda x, boxes: F.roi_pool(x, boxes, (3, 4), 0.5),
    "ps_roi_pool": lambda x, boxes: F.ps_roi_pool(x, boxes, (2, 3), 0.5),
    "roi_align": lambda x, boxes: F.roi_align(x, boxes, (3, 4), 0.5, 2, True),
    "roi_align, samples as it takes": lambda x, boxes: F.roi_align(x, boxes, 2, 0.5, -1, False),
}
EDGES = [0.0, -0.0, 1e-40, 0.5, 7.0, 15.999, -3.0, 1e6, -1e6, 3e38, -3e38, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("pool", POOLS)
@given(corners=st.lists(st.tuples(*[st.sampled_from(EDGES) | st.floats(-8, 40, width=32)] * 4), min_size=1, max_size=9),
       threads=st.sampled_from([1, 3]))
def test_any_corners(pool, corners, threads):
    """Also those that lie anywhere or nowhere; values as eagerly."""
    boxes = np.array([(i % 2, *c) for i, c in enumerate(corners)], np.float32)
    assert_compiled(POOLS[pool], noise(2, 6 * 19, 9, 11), boxes, threads=threads)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("number", [-1, 2, 0.5, np.nan, np.inf, -np.inf, 3e38])
def test_a_box_of_no_image_is_nan(pool, number):
    """Eagerly it is refused, which a compiled network cannot do."""
    x, boxes = noise(2, 12, 6, 6), np.array([[1, 1, 1, 9, 9], [number, 1, 1, 9, 9]], np.float32)
    got = tinycnn.compile(POOLS[pool], x, boxes)(x, boxes)
    assert np.isnan(got[1]).all()
    np.testing.assert_allclose(got[:1], POOLS[pool](x, boxes[:1]).numpy(), rtol=0, atol=1e-5)


def test_a_second_stage():
    """Fast R-CNN's, in little: a map, pooled regions, a head; boxes of a first stage, cut off its tape."""
    conv, first, second = nn.Conv2d(3, 20, 3, padding=1), nn.Linear(20 * 9, 8), nn.Linear(8, 6)
    def stage(x, boxes):
        regions = F.roi_align(F.relu(conv(x)), boxes.detach(), 3, 1.0, 2)
        return second(F.relu(first(regions.flatten(1))))
    boxes = np.float32([[0, 1, 1, 6, 7], [1, 0, 0, 3, 3], [0, 4.5, 2.5, 7.5, 8]])
    net = assert_compiled(stage, noise(2, 3, 9, 8), boxes)
    assert kinds(net)["roi_align"] == 1


@pytest.mark.parametrize(("pool", "fields"), [
    ("roi_pool", "x y s k blocks images h wd oh ow"), ("ps_roi_pool", "x y s k blocks images h wd oh ow"),
    ("roi_align", "x y s t k blocks images h wd oh ow")])
def test_a_plan_with_a_wrong_field_is_refused(pool, fields):
    net = tinycnn.compile(POOLS[pool], (2, 24, 6, 6), (4, 5), threads=2)
    assert_refused(net, "roi_align" if pool == "roi_align" else "roi_pool", fields)


def test_samples_without_end_are_refused():
    net = tinycnn.compile(POOLS["roi_align"], (2, 24, 6, 6), (4, 5))
    unit = kernels(np.dtype(np.float32), "engine")
    net._latest.plan.ops[net._latest.plan.kinds.index("roi_align"), unit.FIELDS.index("kh")] = 1025
    with pytest.raises(PlanError, match="1025 samples of a bin, at most 1024"):
        check(net._latest.plan, [2 * 24 * 36, 20, 4 * 24 * 12], unit.WIDTH, net.threads, unit)


def test_too_many_bins():
    with pytest.raises(tinycnn.engine.CompileError, match=r"roi_pool .*bins \(65, 2\), expected at most 64"):
        tinycnn.compile(lambda x, boxes: F.roi_pool(x, boxes, (65, 2)), (1, 3, 4, 4), (2, 5))
