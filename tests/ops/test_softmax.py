"""Softmax and cross-entropy at the ends of the numbers, and what they refuse."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import available, use


@pytest.fixture(params=available())
def isa(request):
    with use(request.param):
        yield request.param


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("isa")
class TestLargeLogits:
    logits = ((1e4, -1e4, 0.0), (-1e4, -1e4, -1e4), (1e30, -1e30, 0.0))

    def test_cross_entropy(self, dtype):
        x = Tensor(np.array(self.logits, dtype), requires_grad=True)
        loss = F.cross_entropy(x, np.array([0, 1, 1]), "none")
        loss.sum().backward()
        assert loss.numpy() == pytest.approx([0, np.log(3), 2e30])
        assert x.grad == pytest.approx(np.array([[0, 0, 0], [1 / 3, -2 / 3, 1 / 3], [1, -1, 0]]), abs=1e-6)

    def test_softmax(self, dtype):
        y = F.softmax(np.array(self.logits, dtype)).numpy()
        assert y == pytest.approx(np.array([[1, 0, 0], [1 / 3] * 3, [1, 0, 0]]), abs=1e-6)
        logs = F.log_softmax(np.array(self.logits[:2], dtype)).numpy()
        assert logs == pytest.approx(np.array([[0, -2e4, -1e4], [-np.log(3)] * 3]), rel=1e-6)

    @pytest.mark.parametrize("at", [0, 16, 40])
    def test_nan_gives_nan_in_its_row_alone(self, dtype, at):
        x = np.zeros((3, 41), dtype)
        x[1, at] = np.nan
        losses = F.cross_entropy(x, np.array([0, 1, 2]), "none").numpy()
        np.testing.assert_array_equal(np.isnan(losses), [False, True, False])
        assert np.isnan(F.softmax(x).numpy()[1]).all()
        assert np.isnan(F.cross_entropy(x, np.array([0, 1, 2])).item())


@pytest.mark.parametrize("kind", [np.int32, np.uint8, np.int64])
def test_targets_of_any_integer_type(kind):
    x = np.random.default_rng(0).standard_normal((4, 5)).astype("f")
    want = F.cross_entropy(x, np.array([0, 1, 4, 2])).item()
    assert F.cross_entropy(x, np.array([0, 1, 4, 2], kind)).item() == want
    assert F.cross_entropy(x, Tensor(np.array([0, 9, 1, 9, 4, 9, 2, 9], kind)[::2])).item() == want


LOGITS = np.zeros((2, 10), "f")


@pytest.mark.parametrize(("target", "message"), [
    ([3, 10], r"target\[1\] is 10, expected 0 <= target < 10"),
    ([-1, 3], r"target\[0\] is -1"),
    ([1, 2, 3], r"target has shape \(3,\), expected \(2,\)"),
    ([[1], [2]], r"target has shape \(2, 1\)"),
])
def test_targets_that_are_refused(target, message):
    with pytest.raises(ValueError, match=f"cross_entropy: {message}"):
        F.cross_entropy(LOGITS, np.array(target))


def test_targets_that_are_no_integers_are_refused():
    with pytest.raises(TypeError, match="cross_entropy: target must be integers"):
        F.cross_entropy(LOGITS, np.zeros(2, "f"))


@pytest.mark.parametrize(("x", "keywords", "message"), [
    (np.zeros((2, 10, 1), "f"), {}, r"x must be \(N, C\)"),
    (np.zeros((0, 10), "f"), {}, "no elements"),
    (LOGITS, {"reduction": "average"}, "reduction must be"),
    (LOGITS, {"label_smoothing": 1.5}, "label_smoothing must be"),
])
def test_other_refusals(x, keywords, message):
    with pytest.raises(ValueError, match=f"cross_entropy: .*{message}"):
        F.cross_entropy(x, np.zeros(len(x), int), **keywords)


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_an_axis_that_x_does_not_have_is_refused(function):
    with pytest.raises(ValueError, match=f"{function.__name__}: axis 2 is none of x, of shape"):
        function(LOGITS, axis=2)
