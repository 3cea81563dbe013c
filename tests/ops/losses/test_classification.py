"""Cross-entropy and nll at the ends of the numbers, with nothing that counts, and what they refuse."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F

LOGITS = np.zeros((2, 10), "f")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("isa")
class TestLargeLogits:
    logits = ((1e4, -1e4, 0.0), (-1e4, -1e4, -1e4), (1e30, -1e30, 0.0))
    target = (0, 1, 1)

    @pytest.mark.parametrize("pixels", [1, 2, 40])
    def test_cross_entropy(self, dtype, pixels):
        x = np.repeat(np.array(self.logits, dtype)[:, :, None], pixels, 2)
        x, target = Tensor(x, requires_grad=True), np.repeat(np.array(self.target)[:, None], pixels, 1)
        loss = F.cross_entropy(x, target, reduction="none")
        loss.sum().backward()
        assert loss.numpy()[:, -1] == pytest.approx([0, np.log(3), 2e30])
        want = np.array([[0, 0, 0], [1 / 3, -2 / 3, 1 / 3], [1, -1, 0]])
        np.testing.assert_allclose(x.grad, np.broadcast_to(want[:, :, None], x.shape), atol=1e-6)

    @pytest.mark.parametrize("at", [0, 16, 40])
    def test_nan_gives_nan_in_its_row_alone(self, dtype, at):
        x = np.zeros((3, 41), dtype)
        x[1, at] = np.nan
        for rows in (x, x[:, :, None].repeat(3, 2)):
            losses = F.cross_entropy(rows, np.zeros((3, *rows.shape[2:]), int), reduction="none").numpy()
            np.testing.assert_array_equal(np.isnan(losses.reshape(3, -1)[:, 0]), [False, True, False])
        assert np.isnan(F.cross_entropy(x, np.array([0, 1, 2])).item())

    @pytest.mark.parametrize("pixels", [(), (3,), (37,)])
    def test_what_is_ignored_may_be_anything(self, dtype, pixels):
        x = np.zeros((2, 3, *pixels), dtype)
        x[1] = np.nan
        target = np.zeros((2, *pixels), int)
        target[1] = -100
        x = Tensor(x, requires_grad=True)
        loss = F.cross_entropy(x, target, label_smoothing=0.1)
        loss.backward()
        assert loss.item() == pytest.approx(np.log(3), rel=1e-6)
        assert np.isfinite(x.grad).all()
        np.testing.assert_array_equal(x.grad[1], 0)

    @pytest.mark.parametrize("function", [F.cross_entropy, F.nll_loss, F.focal_loss])
    @pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5)])
    def test_nothing_that_counts_is_nan_but_its_gradient_is_0(self, dtype, function, shape, torch):
        x = Tensor(np.ones(shape, dtype), requires_grad=True)
        target = np.full((2, *shape[2:]), -100)
        loss = function(x, target)
        loss.backward()
        assert np.isnan(loss.item())
        np.testing.assert_array_equal(x.grad, 0)
        assert torch.nn.functional.cross_entropy(torch.ones(shape), torch.tensor(target)).isnan()
        assert function(x, target, reduction="sum").item() == 0

    def test_one_class_is_certain(self, dtype):
        x = Tensor(np.array([[7.0]], dtype), requires_grad=True)
        loss = F.cross_entropy(x, np.array([0]))
        loss.backward()
        assert loss.item() == 0
        assert x.grad == 0

    def test_a_weight_of_0_and_a_target_of_0_count_for_nothing(self, dtype):
        x = np.array([[0.0, -np.inf]], dtype)
        assert F.nll_loss(x, np.array([0]), weight=[1.0, 0.0]).item() == 0
        assert F.nll_loss(x, np.array([1])).item() == np.inf


@pytest.mark.parametrize("kind", [np.int32, np.uint8, np.int64])
def test_targets_of_any_integer_type(kind):
    x = np.random.default_rng(0).standard_normal((4, 5)).astype("f")
    want = F.cross_entropy(x, np.array([0, 1, 4, 2])).item()
    assert F.cross_entropy(x, np.array([0, 1, 4, 2], kind)).item() == want
    assert F.cross_entropy(x, Tensor(np.array([0, 9, 1, 9, 4, 9, 2, 9], kind)[::2])).item() == want


def test_a_class_may_be_ignored_by_its_number():
    x = np.random.default_rng(0).standard_normal((4, 5))
    want = F.cross_entropy(x[1:], np.array([3, 4, 2])).item()
    assert F.cross_entropy(x, np.array([1, 3, 4, 2]), ignore_index=1).item() == pytest.approx(want)


def test_probabilities_of_one_class_are_its_number():
    x = np.random.default_rng(0).standard_normal((4, 5))
    target = np.array([0, 1, 4, 2])
    assert F.cross_entropy(x, np.eye(5)[target]).item() == pytest.approx(F.cross_entropy(x, target).item())


def test_segmentation_is_cross_entropy_of_its_pixels():
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((2, 3, 4, 5)), rng.integers(0, 3, (2, 4, 5))
    rows = x.transpose(0, 2, 3, 1).reshape(-1, 3)
    losses = F.cross_entropy(x, target, reduction="none")
    assert losses.shape == (2, 4, 5)
    np.testing.assert_allclose(losses.numpy().ravel(), F.cross_entropy(rows, target.ravel(), reduction="none").numpy())


@pytest.mark.parametrize(("target", "message"), [
    ([3, 10], r"target\[1\] is 10, expected 0 <= target < 10"),
    ([-1, 3], r"target\[0\] is -1, expected .* or -100 to ignore it"),
    ([1, 2, 3], r"target has shape \(3,\), expected \(2,\)"),
    ([[1], [2]], r"target has shape \(2, 1\)"),
])
@pytest.mark.parametrize("function", [F.cross_entropy, F.nll_loss, F.focal_loss])
def test_targets_that_are_refused(function, target, message):
    with pytest.raises(ValueError, match=f"{function.__name__}: {message}"):
        function(LOGITS, np.array(target))


def test_the_place_of_a_wrong_pixel_is_told():
    target = np.zeros((2, 3, 4), int)
    target[1, 2, 3] = 2
    with pytest.raises(ValueError, match=r"cross_entropy: target\[1, 2, 3\] is 2"):
        F.cross_entropy(np.zeros((2, 2, 3, 4), "f"), target)


@pytest.mark.parametrize("function", [F.nll_loss, F.focal_loss, F.multi_margin_loss, F.cross_entropy])
def test_targets_that_are_no_integers_are_refused(function):
    with pytest.raises(TypeError, match=f"{function.__name__}: target must be integers"):
        function(LOGITS, np.zeros(2, "f"))


@pytest.mark.parametrize(("x", "keywords", "message"), [
    (np.zeros(2, "f"), {}, r"input must be \(N, C\)"),
    (np.zeros((0, 10), "f"), {}, "no elements"),
    (LOGITS, {"reduction": "average"}, "reduction must be 'mean', 'sum' or 'none', got 'average'"),
    (LOGITS, {"label_smoothing": 1.5}, "label_smoothing must be"),
    (LOGITS, {"label_smoothing": np.nan}, "label_smoothing must be"),
    (LOGITS, {"weight": np.ones(9)}, r"weight has shape \(9,\), expected \(10,\)"),
    (LOGITS, {"weight": [1] * 9 + [np.nan]}, r"weight\[9\] is nan, expected a finite number >= 0"),
    (LOGITS, {"weight": [1, -1] * 5}, r"weight\[1\] is -1"),
    (LOGITS, {"weight": Tensor(np.ones(10, "f"), requires_grad=True)}, "weight is a constant"),
])
def test_other_refusals(x, keywords, message):
    with pytest.raises(ValueError, match=f"cross_entropy: .*{message}"):
        F.cross_entropy(x, np.zeros(len(x), int), **keywords)


@pytest.mark.parametrize(("target", "keywords", "error", "message"), [
    (np.zeros((2, 9), "f"), {}, ValueError, r"target of probabilities has shape \(2, 9\), expected input's, \(2, 10\)"),
    (np.zeros((2, 10), "f"), {"weight": "none"}, TypeError, "weight must be numbers, got 'none'"),
    (np.zeros((2, 10)), {}, TypeError, "target has the type float64, but input has float32"),
    (np.zeros((2, 10), "f"), {"weight": np.ones(9)}, ValueError, r"weight has shape \(9,\)"),
])
def test_probabilities_that_are_refused(target, keywords, error, message):
    with pytest.raises(error, match=message):
        F.cross_entropy(LOGITS, target, **keywords)
