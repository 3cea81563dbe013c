"""A frozen backbone: what trains, what stays, and that cached features give the same classifier."""
import numpy as np
import pytest

import tinycnn
from tinycnn import losses, models, no_grad, optim
from tinycnn.data import Loader
from tinycnn.training import eager_step, fit
from tinycnn.training.frozen import Features, cached_features, classifier_of, freeze_backbone

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((24, 3, 32, 32)).astype(np.float32), np.arange(24) % 3
OPTIONS = {"vgg11": {"hidden": 32}, "mobilenet_v2": {"width": 0.35}}
SMALL = ["mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5"]
FAMILIES = [*SMALL, "efficientnet_lite0", "mobilenetv1_025", "squeezenet1_1", "vgg11"]


def build(name):
    tinycnn.manual_seed(5)
    return models.create_model(name, num_classes=3, **OPTIONS.get(name, {}))


@pytest.mark.parametrize("name", [name if name in FAMILIES else pytest.param(name, marks=pytest.mark.slow)
                                  for name in models.list_models()])
def test_the_classifier_of_the_features_is_the_network(name):
    model = build(name)
    freeze_backbone(model)
    model.eval()
    x = RNG.standard_normal((2, 3, 64, 64)).astype(np.float32)
    with no_grad():
        want = model(x).numpy()
        got = classifier_of(model)(Features(model)(tinycnn.Tensor(x))).numpy()
        np.testing.assert_array_equal(model(x).numpy(), want)  # the network is whole again
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("planned", [False, True])
def test_only_the_last_layer_moves(name, planned):
    model = build(name)
    head = freeze_backbone(model)
    assert model.training
    assert head.training
    assert not any(m.training for m in model.modules() if m is not model and m not in set(head.modules()))
    before = model.state_dict()
    optimizer = optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1)
    loss = losses.CrossEntropyLoss()
    step = (tinycnn.compile_training_step(model, loss, optimizer, ((8, 3, 32, 32), (8,))) if planned
            else eager_step(model, loss, optimizer))
    fit(step, Loader(X, Y, 8), 2, progress=False)
    moved = {key for key, value in model.state_dict().items() if (value != before[key]).any()}
    assert moved == {key for key in before if key.startswith(f"{model.head_modules[-1]}.") and "num" not in key}


@pytest.mark.parametrize("name", SMALL)
def test_cached_features_are_those_of_the_network(name):
    model = build(name)
    freeze_backbone(model)
    modes = [module.training for module in model.modules()]
    eager = cached_features(model, Loader(X, Y, 7))
    planned = cached_features(model, Loader(X, Y, 7), tinycnn.compile)
    assert eager.shape[0] == len(X)
    assert eager.dtype == np.float32
    np.testing.assert_allclose(planned, eager, rtol=0, atol=1e-4 * np.abs(eager).max())
    assert [module.training for module in model.modules()] == modes


def test_networks_without_a_classifier_are_refused():
    for options in ({"num_classes": 0}, {"features_only": True}):
        with pytest.raises(ValueError, match="has no classifier that could train"):
            freeze_backbone(models.create_model("shufflenet_v2_x0_5", **options))


def test_a_network_that_works_on_after_its_classifier_is_refused():
    model = build("shufflenet_v2_x0_5")

    def twice(x):
        return type(model).forward_head(model, x) * 2.0
    model.forward_head = twice
    freeze_backbone(model)
    with pytest.raises(ValueError, match="does not give the network's logits of its features"):
        cached_features(model, Loader(X, Y, 7))
    with pytest.raises(ValueError, match="batches is empty"):
        cached_features(model, [])
