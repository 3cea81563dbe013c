"""Points of FCOS against the rule, one point at a time."""
from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from torchvision_oracle import import_torchvision

from tinycnn._kernels import use
from tinycnn.detection.anchors import grid_points
from tinycnn.detection.points import fcos_ranges, match_points

GRIDS, STRIDES = [(15, 20), (8, 10), (4, 5)], (8, 16, 32)


def truths(seed: int, n: int = 12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-10, 120, (n, 2))
    return np.round(np.concatenate([corner, corner + rng.uniform(4, 150, (n, 2))], 1)).astype(np.float32)


def by_definition(boxes, points, ranges, radii):
    match = []
    for (x, y), (low, high), radius in zip(points, ranges, np.broadcast_to(radii, len(points))):
        fits = []
        for i, (x1, y1, x2, y2) in enumerate(boxes):
            sides = (x - x1, y - y1, x2 - x, y2 - y)
            near = max(abs(x - (x1 + x2) / 2), abs(y - (y1 + y2) / 2)) < radius
            if min(sides) > 0 and low <= max(sides) <= high and near:
                fits.append(((x2 - x1) * (y2 - y1), i))
        match.append(min(fits)[1] if fits else -1)
    return match


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("radius", [None, 1.5])
@pytest.mark.parametrize("seed", range(3))
def test_is_its_definition(seed, radius):
    points, strides = grid_points(GRIDS, STRIDES)
    ranges, boxes = fcos_ranges(strides), truths(seed)
    radii = None if radius is None else radius * strides
    got = match_points(boxes, points, ranges, radii)
    assert got.tolist() == by_definition(boxes, points, ranges, np.inf if radius is None else radii)
    assert len(set(got.tolist())) > 4
    with use("reference"):
        np.testing.assert_array_equal(match_points(boxes, points, ranges, radii), got)


@pytest.mark.parametrize("seed", range(3))
def test_is_torchvisions_fcos(torch, seed):
    """Its criterion, with a head that hands back what the criterion has matched.

    Boxes are not whole: the paper counts the ends of a range to it, torchvision does not.
    """
    import_torchvision()
    from torchvision.models.detection.fcos import FCOS
    points, strides = grid_points(GRIDS, STRIDES, offset=0)
    half = strides[:, None] / 2
    rng = np.random.default_rng(seed)
    boxes = truths(seed) + rng.uniform(0.1, 0.9, 4).astype(np.float32)
    head = SimpleNamespace(compute_loss=lambda targets, outputs, anchors, matched: matched)
    want = FCOS.compute_loss(
        SimpleNamespace(center_sampling_radius=1.5, head=head), [{"boxes": torch.tensor(boxes)}], None,
        [torch.tensor(np.concatenate([points - half, points + half], 1))], [h * w for h, w in GRIDS])
    got = match_points(boxes, points, fcos_ranges(strides), 1.5 * strides)
    np.testing.assert_array_equal(got, want[0].numpy())
    assert (got >= 0).sum() > 10


def test_any_threads_give_the_same(share_out_everything):
    points, strides = grid_points(GRIDS, STRIDES)
    one, *others = [match_points(truths(5), points, fcos_ranges(strides)) for _ in share_out_everything()]
    for other in others:
        np.testing.assert_array_equal(other, one)


def test_nothing_to_match():
    assert match_points([], [[1, 2]], [[0, 9]]).tolist() == [-1]
    assert match_points([[0, 0, 4, 4]], np.zeros((0, 2)), np.zeros((0, 2))).tolist() == []


@pytest.mark.parametrize(("call", "match"), [
    (lambda: match_points([[0, 0, 4, 4]], [1, 2], [[0, 9]]), r"points must be \(P, 2\)"),
    (lambda: match_points([[0, 0, 4, 4]], [[1, 2]], [0, 9]), r"ranges has shape \(2,\), expected \(1, 2\)"),
    (lambda: match_points([[0, 0, 4, 4]], [[1, 2]], [[0, 9]], [1, 2]), "radii has shape"),
    (lambda: match_points([[4, 0, 0, 4]], [[1, 2]], [[0, 9]]), r"match_points: boxes\[0\]"),
    (lambda: fcos_ranges([8, 0]), "fcos_ranges: strides must be"),
])
def test_what_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
