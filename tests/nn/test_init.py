"""How parameters start: their distribution, and that a seed repeats it."""
import numpy as np
import pytest

import tinycnn
from tinycnn import nn
from tinycnn.nn import init


@pytest.fixture(autouse=True)
def repeatable():
    tinycnn.manual_seed(0)


@pytest.fixture
def weight():
    return nn.Parameter(np.zeros((64, 32, 3, 3)))


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 288), ("fan_out", 576)])
def test_kaiming_keeps_the_variance(weight, mode, fan):
    init.kaiming_normal(weight, mode)
    assert weight.numpy().std() == pytest.approx(np.sqrt(2 / fan), rel=0.03)
    init.kaiming_uniform(weight, mode)
    assert weight.numpy().std() == pytest.approx(np.sqrt(2 / fan), rel=0.03)
    assert np.abs(weight.numpy()).max() <= np.sqrt(6 / fan)


def test_depthwise_weights_count_their_own_group():
    weight = nn.Parameter(np.zeros((512, 1, 3, 3)))
    init.kaiming_normal(weight, "fan_out", groups=512)
    assert weight.numpy().std() == pytest.approx(np.sqrt(2 / 9), rel=0.05)


@pytest.mark.parametrize(("make", "fan"), [(lambda: nn.Conv2d(16, 64, 3), 144), (lambda: nn.Linear(144, 500), 144)])
def test_layers_start_as_torchs(make, fan):
    for parameter in make().parameters():
        assert np.abs(parameter.numpy()).max() <= 1 / np.sqrt(fan)
        assert np.abs(parameter.numpy()).max() > 0.9 / np.sqrt(fan)
        assert parameter.numpy().mean() == pytest.approx(0, abs=0.3 / np.sqrt(fan))


def test_constant_normal_and_uniform(weight):
    init.constant(weight, 3.5)
    assert (weight.numpy() == 3.5).all()
    init.normal(weight, 0.5, mean=2.0)
    assert weight.numpy().mean() == pytest.approx(2, abs=0.02)
    assert weight.numpy().std() == pytest.approx(0.5, rel=0.03)
    init.uniform(weight, 0.1)
    assert -0.1 <= weight.numpy().min() < -0.099
    assert 0.099 < weight.numpy().max() <= 0.1


def test_a_seed_repeats_the_start():
    def start():
        tinycnn.manual_seed(7)
        return nn.Conv2d(3, 4, 3).state_dict()
    one, two, other = start(), start(), nn.Conv2d(3, 4, 3).state_dict()
    assert all((one[key] == two[key]).all() for key in one)
    assert (one["weight"] != other["weight"]).any()


def test_wrong_arguments_are_named(weight):
    with pytest.raises(ValueError, match="mode must be 'fan_in' or 'fan_out', got 'fan'"):
        init.kaiming_normal(weight, "fan")
    with pytest.raises(ValueError, match=r"two axes or more, got the shape \(3,\)"):
        init.kaiming_uniform(nn.Parameter(np.zeros(3)))


def test_xavier():
    weight = nn.Parameter(np.zeros((64, 32, 3, 3)))
    init.xavier_uniform(weight)
    bound = np.sqrt(6 / (9 * (32 + 64)))
    assert 0.99 * bound < np.abs(weight.data).max() <= bound
    assert weight.data.std() == pytest.approx(bound / np.sqrt(3), rel=0.02)
