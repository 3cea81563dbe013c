"""GoogLeNet's options: auxiliary heads, the paper's kernel of 5x5, the naive module."""
import numpy as np
import pytest

from tinycnn import functional as F
from tinycnn import models, no_grad
from tinycnn.models.branches import PLAIN
from tinycnn.models.googlenet import TABLE, naive_inception

X = np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32)


def size(model):
    return sum(p.size for p in model.parameters())


@pytest.fixture
def small():
    return models.googlenet(width=0.25, num_classes=5, drop_rate=0.0, aux_drop_rate=0.0)


def test_in_training_come_the_logits_and_those_of_the_last_auxiliary_head_first(small):
    maps = {}
    for name in ("inception4a", "inception4d"):
        module = getattr(small, name)
        module.forward = lambda x, name=name, forward=module.forward: maps.setdefault(name, forward(x))
    logits, second, first = small(X)
    for y, head, stage in ((second, small.aux2, "inception4d"), (first, small.aux1, "inception4a")):
        np.testing.assert_array_equal(y.numpy(), head(maps[stage]).numpy())
        assert y.shape == logits.shape == (2, 5)


def test_auxiliary_heads_run_in_training_alone(small):
    with no_grad():
        assert small.eval()(X).shape == (2, 5)


@pytest.mark.parametrize("options", [{"aux_logits": False}, {"num_classes": 0}, {"features_only": True}])
def test_auxiliary_heads_go_with_the_classifier(options):
    net = models.googlenet(width=0.25, **options)
    assert not any("aux" in name for name in net.state_dict())
    assert isinstance(net(X), list) == bool(options.get("features_only"))


def test_the_largest_kernel_is_the_papers_if_asked_for(blank):
    """Without batch normalisation, whose scale is the only difference, the paper's layers have 6 998 552 parameters."""
    net = models.googlenet(aux_logits=False, largest_kernel=5)
    assert net.inception3a.branch3[1].conv.weight.shape == (32, 16, 5, 5)
    scales = sum(p.size for name, p in net.named_parameters() if name.endswith("bn.weight"))
    assert size(net) - scales == 6_998_552


def test_the_naive_module_joins_convolutions_of_all_channels_and_the_pooling():
    module, channels = naive_inception(TABLE["inception3a"]).build(192, PLAIN)
    x = np.random.default_rng(1).standard_normal((1, 192, 9, 7)).astype(np.float32)
    with no_grad():
        y = module.eval()(x).numpy()
        assert y.shape == (1, channels, 9, 7) == (1, 64 + 128 + 32 + 192, 9, 7)
        begin = 0
        for branch, kernel, count in ((module.branch1, 1, 64), (module.branch2, 3, 128), (module.branch3, 5, 32)):
            assert branch.conv.weight.shape == (count, 192, kernel, kernel)
            np.testing.assert_array_equal(y[:, begin:begin + count], branch(x).numpy())
            begin += count
        np.testing.assert_array_equal(y[:, begin:], F.max_pool2d(x, 3, 1, 1).numpy())


def test_the_network_of_naive_modules(blank):
    """Each module passes its input on, beside its convolutions: maps grow, and weights with them."""
    net = models.googlenet(naive=True, features_only=True)
    widths = [sum(row[i] for i in (0, 2, 4)) for row in TABLE.values()]
    assert net.channels[2:] == [192 + sum(widths[:n]) for n in (2, 7, 9)]
    assert models.googlenet(width=0.25, naive=True, num_classes=4).eval()(X).shape == (2, 4)


@pytest.mark.parametrize(("option", "message"), [
    ({"largest_kernel": 7}, "largest_kernel must be 3 or 5, got 7"),
    ({"aux_drop_rate": 1.0}, "aux_drop_rate must be at least 0 and less than 1, got 1.0"),
    ({"width": 0}, "GoogLeNet: width must be positive, got 0"),
])
def test_options_are_checked(option, message):
    with pytest.raises(ValueError, match=message):
        models.googlenet(**option)
