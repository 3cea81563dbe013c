"""Scaled dot-product attention: masks, rows without a key, and what is refused."""
import numpy as np
import pytest

from tinycnn import Tensor, manual_seed
from tinycnn import functional as F

RNG = np.random.default_rng(0)
Q, K, V = (RNG.standard_normal(shape) for shape in ((2, 3, 4), (2, 5, 4), (2, 5, 6)))
MASK = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], bool)


@pytest.mark.parametrize("additive", [False, True])
def test_a_query_without_a_key_gives_zeros_as_torchs_does(torch, additive):
    """And no NaN in any gradient."""
    mask = np.where(MASK, 0.0, -np.inf) if additive else MASK
    leaves, theirs = ([wrap(a) for a in (Q, K, V)] for wrap in (
        lambda a: Tensor(a, requires_grad=True), lambda a: torch.tensor(a, requires_grad=True)))
    y = F.scaled_dot_product_attention(*leaves, mask)
    ty = torch.nn.functional.scaled_dot_product_attention(*theirs, torch.tensor(mask))
    np.testing.assert_allclose(y.numpy(), ty.detach().numpy(), atol=1e-12)
    assert not y.numpy()[:, 1].any()
    y.sum().backward()
    ty.sum().backward()
    for x, tx in zip(leaves, theirs):
        np.testing.assert_allclose(x.grad, tx.grad.numpy(), atol=1e-12)


def test_an_added_mask_may_be_learned(torch):
    bias = RNG.standard_normal((3, 5))
    ours, theirs = Tensor(bias, requires_grad=True), torch.tensor(bias, requires_grad=True)
    F.scaled_dot_product_attention(Q, K, V, ours).sum().backward()
    torch.nn.functional.scaled_dot_product_attention(*map(torch.tensor, (Q, K, V)), theirs).sum().backward()
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), atol=1e-12)


def test_scale_causality_and_large_scores(torch):
    sdpa = torch.nn.functional.scaled_dot_product_attention
    tensors = list(map(torch.tensor, (Q, K, V)))
    got = F.scaled_dot_product_attention(Q, K, V, is_causal=True, scale=0.3).numpy()
    np.testing.assert_allclose(got, sdpa(*tensors, is_causal=True, scale=0.3).numpy(), atol=1e-12)
    hard = F.scaled_dot_product_attention(Q * 1e4, K * 1e4, V).numpy()  # the largest score takes all
    np.testing.assert_allclose(hard, V[np.arange(2)[:, None], (Q @ K.swapaxes(1, 2)).argmax(2)], atol=1e-12)


def test_dropout_of_weights():
    uniform, ones = np.zeros((1, 1000, 4), "f"), np.ones((1, 1000, 1), "f")
    manual_seed(0)
    y = F.scaled_dot_product_attention(uniform, uniform, ones, dropout_p=0.5).numpy()
    assert y.std() == pytest.approx(1 / np.sqrt(1000), rel=0.1)  # of a mean of 1000 numbers that are 0 or 2
    assert not F.scaled_dot_product_attention(uniform, uniform, ones, dropout_p=1.0).numpy().any()


@pytest.mark.parametrize(("arguments", "keywords", "message"), [
    ((Q[0, 0], K, V), {}, r"query must have two axes or more, none of extent 0, got the shape \(4,\)"),
    ((Q, K[:, :0], V), {}, r"key must have two axes or more, none of extent 0, got the shape \(2, 0, 4\)"),
    ((Q, K[..., :3], V), {}, r"key of shape \(2, 5, 3\) must end in 4"),
    ((Q, K, V[:, :4]), {}, r"value of shape \(2, 4, 6\) must have 5 rows"),
    ((Q, K, V, MASK), {"is_causal": True}, "attn_mask must be None where is_causal=True"),
    ((Q, K, V, MASK[:, :4]), {}, r"attn_mask of shape \(3, 4\) does not broadcast to \(2, 3, 5\)"),
    ((Q, K, V, np.ones((7, 2, 3, 5), bool)), {}, r"attn_mask of shape \(7, 2, 3, 5\) does not broadcast"),
])
def test_refusals(arguments, keywords, message):
    with pytest.raises(ValueError, match=message):
        F.scaled_dot_product_attention(*arguments, **keywords)


def test_masked_softmax_takes_booleans_alone():
    with pytest.raises(TypeError, match="masked_softmax: mask must be boolean, got float64"):
        F.masked_softmax(np.zeros((2, 3)), np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"masked_softmax: mask of shape \(4, 2, 3\) does not broadcast to \(2, 3\)"):
        F.masked_softmax(np.zeros((2, 3)), np.ones((4, 2, 3), bool))
