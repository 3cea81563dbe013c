"""Center loss: how centres move, and what is refused."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F

X = np.array([[4.0, 0.0], [8.0, 2.0], [1.0, 1.0]])


def test_each_centre_moves_by_the_papers_equation():
    centers = np.array([[0.0, 0.0], [1.0, 1.0], [5.0, 5.0]])
    moved = F.center_update(X, np.array([0, 0, 1]), centers, alpha=0.5)
    delta = ((centers[0] - X[0]) + (centers[0] - X[1])) / (1 + 2)
    np.testing.assert_allclose(moved, [centers[0] - 0.5 * delta, [1, 1], [5, 5]])
    np.testing.assert_array_equal(centers, [[0, 0], [1, 1], [5, 5]])


def test_no_gradient_reaches_the_centres():
    centers = Tensor(np.zeros((2, 2)), requires_grad=True)
    x = Tensor(X, requires_grad=True)
    F.center_loss(x, np.array([0, 1, 0]), centers, reduction="sum").backward()
    assert centers.grad is None
    np.testing.assert_array_equal(x.grad, X)


@pytest.mark.parametrize(("x", "target", "centers", "message"), [
    (X, [0, 1, 2], np.zeros((2, 2)), r"target\[2\] is 2, expected 0 <= target < 2"),
    (X, [0, 1], np.zeros((2, 2)), "target has shape"),
    (X, [0, 1, 0], np.zeros((2, 3)), r"centers have shape \(2, 3\), expected \(C, 2\)"),
    (X, [0, 1, 0], np.zeros((0, 2)), "centers of shape .* no elements"),
    (X[0], [0, 1], np.zeros((2, 2)), r"input must be \(N, D\)"),
    (X[:0], [], np.zeros((2, 2)), "no elements"),
])
def test_refusals(x, target, centers, message):
    with pytest.raises(ValueError, match=f"center_loss: .*{message}"):
        F.center_loss(x, np.array(target, int), centers)
