"""YOLO v2 over a tree of classes: what it encodes, learns from and says."""
import numpy as np
import pytest
import trials

from tinycnn.detection import YOLOScale
from tinycnn.detection.detectors.yolo9000 import YOLO9000
from tinycnn.losses import WordTree
from tinycnn.models.darknet import PlainDarknet

TREE = WordTree.from_nested(["animal", ["dog", "cat"], "car"])


def small():
    backbone = PlainDarknet((0,) * 5, width=0.25, features_only=True)
    return YOLO9000(backbone, TREE, 64, scales=(YOLOScale(32, ((20.0, 20.0), (30.0, 20.0))),), width=16)


def head(net, logits):
    """Raw heads that see one object, at the first anchor of the first cell."""
    raw = np.full((1, 2, 5 + len(TREE), 2, 2), -20, np.float32)
    raw[0, 0, :5, 0, 0] = 0, 0, 0, 0, 20
    raw[0, 0, 5:, 0, 0] = logits
    return (raw.reshape(1, -1, 2, 2),)


@pytest.mark.parametrize(("logits", "name"), [
    ([9, 0, 9, 0], "dog"), ([9, 0, 0, 0], "animal"), ([0, 9, 9, 0], "car"), ([0, 0, 9, 0], None)])
def test_a_detection_has_the_deepest_name_that_is_likely(logits, name):
    assert TREE.names == ("animal", "car", "dog", "cat")
    net = small()
    found, = net.postprocess(head(net, logits))
    assert [TREE.names[label] for label in found.labels] == ([name] if name else [])
    if name:
        np.testing.assert_allclose(found.boxes, [[6, 6, 26, 26]], atol=1e-4)


def test_nothing_found():
    net = small()
    assert len(net.postprocess((np.full((1, 18, 2, 2), -20, np.float32),))[0].boxes) == 0


def test_encode():
    net = small()
    labels, _, _, truths, image_labels = net.encode([[[4, 4, 26, 26]], None, []], [[2], 3, []])
    assert np.argwhere(labels >= 0).tolist() == [[0, 0, 0, 0]]
    assert image_labels.tolist() == [-1, 3, -1]
    assert not truths[1:].any()
    with pytest.raises(ValueError, match=r"an image without boxes has one label, got \[1, 2\]"):
        net.encode([None], [[1, 2]])


def test_planned_steps_are_the_tapes_for_a_mixed_batch():
    net = small()
    images, boxes, labels = trials.pictures(5, 64)
    dense = net.encode([boxes[0], boxes[1], None, None], [labels[0], labels[1], [3], [0]],
                       [np.ones(2), np.array([0.5, 0.5]), np.ones(1), np.ones(1)])
    trials.trains_by_plan(small, x_and_dense=(net.inputs(images[:4], net.size), dense))


def test_keeps_what_it_promises():
    trials.compiles(small())
    trials.survives_empty_images(small(), ("box", "objectness", "class"))
