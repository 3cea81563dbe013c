"""Losses of RetinaNet and FCOS by hand, and what they refuse; the detectors' tests have torchvision's and gradients."""
from __future__ import annotations

import math

import numpy as np
import pytest

from tinycnn.losses import FCOSLoss, RetinaNetLoss


def test_retinanet_by_hand():
    """Two images: one place with a truth, one of neither; then none at all."""
    logits = np.zeros((2, 3, 2))
    labels = np.array([[0, -1, 2], [2, 2, 2]])
    boxes = np.stack([np.full((3, 4), 2.0), np.full((3, 4), np.inf)])
    loss = RetinaNetLoss()(logits, boxes, labels, np.zeros((2, 3, 4)))
    places = np.log(2) / 4 * np.array([0.25 + 3 * 0.75, 6 * 0.75])
    assert loss["classification"].item() == pytest.approx(places.mean())
    assert loss["bbox_regression"].item() == pytest.approx(4.0)


def test_fcos_by_hand():
    """A place with a truth of centre-ness 1/2, one of background, one that does not count; GIoU of boxes side by side.
    """
    boxes = np.array([[[0, 0, 2, 2], [np.inf] * 4, [1, 1, 2, 2]]], float)
    targets = np.array([[[2, 0, 4, 2], [0] * 4, [np.nan] * 4]], float)
    logits, said, labels, quality = np.zeros((1, 3, 2)), np.zeros((1, 3)), np.array([[1, 2, -1]]), [[0.5, 0, 0]]
    for weigh, box_weight, want in ((False, 1.0, 1.0), (True, 2.0, 2.0)):
        loss = FCOSLoss("giou", weigh, box_weight)(logits, boxes, said, labels, targets, np.array(quality))
        assert loss["classification"].item() == pytest.approx(math.log(2) / 4 * (0.25 + 3 * 0.75))
        assert loss["bbox_regression"].item() == pytest.approx(want)
        assert loss["bbox_ctrness"].item() == pytest.approx(math.log(2))


def test_iou_by_hand():
    """-ln of 1/2; weights that are all 0 leave no loss."""
    box, half = np.array([[[0.0, 0.0, 2.0, 2.0]]]), np.array([[[0.0, 0.0, 2.0, 1.0]]])
    zeros, labels = np.zeros((1, 1)), np.array([[0]])
    loss = FCOSLoss("iou")(np.zeros((1, 1, 1)), box, zeros, labels, half, zeros)
    assert loss["bbox_regression"].item() == pytest.approx(math.log(2))
    assert FCOSLoss("iou", weigh_boxes=True)(np.zeros((1, 1, 1)), box, zeros, labels, half,
                                             zeros)["bbox_regression"].item() == 0


def test_prints_its_settings():
    assert repr(RetinaNetLoss("giou")) == "RetinaNetLoss(box_loss='giou', alpha=0.25, gamma=2.0)"


@pytest.mark.parametrize(("changed", "message"), [
    ({"logits": np.zeros((2, 3))}, r"logits must be \(N, P, C\), got the shape \(2, 3\)"),
    ({"logits": np.zeros((0, 3, 2))}, "has no elements"),
    ({"boxes": np.zeros((2, 3, 5))}, r"boxes has shape \(2, 3, 5\), expected \(2, 3, 4\)"),
    ({"targets": np.zeros((2, 4, 4))}, "targets has shape"),
    ({"labels": np.zeros((2, 4), int)}, "labels has shape"),
    ({"labels": np.full((2, 3), 3)}, "label at .* is 3, expected -1 <= label < 3"),
])
def test_refused(changed, message):
    given = {"logits": np.zeros((2, 3, 2)), "boxes": np.zeros((2, 3, 4)), "labels": np.zeros((2, 3), int),
             "targets": np.zeros((2, 3, 4))} | changed
    with pytest.raises(ValueError, match=f"RetinaNetLoss: .*{message}"):
        RetinaNetLoss()(*given.values())
    logits, boxes, labels, targets = given.values()
    with pytest.raises(ValueError, match=f"FCOSLoss: .*{message}"):
        FCOSLoss()(logits, boxes, np.zeros((2, 3)), labels, targets, np.zeros((2, 3)))


def test_refused_by_its_own():
    arrays = np.zeros((1, 2, 1)), np.zeros((1, 2, 4)), np.zeros((1, 3)), np.zeros((1, 2), int), np.zeros((1, 2, 4))
    with pytest.raises(ValueError, match=r"FCOSLoss: centerness has shape \(1, 3\), expected \(1, 2\)"):
        FCOSLoss()(*arrays, np.zeros((1, 2)))
    with pytest.raises(TypeError, match="RetinaNetLoss: labels must be integers"):
        RetinaNetLoss()(arrays[0], arrays[1], np.zeros((1, 2)), arrays[4])
