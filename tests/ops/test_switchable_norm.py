"""Switchable normalisation: its extremes, its accuracy, its running statistics, and what is refused."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F

ZEROS, ONES, EVEN = np.zeros(3, "f"), np.ones(3, "f"), np.zeros(3, "f")
X = np.random.default_rng(0).normal(2, 3, (4, 3, 5, 6)).astype("f")


def switched(x, logits, training=True):
    logits = np.array(logits, "f")
    return F.switchable_norm(x, ZEROS.copy(), ONES.copy(), ONES, ZEROS, logits, logits, training).numpy()


@pytest.mark.parametrize(("logits", "alone"), [
    ([60, 0, 0], lambda x: F.instance_norm(x)), ([0, 60, 0], lambda x: F.group_norm(x, 1)),
    ([0, 0, 60], lambda x: F.batch_norm(x, None, None, training=True)),
], ids=["instance", "layer", "batch"])
def test_one_normaliser_alone(logits, alone):
    np.testing.assert_allclose(switched(X, logits), alone(X).numpy(), atol=1e-5)


def test_a_large_mean_leaves_the_digits():
    """The paper's mean of squares minus square of the mean would have none left."""
    y, exact = switched(X + 3000, EVEN), switched(X.astype(np.float64).astype("f"), EVEN)
    np.testing.assert_allclose(y, exact, atol=2e-3)  # a float32 near 3000 is known to 2.4e-4


def test_running_statistics_move_in_place():
    mean, variance = ZEROS.copy(), ONES.copy()
    F.switchable_norm(X, mean, variance, ONES, ZEROS, EVEN, EVEN, training=True, momentum=0.25)
    np.testing.assert_allclose(mean, 0.25 * X.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(variance, 0.75 + 0.25 * X.var((0, 2, 3)), rtol=1e-5)
    kept = mean.copy(), variance.copy()
    F.switchable_norm(X, mean, variance, ONES, ZEROS, EVEN, EVEN)
    np.testing.assert_array_equal(mean, kept[0])
    np.testing.assert_array_equal(variance, kept[1])


def test_evaluation_remembers_the_statistics_of_its_time():
    mean, logits = ZEROS.copy(), Tensor(np.array([0, 0, 1], "f"), requires_grad=True)
    grads = []
    for move in (0, 100):
        y = F.switchable_norm(X, mean, ONES, ONES, ZEROS, logits, EVEN)
        mean += move
        y.backward(np.ones_like(X))
        grads.append(logits.grad)
        mean -= move
        logits.grad = None
    np.testing.assert_array_equal(*grads)


def test_statistics_in_a_view_move_too():
    backing = np.zeros((2, 6), "f")
    F.switchable_norm(X, *backing[:, ::2], ONES, ZEROS, EVEN, EVEN, training=True, momentum=1)
    np.testing.assert_allclose(backing[0, ::2], X.mean((0, 2, 3)), rtol=1e-5)
    assert not backing[:, 1::2].any()


@pytest.mark.parametrize(("change", "message"), [
    ({"x": np.ones((2, 3), "f")}, r"x must be \(N, C, H, W\)"),
    ({"x": np.ones((0, 3, 2, 2), "f")}, r"x of shape \(0, 3, 2, 2\) has no elements"),
    ({"running_mean": np.ones(2, "f")}, r"running_mean has shape \(2,\), expected \(3,\)"),
    ({"bias": np.ones((3, 1), "f")}, r"bias has shape \(3, 1\), expected \(3,\)"),
    ({"var_weight": np.ones(2, "f")}, r"var_weight has shape \(2,\), expected \(3,\)"),
])
def test_refusals(change, message):
    arguments = {"x": X, "running_mean": ZEROS, "running_var": ONES, "weight": ONES, "bias": ZEROS,
                 "mean_weight": EVEN, "var_weight": EVEN}
    with pytest.raises(ValueError, match=f"switchable_norm: .*{message}"):
        F.switchable_norm(**{**arguments, **change})
