"""Convolutions and linear layers of training steps: the same losses and parameters as on the tape."""
from __future__ import annotations

import numpy as np
import pytest
from training_nets import Pair, batch, needs_float64

from tinycnn import functional as F
from tinycnn import nn

pytestmark = needs_float64
CLASSES = 5


class Net(nn.Module):
    """Some layers, and a classifier behind them."""

    def __init__(self, *layers, channels=None):
        self.body, self.last = nn.Sequential(*layers), nn.Linear(channels, CLASSES)

    def forward(self, x):
        return self.last(F.global_avg_pool2d(self.body(x)).flatten(1))


def net(*layers, channels):
    return lambda: Net(*layers_of(layers), channels=channels)


def layers_of(layers):
    return [layer() for layer in layers]


def conv(*args, **options):
    return lambda: nn.Conv2d(*args, **options)


NETS = {
    "pointwise, biased": net(conv(3, 17, 1), nn.ReLU, conv(17, 40, 1), channels=40),
    "pointwise and batch norm": net(conv(3, 20, 3, padding=1), lambda: nn.ConvBNAct(20, 58, 1),
                                    lambda: nn.ConvBNAct(58, 16, 1, activation=nn.ReLU6),
                                    lambda: nn.ConvBNAct(16, 33, 1, activation=None), channels=33),
    "dense, strided, dilated": net(conv(3, 18, 3, stride=2), nn.ReLU, conv(18, 20, 3, padding=2, dilation=2), nn.ReLU,
                                   conv(20, 17, (3, 2), stride=(2, 3), padding=(1, 0)), channels=17),
    "dense and batch norm": net(lambda: nn.ConvBNAct(3, 20, 3), lambda: nn.ConvBNAct(20, 20, 3, stride=2),
                                lambda: nn.ConvBNAct(20, 24, 1, stride=2), channels=24),
    "groups": net(conv(3, 24, 3, padding=1), nn.ReLU, conv(24, 36, 3, padding=1, groups=3), nn.ReLU,
                  conv(36, 48, 1, groups=2), nn.ReLU, conv(48, 12, 3, stride=2, groups=12), channels=12),
    "groups of whole blocks": net(conv(3, 64, 3, padding=1), nn.ReLU, conv(64, 32, 3, padding=1, groups=2),
                                  channels=32),
}


class Tokens(nn.Module):
    """Linear layers over rows: of one axis, and of two."""

    def __init__(self):
        self.first, self.second, self.last = nn.Linear(16, 19), nn.Linear(19, 7, bias=False), nn.Linear(7 * 48, CLASSES)

    def forward(self, x):
        return self.last(F.relu(self.second(F.relu(self.first(x)))).flatten(1))


class Wide(nn.Module):
    """3x3 layers of many channels: one whose input others read, one behind a batch norm, a biased one."""

    def __init__(self):
        self.first, self.second = nn.ConvBNAct(3, 18, 3), nn.ConvBNAct(18, 33, 3)
        self.third, self.last = nn.Conv2d(33, 18, 3, padding=(2, 1)), nn.Linear(18, CLASSES)

    def forward(self, x):
        x = self.first(x)
        return self.last(F.global_avg_pool2d(self.third(self.second(x))).flatten(1) + x.mean((2, 3)))


NETS |= {"linear over rows": Tokens, "3x3": Wide}


def test_no_product_runs_outside_of_the_plan():
    kinds = set()
    for build in NETS.values():
        pair = Pair(build=build)
        pair.both([batch()])
        [planned] = pair.step.plans.values()
        kinds |= set(planned.plan.kinds)
        assert not any(host.label in ("conv2d", "linear") for host in planned.builder.hosts)
    assert kinds >= {"pack", "layer", "layer_back", "add_lanes", "weight_gradient", "frame", "trained_product",
                     "bias_gradient", "winograd_layer", "winograd_gradient"}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", NETS)
def test_trains_as_the_tape_does(name, threads):
    pair = Pair(build=NETS[name], options={"threads": threads})
    eager, planned = pair.both([batch(seed=i) for i in range(3)])
    np.testing.assert_allclose(planned, eager, rtol=1e-9)
    pair.assert_same()


@pytest.mark.parametrize("name", NETS)
def test_float32(name):
    pair = Pair(build=NETS[name], dtype=np.float32)
    eager, planned = pair.both([batch(seed=i, dtype=np.float32) for i in range(2)])
    np.testing.assert_allclose(planned, eager, rtol=1e-4)
    pair.assert_same(2e-3)


@pytest.mark.parametrize("name", ["pointwise and batch norm", "3x3"])
def test_many_pixels(name):
    pair = Pair(build=NETS[name])
    eager, planned = pair.both([batch(2, 40, seed=i) for i in range(2)])
    np.testing.assert_allclose(planned, eager, rtol=1e-9)
    pair.assert_same()


@pytest.mark.parametrize("frozen", ["weight", "bias", "last"])
@pytest.mark.parametrize("name", ["pointwise, biased", "dense, strided, dilated", "3x3"])
def test_frozen_parameters(name, frozen):
    def freeze(model):
        for path, parameter in model.named_parameters():
            parameter.requires_grad = frozen not in path
    pair = Pair(build=NETS[name], prepare=freeze)
    before = pair.planned.state_dict()
    eager, planned = pair.both([batch(seed=i) for i in range(3)])
    np.testing.assert_allclose(planned, eager, rtol=1e-9)
    pair.assert_same()
    for path, value in pair.planned.state_dict().items():
        assert (frozen in path) == np.array_equal(value, before[path]), path
