"""Sizes of maps are those that a network has, and asking for them leaves no trace."""
import numpy as np
import pytest

import tinycnn
from tinycnn import models
from tinycnn.detection import map_sizes
from tinycnn.random import get_state


@pytest.mark.parametrize("name", ["inception_v3", "squeezenet1_1", "mobilenet_v3_small", "ghostnet_100"])
@pytest.mark.parametrize("size", [(96, 96), (107, 131)])
def test_are_those_of_the_maps(name, size):
    net = models.create_model(name, features_only=True).eval()
    with tinycnn.no_grad():
        maps = net(np.zeros((1, 3, *size), np.float32))
    assert map_sizes(net, size) == [x.shape[2:] for x in maps]


def test_nothing_changes():
    net = models.mobilenet_v2(features_only=True, drop_path_rate=0.2).to(np.float64).train()
    before, draws = net.state_dict(), get_state()
    assert map_sizes(net, (64, 32))[-1] == (2, 1)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert get_state() == draws
