"""Losses as modules."""
import numpy as np
import pytest

from tinycnn import Tensor, losses

OPTIONS = [{}, {"reduction": "sum"}, {"reduction": "none"}, {"label_smoothing": 0.1}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_cross_entropy_is_torchs(torch, options):
    array, target = np.random.default_rng(0).standard_normal((5, 7)), np.array([0, 6, 3, 3, 1])
    x, tx = Tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    value = losses.CrossEntropyLoss(**options)(x, target)
    want = torch.nn.CrossEntropyLoss(**options)(tx, torch.tensor(target))
    assert value.shape == tuple(want.shape)
    np.testing.assert_allclose(value.numpy(), want.detach().numpy(), atol=1e-12)
    value.sum().backward()
    want.sum().backward()
    np.testing.assert_allclose(x.grad, tx.grad.numpy(), atol=1e-12)
