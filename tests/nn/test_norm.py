"""Modules of normalisation that torch does not have under the same name."""
import numpy as np

from tinycnn import nn

MAPS = (3, 4, 5, 6)


def test_batch_norm_without_momentum_averages_all_batches(torch):
    """torch's: the running statistics are the plain mean over the batches so far."""
    ours, theirs = nn.BatchNorm2d(4, momentum=None), torch.nn.BatchNorm2d(4, momentum=None)
    for seed in range(3):
        x = np.random.default_rng(seed).normal(seed, 2, MAPS).astype("f")
        ours(x)
        theirs(torch.tensor(x))
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key], value.numpy(), rtol=1e-5)


def test_l2_norm_begins_with_its_scale(torch):
    x, layer = np.random.default_rng(0).standard_normal(MAPS).astype("f"), nn.L2Norm(4)
    assert layer.weight.tolist() == [20] * 4
    want = 20 * torch.nn.functional.normalize(torch.tensor(x)).numpy()
    np.testing.assert_allclose(layer(x).numpy(), want, rtol=1e-5)


def test_switchable_norm_in_training_and_in_use():
    layer = nn.SwitchableNorm2d(4, momentum=0.2)
    assert list(layer.state_dict()) == ["weight", "bias", "mean_weight", "var_weight", "running_mean", "running_var"]
    x = np.random.default_rng(1).normal(3, 2, MAPS).astype("f")
    layer(x)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.2 * exact.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.8 + 0.2 * exact.var((0, 2, 3)), rtol=1e-5)
    before = layer.state_dict()
    layer.eval()(x)
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[key])
    layer.load_state_dict({**before, "mean_weight": [50, 0, 0], "var_weight": [50, 0, 0]})  # instance norm alone
    np.testing.assert_allclose(layer(x).numpy(), nn.InstanceNorm2d(4)(x).numpy(), atol=1e-5)
    layer.load_state_dict({**before, "mean_weight": [0, 0, 50], "var_weight": [0, 0, 50]})  # batch norm, in use
    scale = np.sqrt(layer.running_var.numpy() + 1e-5)[:, None, None]
    np.testing.assert_allclose(layer(x).numpy(), (x - layer.running_mean.numpy()[:, None, None]) / scale, atol=1e-5)
