"""Losses as modules."""
import numpy as np
import pytest

from tinycnn import Tensor, losses


def test_cross_entropy_is_torchs(torch):
    array, target = np.random.default_rng(0).standard_normal((5, 7)), np.array([0, 6, 3, 3, 1])
    x, tx = Tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    value = losses.CrossEntropyLoss()(x, target)
    want = torch.nn.CrossEntropyLoss()(tx, torch.tensor(target))
    assert value.shape == ()
    assert value.item() == pytest.approx(want.item(), abs=1e-12)
    value.backward()
    want.backward()
    np.testing.assert_allclose(x.grad, tx.grad.numpy(), atol=1e-12)
