"""The Darknets at the sizes of their papers, and their activations."""
import numpy as np
import pytest
from zoo.counting import multiply_adds

from tinycnn import models, nn


@pytest.mark.parametrize(("name", "operations"), [("darknet19", 7.29), ("darknet53", 18.57), ("cspdarknet53", 13.07)])
def test_billions_of_operations_at_256(name, operations, blank):
    assert 2 * multiply_adds(models.create_model(name), 256) / 1e3 == pytest.approx(operations, abs=0.005)


@pytest.mark.parametrize(("name", "own"), [("darknet19", nn.LeakyReLU), ("cspdarknet53", nn.Mish)])
def test_the_activation_is_an_option(name, own, blank):
    def activations(**options):
        modules = models.create_model(name, num_classes=0, **options).modules()
        return {(type(m), getattr(m, "negative_slope", 0.1)) for m in modules if isinstance(m, (own, nn.LeakyReLU))}
    assert activations() == {(own, 0.1)}
    assert activations(activation=nn.LeakyReLU) == {(nn.LeakyReLU, 0.01)}


def test_maps_are_those_a_detector_reads(blank):
    net = models.darknet53(features_only=True, out_indices=(2, 3, 4))
    assert (net.channels, net.reduction) == ([256, 512, 1024], [8, 16, 32])
    assert [y.shape for y in net(np.zeros((1, 3, 64, 96), np.float32))] == [
        (1, 256, 8, 12), (1, 512, 4, 6), (1, 1024, 2, 3)]
