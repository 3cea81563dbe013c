"""MobileNet V1's activation: timm's unless told otherwise, the paper's as an option."""
import numpy as np
import pytest
from model_oracles import random_state
from torchvision_oracle import import_timm

from tinycnn import models, nn, no_grad


@pytest.mark.parametrize("activation", ["ReLU", "ReLU6"])
def test_activations_are_the_oracles(activation, torch):
    ours = models.mobilenetv1_100(activation=getattr(nn, activation)).eval()
    theirs = import_timm().create_model("mobilenetv1_100", act_layer=getattr(torch.nn, activation)).eval()
    rng = np.random.default_rng(0)
    state = random_state({key: value.shape for key, value in ours.state_dict().items()}, rng)
    ours.load_state_dict(state)
    theirs.load_state_dict({key: torch.as_tensor(np.asarray(value)) for key, value in state.items()})
    x = 4 * rng.standard_normal((1, 3, 64, 64)).astype(np.float32)
    with no_grad(), torch.no_grad():
        got, want = ours(x).numpy(), theirs(torch.tensor(x)).numpy()
    np.testing.assert_allclose(got, want, atol=1e-4 * np.abs(want).max())
