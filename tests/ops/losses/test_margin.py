"""Focal loss over classes and the multi-class hinge, at the ends of the numbers."""
import numpy as np
import pytest

from tinycnn import Tensor
from tinycnn import functional as F


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_of_large_logits_is_finite(dtype, gamma):
    x = Tensor(np.array([[1e4, -1e4], [1e4, -1e4], [50, 0]], dtype), requires_grad=True)
    losses = F.focal_loss(x, np.array([0, 1, 0]), gamma=gamma, reduction="none")
    losses.sum().backward()
    np.testing.assert_allclose(losses.numpy(), [0, 2e4, 0], atol=1e-9)
    np.testing.assert_allclose(x.grad, [[0, 0], [1, -1], [0, 0]], atol=1e-9)


def test_focal_loss_without_focus_is_cross_entropy():
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((4, 3, 5)), rng.integers(0, 3, (4, 5))
    np.testing.assert_allclose(F.focal_loss(x, target, gamma=0).item(), F.cross_entropy(x, target).item(), rtol=1e-14)


@pytest.mark.parametrize(("keywords", "message"), [
    ({"gamma": -1.0}, "gamma must be a number >= 0, got -1.0"),
    ({"gamma": np.nan}, "gamma must be a number >= 0, got nan"),
    ({"alpha": [1.0, np.nan, 1.0]}, r"alpha\[1\] is nan"),
    ({"alpha": [1.0, 2.0]}, r"alpha has shape \(2,\), expected \(3,\)"),
    ({"reduction": "batchmean"}, "reduction must be"),
])
def test_focal_loss_refuses(keywords, message):
    with pytest.raises(ValueError, match=f"focal_loss: {message}"):
        F.focal_loss(np.zeros((1, 3)), np.array([0]), **keywords)


def test_multi_margin_loss_of_one_class_is_0():
    x = Tensor([[3.0]], requires_grad=True)
    loss = F.multi_margin_loss(x, np.array([0]))
    loss.backward()
    assert loss.item() == x.grad.item() == 0


def test_multi_margin_loss_at_the_margin_is_torchs(torch):
    x = np.array([[0.0, 1.0, 0.0, 2.0]])
    ours, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    F.multi_margin_loss(ours, np.array([1])).backward()
    torch.nn.functional.multi_margin_loss(theirs, torch.tensor([1])).backward()
    np.testing.assert_array_equal(ours.grad, theirs.grad.numpy())


@pytest.mark.parametrize(("x", "target", "keywords", "message"), [
    (np.zeros((2, 3)), [0, 3], {}, r"target\[1\] is 3, expected 0 <= target < 3 \(classes\)$"),
    (np.zeros((2, 3)), [0, -100], {}, r"target\[1\] is -100"),
    (np.zeros((2, 3, 1)), [0, 1], {}, r"input must be \(N, C\)"),
    (np.zeros((2, 3)), [0, 1], {"p": 3}, "p must be 1 or 2"),
    (np.zeros((2, 3)), [0, 1], {"weight": [1, 2]}, "weight has shape"),
    (np.zeros((0, 3)), [], {}, "no elements"),
])
def test_multi_margin_loss_refuses(x, target, keywords, message):
    with pytest.raises(ValueError, match=f"multi_margin_loss: .*{message}"):
        F.multi_margin_loss(x, np.array(target, int), **keywords)
