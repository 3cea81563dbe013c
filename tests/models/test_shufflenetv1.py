"""ShuffleNet at other scales than 1."""
import numpy as np
import pytest
from torchvision_oracle import import_torchvision

from tinycnn import models


def shapes(model):
    return [tuple(value.shape) for value in model.state_dict().values()]


@pytest.mark.parametrize("name", ["g1_wd4", "g1_wd2", "g1_w3d4", "g3_wd4", "g3_wd2", "g3_w3d4"])
def test_other_scales_have_the_oracles_shapes(name, torch, blank):
    import_torchvision()  # which settles what torch is
    provider = pytest.importorskip("pytorchcv.model_provider")
    scale = {"wd4": 0.25, "wd2": 0.5, "w3d4": 0.75}[name[3:]]
    with torch.device("meta"):
        theirs = provider.get_model(f"shufflenet_{name}")
    assert shapes(models.shufflenet_v1(int(name[1]), scale)) == shapes(theirs)


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("scale", [0.25, 0.5, 1.5, 2])
def test_any_scale_fits_the_groups(groups, scale, blank):
    net = models.shufflenet_v1(groups, scale, num_classes=5).eval()
    assert net(np.ones((1, 3, 32, 32), np.float32)).shape == (1, 5)


def test_the_first_convolution_of_stage2_is_not_grouped(blank):
    """Section 3.2: it sees few channels."""
    net = models.shufflenet_v1_g8()
    assert net.stage2[0].compress[0].groups == 1
    assert {unit.compress[0].groups for stage in (net.stage3, net.stage4) for unit in stage} == {8}
