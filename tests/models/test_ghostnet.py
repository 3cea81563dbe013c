"""GhostNet's options: ratio and kernel of its modules, and any width."""
import numpy as np
import pytest

from tinycnn import models, no_grad
from tinycnn.models.ghostnet import GhostModule


@pytest.mark.parametrize(("ratio", "kernel", "out"), [(2, 3, 24), (3, 5, 24), (4, 1, 10), (2, 3, 7)])
def test_a_module_is_the_oracles(torch, ratio, kernel, out):
    """Where the ratio does not divide the channels, the last ghosts are left out."""
    from torchvision_oracle import import_timm
    theirs = import_timm().models.ghostnet.GhostModule(6, out, ratio=ratio, dw_size=kernel)
    ours = GhostModule(6, out, ratio=ratio, kernel=kernel)
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((2, 6, 9, 7)).astype(np.float32)
    with no_grad(), torch.no_grad():
        got, want = ours(x).numpy(), theirs(torch.tensor(x)).numpy()
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6 * np.abs(want).max())


def test_more_ghosts_take_fewer_parameters():
    sizes = [sum(p.size for p in models.ghostnet_050(ratio=ratio).parameters()) for ratio in (2, 3, 4)]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(("options", "message"), [
    ({"ratio": 1}, "GhostNet: ratio must be an integer >= 2, got 1"),
    ({"ratio": 2.0}, "GhostNet: ratio must be an integer >= 2, got 2.0"),
    ({"kernel": 4}, "GhostNet: kernel must be odd, got 4"),
    ({"kernel": -1}, "GhostNet: kernel must be odd, got -1"),
    ({"width": 0}, "ghostnet: width must be positive, got 0"),
])
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        models.ghostnet(**options)
