"""Additive attention against its formula."""
import numpy as np
import pytest

from tinycnn import Tensor, gradcheck, nn


def formula(layer, query, keys, mask):
    """Weights and context of one query and its keys, by the equations of the paper."""
    state = layer.state_dict()
    meeting = np.tanh(query @ state["query.weight"].T + keys @ state["key.weight"].T)
    e = np.exp((meeting @ state["score.weight"].T)[:, 0]) * mask
    weights = e / e.sum() if e.any() else e
    return weights @ keys, weights


@pytest.fixture
def layer():
    return nn.AdditiveAttention(4, 6, 8).to(np.float64)


def test_values_are_the_papers(layer):
    rng = np.random.default_rng(0)
    query, keys, mask = rng.standard_normal((3, 4)), rng.standard_normal((3, 5, 6)), rng.random((3, 5)) < 0.6
    mask[1] = False
    context, weights = layer(query, keys, mask)
    for n in range(3):
        for got, want in zip((context, weights), formula(layer, query[n], keys[n], mask[n])):
            np.testing.assert_allclose(got.numpy()[n], want, atol=1e-12)
    np.testing.assert_allclose(weights.numpy().sum(1), [1, 0, 1], atol=1e-12)


def test_several_queries_are_one_after_the_other(layer):
    rng = np.random.default_rng(1)
    queries, keys = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 5, 6))
    context, weights = layer(queries, keys)
    assert (context.shape, weights.shape) == ((2, 3, 6), (2, 3, 5))
    for l in range(3):
        one, its_weights = layer(queries[:, l], keys)
        np.testing.assert_allclose(context.numpy()[:, l], one.numpy(), atol=1e-12)
        np.testing.assert_allclose(weights.numpy()[:, l], its_weights.numpy(), atol=1e-12)


def test_gradients_also_where_a_row_is_masked(layer):
    rng = np.random.default_rng(2)
    mask = np.array([[True, False, True], [False, False, False]])
    inputs = [Tensor(rng.standard_normal(shape), requires_grad=True) for shape in ((2, 4), (2, 3, 6))]
    assert gradcheck(lambda q, k, *_: layer(q, k, mask)[0], [*inputs, *layer.parameters()])
    assert not inputs[0].grad[1].any()


@pytest.mark.parametrize(("shapes", "message"), [
    (((2, 4), (2, 5, 7), (2, 5)), r"keys must be \(N, S, 6\), none of them 0, got the shape \(2, 5, 7\)"),
    (((3, 4), (2, 5, 6), (2, 5)), r"query must be \(2, 4\) or \(2, L, 4\), got the shape \(3, 4\)"),
    (((2, 4), (2, 5, 6), (5,)), r"mask must be \(2, 5\), got the shape \(5,\)"),
])
def test_refusals(layer, shapes, message):
    query, keys, mask = (np.ones(shape) for shape in shapes)
    with pytest.raises(ValueError, match=f"AdditiveAttention: {message}"):
        layer(query, keys, mask.astype(bool))
    with pytest.raises(TypeError, match="mask must be boolean, got float64"):
        layer(np.ones((2, 4)), np.ones((2, 5, 6)), np.ones((2, 5)))
