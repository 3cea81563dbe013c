"""Inception V2 by its paper's table, V3's auxiliary head, and what needs padding."""
import numpy as np
import pytest
from model_oracles import random_state
from torchvision_oracle import import_torchvision

from tinycnn import Tensor, models, no_grad
from tinycnn.models.inception_v3 import AuxiliaryHead

# Table 1: what the layer of each row reads, side and channels; the last is what the pooling reads
TABLE = {"Conv2d_2a_3x3": (149, 32), "Conv2d_2b_3x3": (147, 32), "maxpool1": (147, 64), "Conv2d_3b_3x3": (73, 64),
         "Conv2d_4a_3x3": (71, 80), "Conv2d_4b_3x3": (35, 192), "Mixed_5b": (35, 288), "Mixed_6b": (17, 768),
         "Mixed_7b": (8, 1280), "": (8, 2048)}


def test_v2_has_the_maps_of_its_paper(blank):
    net = models.inception_v2(features_only=True).eval()
    x, inputs = np.zeros((1, 3, 299, 299), np.float32), {}
    with no_grad():
        for stage in net.trunk:
            inputs[stage.name] = x.shape
            x = getattr(net, stage.name)(x)
    inputs[""] = x.shape
    for name, (side, channels) in TABLE.items():
        assert inputs[name] == (1, channels, side, side), name


def test_v2_differs_from_v3_by_its_stem_and_the_modules_behind(blank):
    """Counted by hand: convolutions, and two numbers of normalisation for each of their filters."""
    def convolutions(*rows):
        return sum(a * b * area + 2 * b for a, b, area in rows)
    two = models.inception_v2().state_dict()
    three = models.inception_v3(aux_logits=False).state_dict()
    assert {name: value.shape for name, value in two.items() if name.startswith(("Mixed_6", "Mixed_7"))} == {
        name: value.shape for name, value in three.items() if name.startswith(("Mixed_6", "Mixed_7"))}
    stem = convolutions((3, 32, 9), (32, 32, 9), (32, 64, 9), (64, 80, 9), (80, 192, 9), (192, 288, 9))
    module = convolutions((288, 64, 1), (288, 48, 1), (48, 64, 9), (288, 64, 1), (64, 96, 9), (96, 96, 9), (288, 64, 1))
    here = sum(value.size for name, value in two.items() if name.startswith(("Conv2d", "Mixed_5"))
               and name.endswith(("weight", "bias")))
    assert here == stem + 2 * module


@pytest.mark.parametrize("side", [17, 22])
def test_the_auxiliary_head_is_torchvisions(torch, side):
    theirs = import_torchvision().models.inception.InceptionAux(24, 7).double()
    ours = AuxiliaryHead(24, 7).to(np.float64)
    state = random_state({key: value.shape for key, value in ours.state_dict().items()}, np.random.default_rng(0))
    ours.load_state_dict(state)
    theirs.load_state_dict({key: torch.as_tensor(np.asarray(value)) for key, value in state.items()})
    x = np.random.default_rng(1).standard_normal((3, 24, side, side))
    here, there = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    got, want = ours(here), theirs(there)
    np.testing.assert_allclose(got.numpy(), want.detach().numpy(), atol=1e-10)
    got.sum().backward()
    want.sum().backward()
    np.testing.assert_allclose(here.grad, there.grad.numpy(), atol=1e-10)


def test_the_auxiliary_head_takes_smaller_maps():
    assert AuxiliaryHead(8, 3)(np.ones((2, 8, 4, 6), np.float32)).shape == (2, 3)


@pytest.mark.parametrize("name", ["inception_v2", "inception_v3", "inception_v4", "inception_resnet_v1",
                                  "inception_resnet_v2"])
def test_images_of_75_pixels_need_no_padding_and_smaller_ones_do(name):
    net = models.create_model(name, width=0.125, num_classes=3).eval()
    with no_grad():
        assert net(np.zeros((1, 3, 75, 75), np.float32)).shape == (1, 3)
        with pytest.raises(ValueError, match="kernel"):
            net(np.zeros((1, 3, 64, 64), np.float32))


@pytest.mark.parametrize("options", [{"aux_logits": False}, {"num_classes": 0}, {"features_only": True}])
def test_the_auxiliary_head_goes_with_the_classifier(options):
    assert not any("Aux" in name for name in models.inception_v3(width=0.125, **options).state_dict())


@pytest.mark.parametrize("name", ["inception_v3", "inception_v4", "inception_resnet_v2", "bn_inception"])
def test_widths_are_checked(name):
    with pytest.raises(ValueError, match="width must be positive, got -1"):
        models.create_model(name, width=-1)
