"""Anchors: torchvision's, number by number, and the counts of the papers."""
from types import SimpleNamespace

import numpy as np
import pytest
from torchvision_oracle import import_torchvision

from tinycnn.detection import anchors as A

SSD_GRIDS = [(38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)]
LITE_GRIDS = [(20, 20), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)]


def theirs(torch, generator, grids, size) -> np.ndarray:
    """What a generator of torchvision gives for an image of that size."""
    images = SimpleNamespace(tensors=torch.zeros(1, 3, *size), image_sizes=[size])
    return generator(images, [torch.zeros(1, 1, *grid) for grid in grids])[0].numpy()


def utils():
    import_torchvision()
    from torchvision.models.detection import anchor_utils
    return anchor_utils


def test_ssd300(torch):
    got = A.default_boxes(SSD_GRIDS, (300, 300), A.SSD300_RATIOS, A.SSD300_SCALES, A.SSD300_STEPS)
    generator = utils().DefaultBoxGenerator([list(r) for r in A.SSD300_RATIOS], scales=list(A.SSD300_SCALES),
                                            steps=list(A.SSD300_STEPS))
    assert got.shape == (8732, 4)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, theirs(torch, generator, SSD_GRIDS, (300, 300)), atol=1e-4)


@pytest.mark.parametrize("size", [(320, 320), (320, 256)], ids=str)
def test_ssdlite(torch, size):
    grids = [(h, max(1, w * size[1] // 320)) for h, w in LITE_GRIDS]
    got = A.default_boxes(grids, size, [(2, 3)] * 6, A.ssd_scales(6))
    generator = utils().DefaultBoxGenerator([[2, 3]] * 6, min_ratio=0.2, max_ratio=0.95)
    np.testing.assert_allclose(got, theirs(torch, generator, grids, size), atol=1e-4)
    assert size != (320, 320) or len(got) == 3234


@pytest.mark.parametrize(("sides", "ratios"), [(A.RETINANET_SIDES, A.RATIOS), (A.RPN_SIDES, A.RATIOS),
                                               ([(s,) for s in (8, 16, 32, 64, 128)], (1.0,))])
def test_anchor_boxes(torch, sides, ratios):
    size, grids = (256, 320), [(32, 40), (16, 20), (8, 10), (4, 5), (2, 3)]
    generator = utils().AnchorGenerator(tuple(tuple(s) for s in sides), (tuple(ratios),) * len(sides))
    np.testing.assert_array_equal(A.anchor_boxes(grids, size, sides, ratios), theirs(torch, generator, grids, size))


def test_points_and_squares():
    points, strides = A.grid_points([(2, 3), (1, 2)], (8, 16))
    assert points.tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12], [8, 8], [24, 8]]
    assert strides.tolist() == [8] * 6 + [16] * 2
    squares = A.square_anchors([(2, 3), (1, 2)], (8, 16))
    np.testing.assert_array_equal((squares[:, :2] + squares[:, 2:]) / 2, points)
    np.testing.assert_array_equal(squares[:, 2:] - squares[:, :2], np.stack([strides * 8] * 2, 1))


@pytest.mark.parametrize(("call", "match"), [
    (lambda: A.grid_points([(2, 2)], (8, 16)), "grid_points: strides has 2 entries for 1 maps"),
    (lambda: A.grid_points([(2, 0)], (8,)), "grid_points: grid_sizes must be .height, width."),
    (lambda: A.grid_points([], ()), "grid_sizes"),
    (lambda: A.default_boxes([(2, 2)], (9, 9), [(2,)], [0.5]), "default_boxes: scales has 1 entries, expected 2"),
    (lambda: A.ssd_scales(0), "ssd_scales: expected a positive number"),
])
def test_what_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
