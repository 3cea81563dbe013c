"""The Kullback-Leibler divergence where a probability is 0."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F


@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_probability_of_0_counts_for_nothing(log_target, dtype):
    x = Tensor(np.array([[-np.inf, 0.0], [-1.0, -2.0]], dtype), requires_grad=True)
    p = np.array([[0, 1], [0, 0.5]], dtype)
    with np.errstate(divide="ignore"):
        target = Tensor(np.log(p) if log_target else p, requires_grad=True)
    losses = F.kl_div(x, target, reduction="none", log_target=log_target)
    losses.sum().backward()
    np.testing.assert_allclose(losses.numpy(), [[0, 0], [0, 0.5 * np.log(0.5) + 1]], rtol=1e-6)
    np.testing.assert_allclose(x.grad, -p, rtol=1e-6)
    np.testing.assert_array_equal(target.grad[:, 0], 0)


def test_batchmean_divides_by_the_batch():
    x, t = np.log(np.full((2, 4), 0.25)), np.eye(4)[:2]
    assert F.kl_div(x, t, reduction="batchmean").item() == pytest.approx(np.log(4))
    assert F.kl_div(x, t).item() == pytest.approx(np.log(4) / 4)


@pytest.mark.parametrize(("x", "t", "keywords", "message"), [
    (np.zeros((2, 2)), np.zeros((2, 2)), {"reduction": "batch"}, "'batchmean', 'mean', 'sum' or 'none', got 'batch'"),
    (np.zeros((2, 2)), np.zeros((2, 1)), {}, "target has shape"),
    (np.zeros((0, 2)), np.zeros((0, 2)), {}, "no elements"),
])
def test_refusals(x, t, keywords, message):
    with pytest.raises(ValueError, match=f"kl_div: .*{message}"):
        F.kl_div(x, t, **keywords)
