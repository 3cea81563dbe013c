"""BN-Inception of odd sizes, and with squeeze and excitation."""
import numpy as np
from zoo import FACTS

from tinycnn import models, no_grad

CHANNELS = (256, 320, 576, 576, 576, 608, 608, 1056, 1024, 1024)  # of the ten modules
X = np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32)


def test_odd_sizes_are_halved_as_convolutions_halve_them():
    net = models.bn_inception(width=0.25, features_only=True).eval()
    with no_grad():
        shapes = [y.shape[2:] for y in net(np.zeros((1, 3, 75, 49), np.float32))]
    assert shapes == [(38, 25), (19, 12), (9, 6), (5, 3), (3, 2)]


def test_excitation_that_lets_all_through_changes_nothing():
    plain, excited = models.bn_inception(width=0.25).eval(), models.se_bn_inception(width=0.25).eval()
    state = excited.state_dict()
    state.update({name.replace(".branch", ".module.branch"): value for name, value in plain.state_dict().items()})
    state.update({name: np.full_like(value, 40.0 if name.endswith("bias") else 0.0)
                  for name, value in state.items() if ".se.fc2." in name})  # the sigmoid of 40 is 1
    excited.load_state_dict(state)
    with no_grad():
        np.testing.assert_array_equal(excited(X).numpy(), plain(X).numpy())


def test_excitation_weighs_the_channels_of_all_ten_modules():
    more = FACTS["se_bn_inception"].parameters - FACTS["bn_inception"].parameters
    assert more == sum(2 * c * (c // 16) + c // 16 + c for c in CHANNELS)
