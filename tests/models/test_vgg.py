"""VGG's size, which is what it is known for."""
import pytest

from tinycnn import models


def test_vgg16_has_138_million_parameters_and_553_megabytes(blank):
    parameters = [p.numpy() for p in models.vgg16().parameters()]
    assert sum(p.size for p in parameters) / 1e6 == pytest.approx(138, abs=0.5)
    assert sum(p.nbytes for p in parameters) / 1e6 == pytest.approx(553, abs=0.5)
