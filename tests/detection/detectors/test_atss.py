"""ATSS: what it answers for, both ways of telling boxes; what every detector promises."""
from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from trials import (
    batch,
    compiles,
    criterion_gradients,
    noisy,
    overfits,
    parameters,
    survives_empty_images,
    trains_by_plan,
)

import tinycnn
from tinycnn.detection import grid_points, match_atss, square_anchors
from tinycnn.models import create_model

TYPES = ("box", "point")
of_each = pytest.mark.parametrize("regression_type", TYPES)


def light(**options):
    return create_model("atss_fpn", backbone="shufflenet_v2_x0_5", num_classes=3,
                        **{"size": 64, "channels": 32, "num_convs": 1, **options})


def test_parameters(blank):
    """Those of FCOS on the same backbone, and a scale for each of five levels (section 3: the heads are the same)."""
    atss, fcos = (parameters(create_model(name, num_classes=80)) for name in ("atss_resnet50_fpn", "fcos_resnet50_fpn"))
    assert atss == fcos + 5


@of_each
def test_encodes_what_the_assignment_says(regression_type):
    detector = light(regression_type=regression_type)
    grids, strides = [(8, 8), (4, 4), (2, 2), (1, 1), (1, 1)], (8, 16, 32, 64, 128)
    anchors, truths = square_anchors(grids, strides), np.array([[4, 4, 40, 36], [30, 30, 62, 60]], np.float32)
    match = match_atss(truths, anchors, [h * w for h, w in grids])
    labels, boxes, quality = detector.encode([truths], [[2, 1]])
    np.testing.assert_array_equal(labels[0], np.where(match < 0, 3, np.array([2, 1])[match]))
    np.testing.assert_array_equal(boxes[0][match == 1], np.broadcast_to(truths[1], (np.sum(match == 1), 4)))
    points = grid_points(grids, strides)[0]
    np.testing.assert_allclose(detector.points, points)
    assert (quality[0][match >= 0] > 0).all()
    assert not quality[0][match < 0].any()
    x, y = points[match == 1][0]
    sides = x - 30, 62 - x, y - 30, 60 - y
    want = np.sqrt(min(sides[:2]) / max(sides[:2]) * min(sides[2:]) / max(sides[2:]))
    assert quality[0][match == 1][0] == pytest.approx(want)


@of_each
def test_boxes_are_the_anchors_at_first(regression_type):
    """Deltas of 0, or distances of four strides."""
    detector = light(regression_type=regression_type).eval()
    raw = detector(np.zeros((1, 3, 64, 64), np.float32))
    np.testing.assert_allclose(detector.boxes_of(raw["bbox_regression"].numpy())[0], detector.anchor_boxes, atol=8,
                               rtol=0.02)


@of_each
def test_gradients(regression_type):
    detector = light(regression_type=regression_type)
    raw = noisy(detector)
    raw["bbox_regression"] = np.abs(raw["bbox_regression"]) + 0.3
    criterion_gradients(detector, raw, batch(detector)[1])


def test_keeps_what_it_promises():
    compiles(light())
    survives_empty_images(light(), ("bbox_regression", "bbox_ctrness"))
    trains_by_plan(partial(light, regression_type="point"))


def test_finds_what_it_was_shown():
    tinycnn.manual_seed(0)
    overfits(light(), 80, 5e-3, fall=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"regression_type": "point"}, {"shared_heads": False}])
def test_variants_find_what_they_were_shown(options):
    tinycnn.manual_seed(0)
    overfits(light(**options), 250, 3e-3, fall=0.5)


def test_refused():
    with pytest.raises(ValueError, match="regression_type must be 'box' or 'point', got 'corner'"):
        light(regression_type="corner")
