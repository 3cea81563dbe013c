"""Matrices of how boxes agree: torchvision's values, the ends of the definitions, and what is refused."""
import numpy as np
import pytest
from torchvision_oracle import import_torchvision

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import use

MATRICES = ["box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou"]
SIZES = [(1, 1), (3, 1), (1, 40), (7, 16), (65, 33)]


def boxes(seed: int, n: int, dtype=np.float64) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 8, (n, 2))
    return np.concatenate([corner, corner + rng.uniform(0.1, 6, (n, 2))], 1).astype(dtype)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MATRICES)
class TestMatrices:
    @pytest.mark.parametrize("size", SIZES, ids=str)
    def test_is_torchvisions(self, torch, name, dtype, size):
        a, b = boxes(0, size[0], dtype), boxes(1, size[1], dtype)
        b[0] = a[0]
        want = getattr(import_torchvision().ops, name)(torch.tensor(a), torch.tensor(b)).numpy()
        got = getattr(F, name)(a, Tensor(b))
        assert got.dtype == dtype
        np.testing.assert_allclose(got, want, atol=1e-12 if dtype is np.float64 else 2e-6)

    @pytest.mark.parametrize("size", SIZES, ids=str)
    def test_is_its_twins(self, name, dtype, size):
        a, b = boxes(2, size[0], dtype), boxes(3, size[1], dtype)
        a[-1, 2:] = a[-1, :2]  # a point
        b[0] = a[-1]
        got = getattr(F, name)(a, b)
        with use("reference"):
            want = getattr(F, name)(a.astype(np.float64), b.astype(np.float64))
        np.testing.assert_allclose(got, want, atol=1e-12 if dtype is np.float64 else 2e-6)

    def test_same_bits_for_any_thread_count(self, name, dtype, share_out_everything):
        results = [getattr(F, name)(boxes(4, 19, dtype), boxes(5, 21, dtype)) for _ in share_out_everything()]
        np.testing.assert_array_equal(results[0], results[1])
        np.testing.assert_array_equal(results[0], results[2])

    def test_boxes_without_area(self, name, dtype):
        """Points and lines: numbers, never NaN."""
        flat = np.array([[1, 1, 1, 1], [1, 1, 3, 1], [2, 0, 2, 4], [1, 1, 3, 3]], dtype)
        assert np.isfinite(getattr(F, name)(flat, flat)).all()

    def test_nan_stays_in_its_row_and_column(self, name, dtype):
        a, b = boxes(6, 5, dtype), boxes(7, 20, dtype)
        a[2, 1], b[17, 2] = np.nan, np.nan
        bad = np.zeros((5, 20), bool)
        bad[2], bad[:, 17] = True, True
        np.testing.assert_array_equal(np.isnan(getattr(F, name)(a, b)), bad)

    @pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (0, 0)])
    def test_no_boxes_give_an_empty_matrix(self, name, dtype, sizes):
        y = getattr(F, name)(boxes(0, sizes[0], dtype), boxes(0, sizes[1], dtype))
        assert y.shape == sizes
        assert y.dtype == dtype


@pytest.mark.parametrize("name", MATRICES)
def test_refusals(name):
    good, function = boxes(0, 3, np.float32), getattr(F, name)
    with pytest.raises(ValueError, match=rf"{name}: boxes1 must be \(N, 4\).*got the shape \(4,\)"):
        function(good[0], good)
    with pytest.raises(ValueError, match=rf"{name}: boxes2 must be \(N, 4\).*got the shape \(3, 5\)"):
        function(good, np.zeros((3, 5), "f"))
    with pytest.raises(TypeError, match=f"{name}: boxes2 has the type float64, but boxes1 has float32"):
        function(good, boxes(0, 3))
    with pytest.raises(TypeError, match=f"{name}: boxes1 must be float32, float64 or integers, got float16"):
        function(good.astype(np.float16), good)


def test_eps_that_is_not_positive_is_refused():
    for function in (F.distance_box_iou, F.complete_box_iou):
        with pytest.raises(ValueError, match=f"{function.__name__}: eps must be positive, got 0"):
            function(boxes(0, 3), boxes(0, 3), 0)


def test_integers_are_taken_as_float32():
    y = F.box_iou([[0, 0, 2, 2]], [[1, 0, 3, 2]])
    assert y.dtype == np.float32
    assert y.item() == pytest.approx(1 / 3)


def test_area():
    assert F.box_area(np.array([[[0.0, 1.0, 2.0, 4.0], [1, 1, 1, 5]]])).tolist() == [[6.0, 0.0]]
    with pytest.raises(ValueError, match=r"box_area: boxes must be \(\.\.\., 4\).*got the shape \(3,\)"):
        F.box_area(np.zeros(3))


@pytest.mark.usefixtures("isa")
class TestBestIoU:
    def test_is_the_largest_of_a_matrix(self):
        a, b = boxes(0, 600).reshape(2, 300, 4).astype("f"), boxes(1, 6).reshape(2, 3, 4).astype("f")
        want = np.stack([F.box_iou(x, y).max(1) for x, y in zip(a, b)])
        np.testing.assert_allclose(F.best_iou(a, b).numpy(), want, atol=1e-6)

    def test_padding_nan_and_no_truths_give_0(self):
        a = boxes(0, 18)[None]
        assert not F.best_iou(a, np.zeros((1, 3, 4))).numpy().any()
        assert not F.best_iou(a, np.zeros((1, 0, 4))).numpy().any()
        a[0, 17] = np.nan
        truths = np.concatenate([a[:, 16:17], np.full((1, 1, 4), np.nan)], 1)
        best = F.best_iou(a, truths).numpy()[0]
        assert best[16] == 1
        assert best[17] == 0

    def test_has_no_gradient(self):
        assert not F.best_iou(Tensor(boxes(0, 4)[None], requires_grad=True), boxes(1, 2)[None]).requires_grad

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"best_iou: boxes must be \(N, P, 4\).*\(3, 4\)"):
            F.best_iou(boxes(0, 3), boxes(0, 3))
        with pytest.raises(ValueError, match=r"best_iou: truths has shape \(2, 3, 4\), expected \(1, M, 4\)"):
            F.best_iou(boxes(0, 3)[None], np.zeros((2, 3, 4)))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-6), (np.float64, 1e-14)])
def test_the_angle_keeps_its_digits_for_any_ratio(dtype, tolerance):
    """Of boxes far apart IoU is 0, so CIoU differs from DIoU by v² / (1 + v + eps), from which v can be told."""
    w = np.concatenate([np.logspace(-4, 4, 301), [0, 0.41421356, 1, 2.41421356]])
    a = np.stack([np.zeros_like(w), np.zeros_like(w), w, np.ones_like(w)], 1).astype(dtype)
    b = np.array([[2e4, 2e4, 2e4 + 1, 2e4 + 1]], dtype)
    difference = (F.distance_box_iou(a, b) - F.complete_box_iou(a, b)).astype(np.float64)
    v = 4/np.pi**2*(np.arctan(a[:, 2:3].astype(np.float64)) - np.pi/4)**2
    np.testing.assert_allclose(difference, v*v/(1 + v + 1e-7), atol=tolerance)
