"""DenseNet's own: dropout behind each layer, and joined maps that nothing copies."""
import numpy as np
import pytest

import tinycnn
from tinycnn import models
from tinycnn.models.densenet import DenseNet, Row

SMALL = Row((3, 2), growth=16, stem=32)


def image(seed=0):
    return np.random.default_rng(seed).standard_normal((2, 3, 32, 32)).astype(np.float32)


def test_dropout_follows_every_layer_in_training_alone():
    model = DenseNet(SMALL, proj_drop_rate=0.5, num_classes=0)
    once, again = model(image()).numpy(), model(image()).numpy()
    assert np.abs(once - again).max() > 1e-3
    assert sum(type(module).__name__ == "Dropout" and module.p == 0.5 for module in model.modules()) == 5
    model.eval()
    np.testing.assert_array_equal(model(image()).numpy(), model(image()).numpy())


def test_a_probability_of_dropout_is_checked():
    with pytest.raises(ValueError, match=r"Dropout: p must lie in \[0, 1\], got 1.5"):
        models.densenet121(proj_drop_rate=1.5)


def test_compiled_no_joined_map_is_copied():
    model = DenseNet(SMALL, features_only=True).eval()
    net = tinycnn.compile(model, image(), threads=1)
    for got, want in zip(net(image()), model(image()), strict=True):
        np.testing.assert_allclose(got, want.numpy(), rtol=0, atol=1e-5 * np.abs(want.numpy()).max())
    assert not {"move", "gather", "copy"} & set(net.report().operations)
