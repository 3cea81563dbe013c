"""ResNet's options: the shortcut without parameters, where the stride is, what that costs."""
import numpy as np
import pytest
from zoo.counting import multiply_adds

import tinycnn
from tinycnn import models
from tinycnn.losses import CrossEntropyLoss
from tinycnn.models.resnet import ZeroPadding
from tinycnn.optim import SGD


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
    ({"stride_in": "1x1"}, ValueError, "ResNet: stride_in must be one of 3x3, got '1x1'"),
    ({"groups": 32}, TypeError, "groups"),  # blocks of two convolutions have none
])
def test_options_are_checked(options, error, message):
    with pytest.raises(error, match=message):
        models.resnet18(**options)


@pytest.mark.parametrize(("name", "options", "operations"), [
    ("resnet18", {}, 4.7), ("resnet50", {}, 10.7), ("resnet50", {"stride_in": "1x1"}, 10.1),
    ("resnet50", {"shortcut": "A"}, 9.7)], ids=str)  # as in Darknet's configuration of it
def test_billions_of_operations_at_256(name, options, operations, blank):
    counted = 2 * multiply_adds(models.create_model(name, **options), 256) / 1e3
    assert counted == pytest.approx(operations, abs=0.05)


def test_the_stride_moves_to_the_first_convolution_and_the_weights_stay(blank):
    paper, usual = models.resnet50(stride_in="1x1", num_classes=2), models.resnet50(num_classes=2)
    assert (paper.layer2[0].conv1.stride, paper.layer2[0].conv2.stride) == ((2, 2), (1, 1))
    assert (usual.layer2[0].conv1.stride, usual.layer2[0].conv2.stride) == ((1, 1), (2, 2))
    assert [*paper.state_dict()] == [*usual.state_dict()]
    assert paper.eval()(np.ones((1, 3, 40, 56), np.float32)).shape == (1, 2)


@pytest.mark.parametrize(("name", "billions"), [("resnet18", 138.3), ("resnet10a", 20.7), ("resnet10b", 7.5)])
def test_faster_rcnn_with_it_has_the_published_multiply_adds(name, billions, blank):
    """Mao et al.: 1242 x 375 pixels, proposals from 512 channels and 12 anchors a pixel, 300 regions of 7 x 7."""
    model = models.create_model(name)
    trunk = models.create_model(name, features_only=True, out_indices=(3,))
    channels, pixels = trunk.channels[0], 24 * 78
    proposals = pixels * (channels * 3 * 3 * 512 + 512 * 12 * (2 + 4)) / 1e6
    regions = 300 * multiply_adds(model.layer4, 14, 14, channels)
    counted = (multiply_adds(trunk, 375, 1242) + proposals + regions) / 1e3
    assert counted == pytest.approx(billions, rel=0.01)


def test_shortcut_a_runs_in_plans():
    model, x = models.resnet10b(shortcut="A", num_classes=3).eval(), np.ones((2, 3, 40, 40), np.float32)
    np.testing.assert_allclose(tinycnn.compile(model, x, threads=1)(x), model(x).numpy(), rtol=1e-4)
    model.train()
    batch = (x, np.array([0, 2]))
    step = tinycnn.compile_training_step(model, CrossEntropyLoss(), SGD(model.parameters(), lr=0.1), batch, threads=1)
    assert np.isfinite(step(*batch))
    assert step.report().host == {}
