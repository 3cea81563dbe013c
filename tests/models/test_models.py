"""Every registered network: builds, answers, trains, and agrees with torchvision's or timm's."""
import numpy as np
import pytest
from model_oracles import oracle, random_state
from zoo import FACTS
from zoo.counting import multiply_adds

import tinycnn
from tinycnn import losses, models, no_grad, optim

NAMES = models.list_models()
EXACT = [*[name for name in FACTS if FACTS[name].everyday], "seresnet18"]  # every day
HEAVY = 100_000_000  # parameters: twice as many numbers, and gradients, in float64 fill the memory of small machines
LARGE = 300  # pixels: so do the maps of larger images


def images(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def shapes(state):
    return {name: tuple(value.shape) for name, value in state.items()}


def light(name, **options):
    """The network, without what makes it heavy and no different."""
    return models.create_model(name, **FACTS[name].light, **options)


def without_dropout(name, **options):
    return models.create_model(name, **FACTS[name].undropped, **options)


def first(outputs):
    """The logits, of what may be a list of them and of those of auxiliary classifiers."""
    return outputs[0] if isinstance(outputs, (list, tuple)) else outputs


def side(name):
    """Of the image at which a network is compared as a whole."""
    return min(FACTS[name].size, LARGE)


def at_least(name, *sides):
    """Sides of an image, if the network takes one so small."""
    return [max(side, FACTS[name].least) for side in sides]


def relative_error(got, want, floor=1e-30):
    return np.abs(got - want).max() / max(np.abs(want).max(), floor)


@pytest.fixture(params=[pytest.param(name, marks=() if FACTS[name].everyday else pytest.mark.slow) for name in FACTS])
def name(request):
    """Those that stand for their families every day; all of them among the slow tests."""
    return request.param


def make_twins(name, **options):
    """Our network and torch's, of one name, with the same random weights and running statistics."""
    import torch
    ours, theirs = without_dropout(name, **options), oracle(name, **options).to_empty(device="cpu")
    state = random_state(shapes(ours.state_dict()), np.random.default_rng(1))
    ours.load_state_dict(state)
    named = theirs.state_dict()  # which knows its version: torchvision's MNASNet takes no other
    names = named if FACTS[name].renamed else state
    named.update({key: torch.as_tensor(np.asarray(value))
                  for key, value in zip(names, state.values(), strict=True)})
    theirs.load_state_dict(named)
    return ours, theirs


def test_every_network_is_held_to_something():
    assert sorted(FACTS) == NAMES
    files = {name: getattr(models, name).__module__ for name in NAMES}
    assert {files[name] for name in NAMES if name in EXACT} == set(files.values())


def test_logits(name):
    y = light(name).eval()(images(2, 3, 64, 64))
    assert y.shape == (2, 1000)
    assert y.dtype == np.float32
    assert np.isfinite(y.numpy()).all()


def test_two_threads_give_the_same_bits():
    model, results = models.create_model("shufflenet_v2_x1_0"), []
    for threads in (1, 2):
        tinycnn.set_num_threads(threads)
        model.zero_grad()
        y = model(images(2, 3, 64, 64))
        y.backward(images(*y.shape))
        results.append([y.numpy(), *(p.grad for p in model.parameters())])
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


def test_classes_and_channels_are_options(name):
    model = light(name, num_classes=7, in_chans=1).eval()
    height, width = at_least(name, 33, 47)
    assert model(images(1, 1, height, width)).shape == (1, 7)
    with pytest.raises(ValueError, match=rf"\(N, 1, H, W\), got the shape \(1, 3, {height}, {width}\)"):
        model(images(1, 3, height, width))


def test_no_classes_gives_what_the_classifier_is_given(name):
    full, headless = light(name).eval(), light(name, num_classes=0).eval()
    weight = next(value for key, value in reversed(full.state_dict().items()) if key.endswith("weight"))
    assert headless(images(2, 3, *at_least(name, 32, 32))).shape == (2, weight.shape[1])


@pytest.mark.parametrize("option", [
    {"num_classes": -1}, {"num_classes": 2.5}, {"in_chans": 0}, {"drop_rate": 1.0}, {"drop_rate": -0.1},
    {"drop_path_rate": float("nan")}, {"stem_stride": 3}, {"out_indices": (0,)},
    {"features_only": True, "out_indices": ()}, {"features_only": True, "out_indices": (1, 0)},
    {"features_only": True, "out_indices": (0, 9)}], ids=str)
def test_options_are_checked(name, option):
    with pytest.raises(ValueError, match=[*option][-1]):
        models.create_model(name, **option)


def test_feature_maps_are_those_of_the_whole_network(name):
    facts, full, trunk = FACTS[name], light(name).eval(), light(name, features_only=True).eval()
    own = trunk.state_dict()
    trunk.load_state_dict({key: value for key, value in full.state_dict().items() if key in own})
    with no_grad():
        maps = trunk(images(1, 3, 64, 96))
        y = full.forward_head(maps[-1])
        want = full(images(1, 3, 64, 96))
    assert trunk.reduction == list(facts.reductions)
    assert [m.shape for m in maps] == [(1, c, 64 // r - lost, 96 // r - lost)
                                       for c, r, lost in zip(trunk.channels, facts.reductions, facts.lost)]
    np.testing.assert_array_equal(y.numpy(), want.numpy())


def test_chosen_maps_are_those_of_all(name):
    every, two = (light(name, features_only=True, out_indices=chosen).eval() for chosen in (None, (1, 2)))
    own = two.state_dict()
    two.load_state_dict({key: value for key, value in every.state_dict().items() if key in own})
    assert (two.channels, two.reduction) == (every.channels[1:3], every.reduction[1:3])
    assert len([*two.modules()]) < len([*every.modules()])  # what lies behind them is not there
    with no_grad():
        for got, want in zip(two(images(1, 3, 64, 64)), every(images(1, 3, 64, 64))[1:3], strict=True):
            np.testing.assert_array_equal(got.numpy(), want.numpy())


def test_the_classifier_sees_what_dropout_leaves(name):
    model = light(name, drop_rate=0.9).train()
    x = images(2, 3, 64, 64)
    assert relative_error(first(model(x)).numpy(), first(model(x)).numpy()) > 1e-3
    model = without_dropout(name, **FACTS[name].light).train()
    np.testing.assert_array_equal(first(model(x)).numpy(), first(model(x)).numpy())


def test_residual_branches_are_dropped_in_training_alone(name):
    if not type(light(name)).drops_paths:
        with pytest.raises(ValueError, match=r"drop_path_rate must be 0, .*, got 0.5"):
            light(name, drop_path_rate=0.5)
        return
    model, x = light(name, drop_rate=0.0, drop_path_rate=0.5), images(2, 3, 64, 64)
    tinycnn.manual_seed(1)  # few branches of few images may well be dropped alike twice
    assert relative_error(model(x).numpy(), model(x).numpy()) > 1e-3
    model.eval()
    np.testing.assert_array_equal(model(x).numpy(), model(x).numpy())


def test_a_small_image_keeps_twice_the_pixels(name):
    strides = type(light(name)).stem_strides
    maps = light(name, features_only=True, stem_stride=strides[-1]).eval()
    assert maps.reduction == [r * strides[-1] // strides[0] for r in FACTS[name].reductions]
    assert light(name, stem_stride=strides[-1], num_classes=10).eval()(images(2, 3, 32, 32)).shape == (2, 10)


def test_the_head_is_what_only_the_head_runs(name, blank):
    def state(**options):
        return shapes(light(name, **options).state_dict())
    def within(key, modules):
        return any(key.startswith(f"{module}.") for module in modules)
    full, trunk, other = state(), state(features_only=True), state(num_classes=7)
    net = light(name)
    assert {key for key in full if within(key, net.head_modules)} == full.keys() - trunk.keys()
    classifiers = net.classifiers or net.head_modules[-1:]
    assert {key for key in full if within(key, classifiers)} == {key for key in full if full[key] != other[key]}


@pytest.mark.parametrize("name", NAMES)
def test_size_is_the_published_one(name, blank):
    model = models.create_model(name)
    assert sum(p.size for p in model.parameters()) == FACTS[name].parameters


def test_multiply_adds_are_the_published_ones(name, blank):
    counted = multiply_adds(models.create_model(name), FACTS[name].size)
    assert counted == pytest.approx(FACTS[name].macs, abs=0.05)
    assert counted == pytest.approx(FACTS[name].published, rel=0.06)


def test_training_halves_the_loss(name):
    facts = FACTS[name]
    tinycnn.manual_seed(facts.seed)
    model, loss = without_dropout(name, num_classes=4, **facts.light), losses.AuxiliaryLoss()
    optimizer = optim.SGD(model.parameters(), lr=facts.learning_rate, momentum=0.9)
    x, target = images(8, 3, *at_least(name, 32, 32)), np.arange(8) % 4
    if facts.plain:
        for image, colour in zip(x, target):
            image[colour:colour + 1] += 4  # red, green, blue, none
    history = []
    while len(history) < 30 and min(history, default=np.inf) > 0.5 * max(history[:1], default=0):
        value = loss(model(x), target)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        history.append(value.item())
    assert history[-1] <= 0.5 * history[0], history


def test_the_loss_falls_as_fast_as_the_gradient_says(name):
    tinycnn.manual_seed(0)
    model = without_dropout(name, num_classes=4, **FACTS[name].light).to(np.float64)
    loss = losses.AuxiliaryLoss()
    x, target = images(4, 3, *at_least(name, 48, 48), dtype=np.float64), np.arange(4)
    loss(model(x), target).backward()
    starts = [(p, p.numpy().copy(), p.grad) for p in model.parameters()]
    length = np.sqrt(sum((grad**2).sum() for _, _, grad in starts))
    values, eps = [], 1e-6 / max(length, 1e3)  # so small a step crosses no kink of a ReLU
    for step in (-eps, eps):
        for p, start, grad in starts:
            p.numpy()[...] = start + step * grad / length
        with no_grad():
            values.append(loss(model(x), target).item())
    assert (values[1] - values[0]) / (2 * eps) == pytest.approx(length, rel=1e-6)


# ---------------------------------------------------------------- parity
@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes_of_the_state_are_the_oracles(name, torch, blank):
    ours, theirs = light(name).state_dict(), oracle(name, **FACTS[name].light).state_dict()
    assert list(shapes(ours).values()) == list(shapes(theirs).values())
    assert FACTS[name].renamed or list(ours) == list(theirs)
    assert [str(value.dtype) for value in theirs.values()] == [f"torch.{value.dtype}" for value in ours.values()]


@pytest.mark.parametrize("size", ["even", "uneven"])
def test_logits_are_the_oracles_in_float32(name, torch, size):
    ours, theirs = make_twins(name, **FACTS[name].light)
    x = images(2, 3, *at_least(name, *{"even": (64, 64), "uneven": FACTS[name].uneven}[size]))
    with no_grad(), torch.no_grad():
        got, want = ours.eval()(x).numpy(), theirs.eval()(torch.tensor(x)).numpy()
    assert relative_error(got, want) < 1e-4


def assert_training_agrees(name, torch, size, batch, options, tolerance=1e-7):
    """All outputs, running statistics and all gradients of one training pass, in float64."""
    ours, theirs = make_twins(name, **options)
    ours.to(np.float64).train()
    theirs.double().train()
    x = images(batch, 3, size, size, dtype=np.float64)
    got, want = ours(x), theirs(torch.tensor(x))
    outputs = list(zip(got, want, strict=True)) if isinstance(got, list) else [(got, want)]
    gy = images(*first(got).shape, seed=2, dtype=np.float64)
    for y, same in outputs:
        assert relative_error(y.numpy(), same.detach().numpy()) < tolerance
    sum(y * gy for y, _ in outputs).sum().backward()
    sum(y * torch.tensor(gy) for _, y in outputs).sum().backward()
    for (key, value), statistic in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        assert relative_error(value.numpy(), statistic.numpy()) < tolerance, key
    gradients = [value.grad.numpy() for value in theirs.parameters()]
    # a bias that goes into another batch norm has no gradient but rounding: there, relative to the largest of all
    floor = 1e-6 * max(np.abs(g).max() for g in gradients)
    for (key, value), gradient in zip(ours.named_parameters(), gradients, strict=True):
        assert relative_error(value.grad, gradient, floor) < tolerance, key


@pytest.mark.parametrize("name", EXACT)
def test_training_is_the_oracles_in_float64(name, torch):
    assert_training_agrees(name, torch, 64, batch=3, options=FACTS[name].light)


@pytest.mark.slow
def test_training_is_the_oracles_in_float64_at_full_size(name, torch):
    options = FACTS[name].light if FACTS[name].parameters > HEAVY else {}
    assert_training_agrees(name, torch, side(name), batch=2, options=options)


@pytest.mark.slow
def test_logits_are_the_oracles_in_float64_at_full_size(name, torch):
    ours, theirs = make_twins(name)
    x = images(1, 3, side(name), side(name), dtype=np.float64)
    with no_grad(), torch.no_grad():
        got = ours.to(np.float64).eval()(x).numpy()
        want = theirs.double().eval()(torch.tensor(x)).numpy()
    assert relative_error(got, want) < 1e-10


@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.3, 1.4])
@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"])
def test_other_widths_have_the_oracles_shapes(name, width, torch, blank):
    from torchvision_oracle import import_torchvision
    with torch.device("meta"):
        theirs = getattr(import_torchvision().models, name)(width_mult=width)
    assert list(shapes(getattr(models, name)(width).state_dict()).items()) == list(shapes(theirs.state_dict()).items())


@pytest.mark.parametrize(("build", "message"), [
    (lambda: models.shufflenet_v2(0.75), "width must be one of 0.5, 1.0, 1.5, 2.0, got 0.75"),
    (lambda: models.shufflenet_v1(5), "groups must be one of 1, 2, 3, 4, 8, got 5"),
    (lambda: models.shufflenet_v1(3, scale=0), "scale must be positive, got 0"),
    (lambda: models.mobilenet_v1(-1), "mobilenet_v1: width must be positive, got -1"),
    (lambda: models.mobilenet_v1(widths=[8] * 13), "mobilenet_v1: widths must be 14 whole numbers from 1, got"),
    (lambda: models.mobilenet_v1(widths=[8] * 13 + [0]), "widths must be 14 whole numbers from 1, got"),
    (lambda: models.mobilenet_v2(0), "width must be positive, got 0"),
    (lambda: models.mobilenet_v2(widths=8), "mobilenet_v2: widths must be 16 whole numbers from 1, got 8"),
    (lambda: models.mobilenet_v2(float("nan")), "width must be positive, got nan"),
    (lambda: models.mnasnet(0), "mnasnet: width must be positive, got 0"),
    (lambda: models.mnasnet_a1(0), "mnasnet_a1: width must be positive, got 0"),
    (lambda: models.mobilenet_v3_large(0), "mobilenet_v3_large: width must be positive, got 0"),
    (lambda: models.mobilenet_v3_small(0), "mobilenet_v3_small: width must be positive, got 0"),
])
def test_widths_are_checked(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(("build", "usual"), [
    (models.mobilenet_v1, [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]),
    (models.mobilenet_v2, [96, 144, 144, *[192] * 3, *[384] * 4, *[576] * 3, *[960] * 3])])
def test_widths_layer_by_layer(build, usual):
    """Those of the paper make the usual network; each other one changes a layer alone, and the network still runs."""
    ours = build(widths=usual, num_classes=10)
    assert shapes(ours.state_dict()) == shapes(build(num_classes=10).state_dict())
    odd = build(widths=[8 + i for i in range(len(usual))], num_classes=10, stem_stride=1).eval()
    assert odd(np.zeros((1, 3, 16, 16), np.float32)).shape == (1, 10)
