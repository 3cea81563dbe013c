"""MnasNet at other widths than the registered ones."""
import pytest

from tinycnn import models


def shapes(model):
    return [(name, tuple(value.shape)) for name, value in model.state_dict().items()]


@pytest.mark.parametrize("width", [0.6, 1.4])
def test_other_widths_of_b1_have_the_oracles_shapes(width, torch, blank):
    from torchvision_oracle import import_torchvision
    with torch.device("meta"):
        theirs = import_torchvision().models.MNASNet(width)
    assert shapes(models.mnasnet(width)) == shapes(theirs)


@pytest.mark.parametrize(("width", "name"), [(0.5, "semnasnet_050"), (0.75, "semnasnet_075"), (1.4, "semnasnet_140")])
def test_other_widths_of_a1_have_the_oracles_shapes(width, name, torch, blank):
    from torchvision_oracle import import_timm
    with torch.device("meta"):
        theirs = import_timm().create_model(name)
    assert shapes(models.mnasnet_a1(width)) == shapes(theirs)
