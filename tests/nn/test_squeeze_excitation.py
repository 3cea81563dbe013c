"""Squeeze and excitation: torchvision's layer, the fully connected form, and the two places."""
from __future__ import annotations

import numpy as np
import pytest
from torchvision_oracle import import_torchvision

from tinycnn import Tensor, nn

X = np.random.default_rng(0).standard_normal((2, 12, 5, 7))


@pytest.mark.parametrize("gate", ["Sigmoid", "Hardsigmoid"])
def test_values_gradients_and_state_are_torchvisions(torch, gate):
    block = import_torchvision().ops.SqueezeExcitation
    ours = nn.SqueezeExcitation(12, 5, nn.ReLU, getattr(nn, gate)).to(np.float64)
    theirs = block(12, 5, scale_activation=getattr(torch.nn, gate)).double()
    theirs.load_state_dict({key: torch.as_tensor(value) for key, value in ours.state_dict().items()})
    x, same = Tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    y, want = ours(x), theirs(same)
    np.testing.assert_allclose(y.numpy(), want.detach().numpy(), rtol=1e-12)
    (y*y).sum().backward()
    (want*want).sum().backward()
    np.testing.assert_allclose(x.grad, same.grad.numpy(), atol=1e-8)  # torch's hard sigmoid has 1/6 in float32
    for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-6, atol=1e-7, err_msg=name)


def test_both_forms_are_one_function():
    conv, fc = nn.SqueezeExcitation(12, 5), nn.SqueezeExcitationFC(12, 5)
    fc.load_state_dict({key: value.reshape(value.shape[:2]) for key, value in conv.state_dict().items()})
    x = X.astype("f")
    np.testing.assert_allclose(fc(x).numpy(), conv(x).numpy(), rtol=1e-5, atol=1e-6)


def test_an_inception_module_is_weighed_after_it():
    block = nn.SEInception(nn.Conv2d(12, 32, 1), 32)
    x = X.astype("f")
    np.testing.assert_array_equal(block(x).numpy(), block.se(block.module(x)).numpy())
    assert block.se.fc1.weight.shape == (2, 32)


def test_a_residual_is_weighed_before_it_is_added():
    residual, shortcut = nn.Conv2d(12, 32, 1), nn.Conv2d(12, 32, 1)
    block = nn.SEResidual(residual, 32, reduction=4, shortcut=shortcut)
    x = X.astype("f")
    want = np.maximum(block.se(residual(x)).numpy() + shortcut(x).numpy(), 0)
    np.testing.assert_allclose(block(x).numpy(), want, atol=1e-6)
    assert {name.split(".")[0] for name in block.state_dict()} == {"residual", "se", "shortcut"}
    plain = nn.SEResidual(nn.Conv2d(12, 12, 1), 12, activation=None)
    np.testing.assert_allclose(plain(x).numpy(), plain.se(plain.residual(x)).numpy() + x, atol=1e-6)


@pytest.mark.parametrize("make", [lambda: nn.SqueezeExcitation(0, 4), lambda: nn.SqueezeExcitation(4, 0),
                                  lambda: nn.SEInception(nn.Identity(), 16, reduction=0)])
def test_channels_below_one_are_refused(make):
    with pytest.raises(ValueError, match="must be an integer >= 1"):
        make()
