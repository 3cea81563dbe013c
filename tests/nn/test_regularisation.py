"""Modules that drop something: in training alone, and what they promise to drop."""
import numpy as np
import pytest

from tinycnn import Tensor, manual_seed, nn

X = np.ones((64, 32, 3, 3), "f")
MODULES = [nn.Dropout(0.25), nn.Dropout2d(0.25), nn.DropPath(0.25), nn.StochasticDepth(0.25, "row"),
           nn.StochasticDepth(0.25, "batch")]


@pytest.mark.parametrize("module", MODULES, ids=repr)
def test_nothing_is_dropped_in_use(module):
    x = Tensor(X)
    assert module.eval()(x) is x


@pytest.mark.parametrize(("module", "axes"), [*zip(MODULES[1:], [(2, 3), (1, 2, 3), (1, 2, 3), (0, 1, 2, 3)])], ids=str)
def test_what_is_dropped_goes_as_a_whole(module, axes):
    manual_seed(0)
    y = module.train()(X).numpy()
    np.testing.assert_array_equal(y.max(axes), y.min(axes))
    assert set(np.unique(y)) <= {np.float32(0), np.float32(1 / 0.75)}


def test_drop_connect_drops_weights_in_training_alone():
    layer = nn.DropConnectLinear(200, 100, 0.25)
    x = np.eye(200, dtype="f")  # so that y - bias is the weight as it was used
    manual_seed(1)
    used = (layer(x).numpy() - layer.bias.numpy()).T
    dropped = np.abs(used) < 1e-7
    assert dropped.mean() == pytest.approx(0.25, abs=0.02)
    np.testing.assert_allclose(used[~dropped], layer.weight.numpy()[~dropped] / 0.75, atol=1e-6)
    y = layer(x)
    y.backward(np.ones(y.shape, "f"))
    assert (layer.weight.grad == 0).mean() == pytest.approx(0.25, abs=0.02)
    np.testing.assert_allclose(layer.eval()(x).numpy() - layer.bias.numpy(), layer.weight.numpy().T, atol=1e-6)
