"""ResNet's options: the shortcut without parameters."""
import numpy as np
import pytest

from tinycnn import models
from tinycnn.models.resnet import ZeroPadding


def test_shortcut_a_takes_every_second_pixel_and_adds_zeros():
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 6)).astype(np.float32)
    y = ZeroPadding(3, 8, stride=2)(x).numpy()
    np.testing.assert_array_equal(y[:, :3], x[:, :, ::2, ::2])
    assert y.shape == (2, 8, 3, 3)
    assert not y[:, 3:].any()


def test_shortcut_a_has_no_parameters():
    a, b = models.resnet18(shortcut="A"), models.resnet18()
    projections = {key for key in b.state_dict() if ".downsample." in key}
    assert projections
    assert a.state_dict().keys() == b.state_dict().keys() - projections
    assert a(np.ones((2, 3, 32, 32), np.float32)).shape == (2, 1000)


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"shortcut": "C"}, ValueError, "ResNet: shortcut must be one of A, B, got 'C'"),
    ({"groups": 32}, TypeError, "groups"),  # blocks of two convolutions have none
])
def test_options_are_checked(options, error, message):
    with pytest.raises(error, match=message):
        models.resnet18(**options)
