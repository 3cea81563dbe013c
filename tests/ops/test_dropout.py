"""Dropout: how often, how repeatable, how scaled."""
import numpy as np
import pytest

from tinycnn import Tensor, manual_seed
from tinycnn import functional as F


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_drops_the_share_that_it_promises(p):
    """Each count is within five standard deviations; so are those of neighbours dropped together."""
    manual_seed(11)
    n = 200_000
    dropped = F.dropout(np.ones(n, "f"), p).numpy() == 0
    deviation = np.sqrt(n * p * (1 - p))
    assert abs(dropped.sum() - n * p) < 5 * deviation
    for distance in (1, 16, 64):
        both = (dropped[distance:] & dropped[:-distance]).sum()
        assert abs(both - n * p * p) < 5 * np.sqrt(n) * p


def test_what_stays_is_scaled_and_its_gradient_too():
    manual_seed(5)
    x = Tensor(np.arange(1, 1001, dtype="f").reshape(10, 100), requires_grad=True)
    y = F.dropout(x, 0.2)
    y.backward(np.ones(y.shape, "f"))
    kept = y.numpy() != 0
    np.testing.assert_allclose(y.numpy()[kept], x.numpy()[kept] * 1.25, rtol=1e-6)
    np.testing.assert_array_equal(x.grad, np.where(kept, np.float32(1.25), 0))


def test_every_draw_differs_and_a_seed_brings_them_back():
    def two():
        return [F.dropout(np.ones(100, "f")).tolist() for _ in range(2)]
    manual_seed(1)
    first = two()
    assert first[0] != first[1]
    manual_seed(1)
    assert two() == first
    manual_seed(2)
    assert two() != first


def test_float64_drops_the_same_elements():
    masks = []
    for dtype in (np.float32, np.float64):
        manual_seed(3)
        masks.append(F.dropout(np.ones((7, 31), dtype), 0.5).numpy() == 0)
    np.testing.assert_array_equal(*masks)


def test_does_nothing_outside_of_training_and_at_the_ends():
    x = Tensor(np.ones(50, "f"), requires_grad=True)
    assert F.dropout(x, 0.5, training=False) is x
    assert F.dropout(x, 0.0) is x
    assert not F.dropout(x, 1.0).numpy().any()


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_refuses_what_is_no_probability(p):
    with pytest.raises(ValueError, match="dropout: p must be within"):
        F.dropout(np.ones(3, "f"), p)


def test_refuses_an_empty_array():
    with pytest.raises(ValueError, match="dropout: x of shape"):
        F.dropout(np.ones((0, 3), "f"))
