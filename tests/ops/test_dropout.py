"""Dropout of elements and of rows: how often, how repeatable, how scaled."""
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


def rows_kept(call, shape):
    """Which rows of ones a call keeps, once it is seen that rows go as a whole."""
    y = call(np.ones(shape, "f")).numpy()
    leading = y.reshape(y.shape[0] * (y.shape[1] if y.ndim == 4 else 1), -1)
    np.testing.assert_array_equal(leading.min(1), leading.max(1))
    return leading[:, 0]


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(("call", "shape"), [(F.dropout2d, (300, 40, 2, 1)), (F.drop_path, (12_000, 3)),
                                             (F.dropout2d, (30, 400, 9, 9))])
def test_rows_are_dropped_as_often_as_promised(call, shape, p):
    manual_seed(7)
    kept = rows_kept(lambda x: call(x, p), shape)
    n = len(kept)
    assert abs((kept == 0).sum() - n * p) < 5 * np.sqrt(n * p * (1 - p))
    np.testing.assert_allclose(kept[kept != 0], 1 / (1 - p), rtol=1e-6)


@pytest.mark.parametrize("pixels", [1, 63, 64, 200])
def test_rows_take_the_words_of_elements(pixels):
    """Row i is dropped where element i of an array would be: the same stream, whatever the length of a row."""
    manual_seed(8)
    elements = F.dropout(np.ones(150, "f"), 0.4).numpy()
    manual_seed(8)
    np.testing.assert_array_equal(rows_kept(lambda x: F.drop_path(x, 0.4), (150, pixels)), elements)


def test_the_whole_batch_goes_at_once():
    manual_seed(9)
    first = [F.stochastic_depth(np.ones((4, 3), "f"), 0.3, "batch").numpy() for _ in range(600)]
    assert all(y.min() == y.max() for y in first)
    dropped = sum(y.max() == 0 for y in first)
    assert abs(dropped - 180) < 5 * np.sqrt(600 * 0.3 * 0.7)
    manual_seed(9)
    np.testing.assert_array_equal(first[0], F.stochastic_depth(np.ones((4, 3), "f"), 0.3, "batch").numpy())


def test_stochastic_depth_of_rows_is_drop_path():
    masks = []
    for call in (lambda x: F.stochastic_depth(x, 0.5, "row"), lambda x: F.drop_path(x, 0.5)):
        manual_seed(10)
        masks.append(call(np.ones((40, 2), "f")).numpy())
    np.testing.assert_array_equal(*masks)


ROWS = [F.dropout2d, F.drop_path, F.drop_connect, lambda x, p, training=True: F.stochastic_depth(x, p, "row", training),
        lambda x, p, training=True: F.stochastic_depth(x, p, "batch", training)]


@pytest.mark.parametrize("call", ROWS)
def test_rows_at_the_ends_of_p(call):
    x = Tensor(np.full((2, 3, 2, 2), np.inf, "f"), requires_grad=True)
    assert call(x, 0.5, False) is x
    assert call(x, 0.0) is x
    y = call(x, 1.0)
    assert not y.numpy().any()
    y.backward(np.ones(y.shape, "f"))
    assert not x.grad.any()
    for p in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="p must be within"):
            call(x, p)
    with pytest.raises(ValueError, match="has no elements"):
        call(np.ones((0, 3, 2, 2), "f"), 0.5)


def test_refusals_of_rows():
    with pytest.raises(ValueError, match=r"dropout2d: x must be \(N, C, H, W\), got the shape \(2, 3\)"):
        F.dropout2d(np.ones((2, 3), "f"))
    with pytest.raises(ValueError, match="mode must be 'row' or 'batch', got 'column'"):
        F.stochastic_depth(np.ones((2, 3), "f"), 0.5, "column")
    with pytest.raises(ValueError, match="at least 1 axes"):
        F.drop_path(np.float32(1), 0.5)
