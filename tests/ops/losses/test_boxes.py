"""Losses of boxes where boxes touch, coincide, lie apart or have no area; CIoU's gradient; what is refused."""
import numpy as np
import pytest
from torchvision_oracle import import_torchvision

from tinycnn import Tensor
from tinycnn import functional as F

LOSSES = ["iou_loss", "generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss"]
PAIRS = np.array([  # a, b
    [[0, 0, 2, 2], [0, 0, 2, 2]],  # identical
    [[0, 0, 2, 2], [2, 0, 4, 2]],  # touching at an edge
    [[0, 0, 2, 2], [2, 2, 3, 4]],  # touching at a corner
    [[0, 0, 2, 2], [5, 6, 8, 7]],  # apart
    [[0, 0, 4, 4], [1, 1, 2, 3]],  # one within the other
    [[0, 0, 4, 4], [0, 1, 4, 2]],  # ... with common edges
    [[0, 0, 3, 2], [1, 1, 5, 6]],  # overlapping
], np.float64)
FLAT = np.array([  # without area
    [[1, 1, 1, 1], [1, 1, 1, 1]],
    [[1, 1, 1, 1], [2, 2, 2, 2]],
    [[0, 1, 4, 1], [0, 1, 4, 1]],
    [[1, 0, 1, 4], [0, 0, 2, 2]],
    [[0, 0, 2, 2], [1, 1, 1, 1]],
], np.float64)


def run(name, pairs, **keywords):
    a, b = (Tensor(np.ascontiguousarray(x), requires_grad=True) for x in (pairs[:, 0], pairs[:, 1]))
    loss = getattr(F, name)(a, b, **keywords)
    loss.sum().backward()
    return loss.numpy(), a.grad, b.grad


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
class TestSpecialBoxes:
    @pytest.mark.parametrize("name", LOSSES[1:])
    def test_are_torchvisions(self, torch, name, dtype):
        """Ties too: coinciding corners share the gradient."""
        a, b = (torch.tensor(PAIRS[:, i].astype(dtype), requires_grad=True) for i in (0, 1))
        want = getattr(import_torchvision().ops, name)(a, b)
        want.sum().backward()
        for got, expected in zip(run(name, PAIRS.astype(dtype)), (want.detach(), a.grad, b.grad)):
            np.testing.assert_allclose(got, expected.numpy(), atol=1e-12 if dtype is np.float64 else 1e-6)

    @pytest.mark.parametrize("options", [{}, {"logarithmic": True}])
    def test_iou_by_hand(self, dtype, options):
        iou = np.array([1, 0, 0, 0, 2 / 16, 4 / 16, 2 / 24])
        want = -np.log(np.maximum(iou, 1e-7)) if options else 1 - iou
        loss, ga, gb = run("iou_loss", PAIRS.astype(dtype), **options)
        np.testing.assert_allclose(loss, want, atol=1e-6)
        assert not ga[1:4].any()
        assert not gb[1:4].any()
        assert ga[4:].any(1).all()

    @pytest.mark.parametrize("name", LOSSES)
    def test_without_area_nothing_is_nan(self, name, dtype):
        for result in run(name, FLAT.astype(dtype)):
            assert np.isfinite(result).all()

    def test_without_area_the_logarithm_is_finite(self, dtype):
        for result in run("iou_loss", FLAT.astype(dtype), logarithmic=True):
            assert np.isfinite(result).all()

    @pytest.mark.parametrize("name", LOSSES)
    def test_nan_stays_in_its_pair(self, name, dtype):
        pairs = np.concatenate([PAIRS]*3).astype(dtype)
        pairs[9, 0, 2] = np.nan
        loss, ga, _ = run(name, pairs)
        assert np.flatnonzero(np.isnan(loss)).tolist() == [9]
        assert set(np.flatnonzero(np.isnan(ga).any(1))) <= {9}

    @pytest.mark.parametrize("name", LOSSES)
    def test_inverted_boxes_are_survived(self, name, dtype):
        """What an untrained head may say: x2 < x1."""
        pairs = PAIRS.astype(dtype)
        pairs[:, 0] = pairs[:, 0, [2, 1, 0, 3]]
        for result in run(name, pairs):
            assert np.isfinite(result).all()


def test_ciou_gradient_with_alpha_held():
    """Against differences of the formula in which alpha keeps its value at the point."""
    def terms(a, b):
        w = (a[2] - a[0], b[2] - b[0])
        h = (a[3] - a[1], b[3] - b[1])
        common = (min(a[2], b[2]) - max(a[0], b[0]))*(min(a[3], b[3]) - max(a[1], b[1]))
        iou = common/(w[0]*h[0] + w[1]*h[1] - common + 1e-7)
        hull = (max(a[2], b[2]) - min(a[0], b[0]))**2 + (max(a[3], b[3]) - min(a[1], b[1]))**2 + 1e-7
        centres = ((a[0] + a[2] - b[0] - b[2])/2)**2 + ((a[1] + a[3] - b[1] - b[3])/2)**2
        v = 4/np.pi**2*(np.arctan(w[1]/h[1]) - np.arctan(w[0]/h[0]))**2
        return 1 - iou + centres/hull, v, v/(1 - iou + v + 1e-7)

    a, b = np.array([0.3, 0.1, 3.2, 2.2]), np.array([1.0, 0.7, 2.5, 5.0])
    distance, v, alpha = terms(a, b)
    loss, ga, _ = run("complete_box_iou_loss", np.stack([a, b])[None])
    assert loss[0] == pytest.approx(distance + alpha*v, abs=1e-12)
    for i in range(4):
        sides = []
        for step in (1e-6, -1e-6):
            moved = a.copy()
            moved[i] += step
            distance, v, _ = terms(moved, b)
            sides.append(distance + alpha*v)
        assert ga[0, i] == pytest.approx((sides[0] - sides[1])/2e-6, abs=1e-8)


@pytest.mark.parametrize("name", LOSSES)
def test_refusals(name):
    function, good = getattr(F, name), np.zeros((3, 4), "f")
    with pytest.raises(ValueError, match=rf"{name}: boxes1 must be \(\.\.\., 4\).*got the shape \(4, 3\)"):
        function(good.T, good.T)
    with pytest.raises(ValueError, match=rf"{name}: boxes2 has shape \(1, 4\), expected \(3, 4\)"):
        function(good, good[:1])
    with pytest.raises(ValueError, match=rf"{name}: boxes1 of shape \(0, 4\) has no elements"):
        function(good[:0], good[:0])
    with pytest.raises(TypeError, match=f"{name}: boxes2 has the type float64"):
        function(good, good.astype(float))
    with pytest.raises(ValueError, match=f"{name}: reduction must be"):
        function(good, good, "average")
    with pytest.raises(ValueError, match=f"{name}: eps must be positive, got 0"):
        function(good, good, eps=0)
