"""Formats and clipping of boxes: there and back, by hand, and what is refused."""
import numpy as np
import pytest
from torchvision_oracle import import_torchvision

from tinycnn.detection import boxes as B

BOXES = np.array([[1, 2, 7, 5], [0, 0, 3, 9], [4.5, 2.25, 4.75, 8]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("source", B.FORMATS)
@pytest.mark.parametrize("target", B.FORMATS)
def test_formats_are_torchvisions_and_there_is_a_way_back(torch, source, target, dtype):
    want = import_torchvision().ops.box_convert(torch.tensor(BOXES.astype(dtype)), source, target)
    got = B.box_convert(BOXES.astype(dtype), source, target)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, want.numpy(), rtol=1e-6)
    np.testing.assert_allclose(B.box_convert(got, target, source), BOXES, rtol=1e-6)


def test_the_result_is_not_the_argument():
    assert not np.shares_memory(B.box_convert(BOXES, "xyxy", "xyxy"), BOXES)


def test_clipping_and_small_boxes():
    boxes = np.array([[-5.0, -1, 3, 4], [2, 2, 50, 40], [np.nan, 0, 1, 1]])
    np.testing.assert_array_equal(B.clip_boxes_to_image(boxes, (10, 20)),
                                  [[0, 0, 3, 4], [2, 2, 20, 10], [np.nan, 0, 1, 1]])
    assert B.remove_small_boxes(boxes, 8).tolist() == [1]


def test_no_boxes_are_no_error():
    assert B.box_convert([], "xywh", "xyxy").shape == (0, 4)
    assert B.clip_boxes_to_image(np.zeros((0, 4), "f"), (3, 4)).shape == (0, 4)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: B.box_convert(BOXES, "xyxy", "yxyx"), ValueError, "box_convert: out_fmt must be one of .*'yxyx'"),
    (lambda: B.box_convert(np.zeros((3, 5)), "xyxy", "xywh"), ValueError, r"boxes must be \(..., 4\).*\(3, 5\)"),
    (lambda: B.box_convert(["abcd"], "xyxy", "xywh"), TypeError, "box_convert: boxes must be numbers"),
    (lambda: B.box_convert([[1, 2, 3, 4], [1]], "xyxy", "xywh"), ValueError, "box_convert: boxes must be an array"),
    (lambda: B.clip_boxes_to_image(BOXES, (3, -1)), ValueError, "size must be .height, width., neither below 0"),
    (lambda: B.remove_small_boxes(BOXES[None], 1), ValueError, r"boxes must be \(N, 4\)"),
])
def test_what_is_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()
