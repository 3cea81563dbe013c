"""Sequential and ModuleList."""
import numpy as np
import pytest

from tinycnn import nn


def test_sequential_runs_in_order():
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU())
    x = np.random.default_rng(0).standard_normal((2, 3, 2)).astype(np.float32)
    want = np.maximum(x.reshape(2, 6) @ net[1].weight.numpy().T + net[1].bias.numpy(), 0)
    np.testing.assert_allclose(net(x).numpy(), want, atol=1e-6)


def test_an_empty_sequential_is_the_identity():
    x = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(nn.Sequential()(x).numpy(), x)


def test_a_list_is_indexed_extended_and_spread():
    layers = nn.ModuleList(nn.Linear(n, n) for n in range(1, 12))
    layers.append(nn.ReLU())
    assert len(layers) == 12
    assert layers[10].in_features == 11  # "10" comes after "9", not after "1"
    assert layers[-1] is list(layers)[-1]
    assert len(nn.Sequential(*layers)) == 12


def test_an_item_can_be_replaced():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net[-1] = nn.Linear(2, 3)
    net[0] = nn.Identity()
    assert list(net.state_dict()) == ["1.weight", "1.bias"]
    with pytest.raises(IndexError):
        net[2] = nn.ReLU()


@pytest.mark.parametrize("make", [
    lambda: nn.Sequential(3), lambda: nn.Sequential(act=3), lambda: nn.ModuleList([np.ones(2)])])
def test_only_modules_are_taken(make):
    with pytest.raises(TypeError, match=r"expected a Module, got (int|ndarray)"):
        make()


def test_a_list_does_not_run():
    with pytest.raises(NotImplementedError, match="ModuleList"):
        nn.ModuleList()(1)
