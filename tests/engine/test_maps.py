"""Operations over maps, in the company that networks give them: heads, necks, blocks; and at the edges of float32."""
from __future__ import annotations

import numpy as np
import pytest
from engine_nets import assert_compiled, assert_refused, kinds, leaves, noise, settled
from hypothesis import given
from hypothesis import strategies as st

import tinycnn
from tinycnn import functional as F
from tinycnn import nn
from tinycnn._kernels import kernels
from tinycnn.engine.check import check
from tinycnn.engine.spans import PlanError

pytestmark = pytest.mark.usefixtures("isa")


def uneven(model, seed=0):
    """The model with weights of normalisations that are not 1 and 0."""
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        if p.data.ndim == 1:
            p.data = rng.uniform(0.5, 1.5, p.shape).astype(np.float32)
    return model.eval()


# ---------------------------------------------------------------- heads and necks
class Head(nn.Module):
    """FCOS's, in little: towers that all levels share, and e^x of what is to be positive."""

    def __init__(self, channels=24, groups=4):
        def tower():
            return nn.Sequential(*(layer for _ in range(2) for layer in (
                nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.GroupNorm(groups, channels), nn.ReLU())))
        self.classes, self.boxes = tower(), tower()
        self.score, self.sides = nn.Conv2d(channels, 5, 3, padding=1), nn.Conv2d(channels, 4, 3, padding=1)

    def forward(self, *levels):
        return [(self.score(self.classes(x)), self.sides(self.boxes(x)).exp()) for x in levels]


def test_a_head_over_five_levels_of_odd_sizes():
    levels = [noise(2, 24, h, w, seed=h) for h, w in [(25, 21), (13, 11), (7, 6), (4, 3), (2, 2)]]
    net = assert_compiled(uneven(Head()), *levels)
    assert kinds(net)["affine"] == 20  # and no operation for a ReLU
    assert "combine" not in kinds(net)


class Pyramid(nn.Module):
    """FPN's top-down path: the upper level made larger, and added to what the lower one gives."""

    def __init__(self, mode, widths=(12, 20, 40)):
        self.mode = mode
        self.lateral = nn.ModuleList([nn.Conv2d(width, 16, 1) for width in widths])
        self.smooth = nn.ModuleList([nn.Conv2d(16, 16, 3, padding=1) for _ in widths])

    def forward(self, *maps):
        levels = [lateral(x) for lateral, x in zip(self.lateral, maps)]
        for i in range(len(levels) - 1, 0, -1):
            levels[i - 1] = levels[i - 1] + F.interpolate(levels[i], levels[i - 1].shape[2:], mode=self.mode)
        return [smooth(x) for smooth, x in zip(self.smooth, levels)]


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("sizes", [((20, 28), (10, 14), (5, 7)), ((19, 27), (10, 14), (5, 7))])
def test_a_feature_pyramid(sizes, mode):
    maps = [noise(2, c, h, w, seed=c) for c, (h, w) in zip((12, 20, 40), sizes)]
    net = assert_compiled(Pyramid(mode).eval(), *maps)
    assert kinds(net)["resize"] == 2
    assert "combine" not in kinds(net)  # the additions are steps of the convolutions


def test_passing_on_what_has_length_1():
    """SSD's conv4_3: a head reads it scaled to length, the rest of the network as it is."""
    norm, head, rest = nn.L2Norm(40), nn.Conv2d(40, 8, 3, padding=1), nn.Conv2d(40, 8, 3, padding=1)
    assert_compiled(lambda x: (head(norm(x)), rest(F.max_pool2d(x, 2))), noise(2, 40, 13, 11))


def test_zeros_have_no_length():
    x = noise(1, 20, 3, 3)
    x[:, :, 1] = 0
    assert_compiled(lambda x: F.l2_norm(x), x)


@pytest.mark.parametrize("beta", [0.75, 0.6])
@pytest.mark.parametrize("size", [1, 4, 5, 90])
def test_local_response_across_blocks(size, beta):
    assert_compiled(lambda x: F.local_response_norm(F.relu(x), size, 1e-1, beta, 2.0), 5 * noise(2, 37, 6, 5))


# ---------------------------------------------------------------- squeeze and excitation
def branch(channels, activation=None):
    return nn.Sequential(*nn.ConvBNAct(channels, channels, 3, activation=activation))


@pytest.mark.parametrize(("block", "left"), [
    (lambda: nn.SEResidual(branch(24), 24), {"combine": 1}),  # factor, addition and ReLU at once
    (lambda: nn.SEResidual(branch(24), 24, shortcut=nn.Conv2d(24, 24, 1)), {"combine": 1}),
    (lambda: nn.SEInception(branch(24, nn.ReLU), 24), {"combine": 1}),
    (lambda: nn.Sequential(branch(24), nn.SqueezeExcitation(24, 8), nn.Hardswish(), nn.Conv2d(24, 8, 1)),
     {"combine": 1}),
    (lambda: nn.Sequential(*nn.DepthwiseBNAct(24, 5), nn.SqueezeExcitation(24, 8), nn.Conv2d(24, 8, 1)), {}),
], ids=["residual", "shortcut", "inception", "before the activation", "before a projection"])
def test_squeeze_and_excitation(block, left):
    net = assert_compiled(block().eval(), noise(2, 24, 14, 13))
    assert {kind: count for kind, count in kinds(net).items() if kind == "combine"} == left


def test_sums_of_several_maps():
    a, b, c = (noise(2, 19, 13, 12, seed=i) for i in range(3))
    net = assert_compiled(lambda a, b, c: F.relu(a * b + c) + (a - b) + c, a, b, c)
    assert kinds(net)["combine"] == 3  # the last addition of each is a step of the one before


def test_in_other_orders():
    """What is no map, or no longer one, or lies in the order of another: the same numbers."""
    conv = nn.Conv2d(3, 16, 1)
    def mixed(x, y):
        z = conv(x)
        turned = (z.transpose(0, 2, 3, 1) + y + abs(y)) * y + y
        flat = z.flatten(1)
        return turned, F.relu(flat), flat.exp() * flat + flat, F.group_norm(flat, 4), F.prelu(flat, np.float32([0.2]))
    assert_compiled(mixed, noise(2, 3, 7, 7), noise(2, 7, 7, 16, seed=1))


# ---------------------------------------------------------------- normalisation
@pytest.mark.parametrize("adds", [False, True])
def test_joined_maps_are_normalised_as_they_lie(adds):
    """DenseNet's layers: what all layers before have given, normalised anew for each."""
    convs = [nn.Conv2d(c, 7, 1) for c in (3, 10, 17)]
    norms = [settled(nn.BatchNorm2d(c), seed=c) for c in (3, 10, 17)]
    def dense(x):
        for conv, norm in zip(convs, norms):
            x = F.concat([x, conv(F.relu(norm(x) + x if adds else norm(x)))])
        return x
    net = assert_compiled(dense, noise(2, 3, 6, 5))
    assert kinds(net)["affine"] == (3 if adds else 6)
    assert ("gather" in kinds(net)) == adds


def test_means_of_joined_maps_are_taken_where_they_lie():
    """GhostNet's squeeze and excitation, GoogLeNet's classifier."""
    left, right, scale, last = nn.Conv2d(3, 7, 1), nn.Conv2d(3, 18, 1), nn.Conv2d(25, 25, 1), nn.Linear(25, 4)
    def joined(x):
        y = F.concat([left(x), right(x)])
        means = F.global_avg_pool2d(y)
        return F.conv2d(F.scale_channels(y, F.sigmoid(scale(means))), scale.weight), last(means.flatten(1))
    net = assert_compiled(joined, noise(2, 3, 9, 8))
    assert "gather" not in kinds(net)
    assert kinds(net)["global_mean"] == 2


@pytest.mark.parametrize("times", [2, 3])
def test_channels_that_give_several_each_are_convolved_as_often(times):
    """GhostNet's cheap features at a ratio above 2; the input of the second lies in several maps."""
    convs = [nn.Conv2d(c, times * c, 3, stride=s, padding=1, groups=c) for c, s in ((19, 1), (19 + 19 * times, 2))]
    net = assert_compiled(lambda x: convs[1](F.concat([x * 2, F.relu(convs[0](x))])), noise(2, 19, 9, 8))
    assert kinds(net)["depthwise"] == times + times * (1 + times)
    assert "product" not in kinds(net)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_grey_image_is_no_channel_that_gives_several(stride):
    """But an input of a product, whose results lie side by side."""
    conv = nn.Conv2d(1, 20, 3, stride=stride, padding=1)
    net = assert_compiled(lambda x: F.relu(conv(x)), noise(3, 1, 9, 8))
    assert kinds(net)["product"] == 1
    assert not {"depthwise", "gather"} & kinds(net).keys()


def test_a_residual_behind_channels_that_give_several_each():
    conv = nn.Conv2d(10, 20, 3, padding=1, groups=10)
    assert_compiled(lambda x: F.relu(conv(x) + F.concat([x, x])), noise(2, 10, 9, 8))


def test_an_instance_norm_network():
    layers = [nn.Conv2d(3, 20, 3, padding=1), nn.InstanceNorm2d(20, affine=True), nn.LeakyReLU(0.2),
              nn.Conv2d(20, 20, 3, stride=2), nn.InstanceNorm2d(20), nn.PReLU(), nn.Upsample(scale_factor=2),
              nn.Conv2d(20, 3, 3), nn.Tanh()]
    assert_compiled(uneven(nn.Sequential(*layers)), noise(2, 3, 30, 25))


@given(st.sampled_from([1, 3, 6, 16, 24, 48]), st.integers(1, 3), st.sampled_from([(1, 3), (5, 7), (24, 45)]))
def test_groups_within_blocks_and_across_them(groups, n, size):
    assert_compiled(uneven(nn.GroupNorm(groups, 48)), noise(n, 48, *size))


def test_layer_norm_by_elements():
    layer, conv = nn.LayerNorm((19, 5, 6)), nn.Conv2d(3, 19, 1)
    layer.weight.data[:], layer.bias.data[:] = noise(19, 5, 6), noise(19, 5, 6, seed=1)
    net = assert_compiled(lambda x: F.relu(layer(conv(x)) + F.layer_norm(x, 6)[:, :1]), noise(2, 3, 5, 6, seed=2))
    assert kinds(net)["affine"] == 2  # by statistics, then by elements


def test_switchable_norm_in_use():
    layer = uneven(nn.SwitchableNorm2d(20))
    layer.running_mean.data[:], layer.running_var.data[:] = noise(20), 1 + np.abs(noise(20))
    assert_compiled(nn.Sequential(layer, nn.ReLU()).eval(), noise(3, 20, 6, 7))


NORMS = {"instance": lambda x: F.instance_norm(x), "group": lambda x: F.group_norm(x, 2),
         "layer": lambda x: F.layer_norm(x, (4, 90, 90))}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("mean", [0, 1e3, -1e4])
def test_large_means_keep_their_digits(norm, mean):
    """Against float64, as exactly as x - mean can be told in float32."""
    x = noise(2, 4, 90, 90) + np.float32(mean)
    want = NORMS[norm](tinycnn.Tensor(x.astype(np.float64))).numpy()
    got = tinycnn.compile(NORMS[norm], x.shape)(x)
    np.testing.assert_allclose(got, want, rtol=0, atol=5e-6 + 1.5e-7 * abs(mean))


# ---------------------------------------------------------------- functions of one number
EDGES = np.float32([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-45, 1e-39, 3e38, -3e38, 2, 0.5, 88, -88, -103])


def values():
    """All magnitudes, and the edges, as a map of several blocks."""
    rng = np.random.default_rng(0)
    spread = np.exp(rng.uniform(-80, 80, 680)) * rng.choice([-1, 1], 680)
    near = 1 + rng.normal(0, 1e-3, 304)
    return np.concatenate([EDGES, spread, near]).astype(np.float32).reshape(1, 20, 5, 10)


def assert_as_numpy(call, numpy, x, tolerance):
    """As in float64, where the result is a normal number; what is smaller may have fewer digits."""
    with np.errstate(all="ignore"):
        want = numpy(x.astype(np.float64)).astype(np.float32)
    got = tinycnn.compile(call, x.shape)(x)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=np.finfo(np.float32).tiny)


@pytest.mark.parametrize(("call", "numpy"), [
    (lambda x: x.exp(), np.exp), (lambda x: x.log(), np.log), (lambda x: x.sqrt(), np.sqrt), (abs, np.abs),
    (lambda x: -x, np.negative)])
def test_functions_of_one_number(call, numpy):
    assert_as_numpy(call, numpy, values(), 1e-6)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 0.5, 1.7, -0.3, 2.5])
def test_powers(exponent):
    """Fractional powers of -infinity are NaN, as those of other negative numbers; C has infinity."""
    x = values()
    if exponent % 1:
        x[np.isneginf(x)] = -1
    assert_as_numpy(lambda x: x**exponent, lambda x: x**exponent, x, 3e-6)


@pytest.mark.parametrize("weight", [np.array([0.3], "f"), noise(20)])
@pytest.mark.parametrize("size", [(7, 6), (1, 1)])
def test_slopes(weight, size):
    net = assert_compiled(lambda x: F.prelu(x, weight), noise(2, 20, *size))
    assert ("prelu" in kinds(net)) == (len(weight) > 1)


def test_one_slope_is_a_step_of_the_convolution():
    net = assert_compiled(nn.Sequential(nn.Conv2d(3, 8, 3), nn.PReLU()).eval(), noise(1, 3, 9, 9))
    assert kinds(net) == {"pad": 1, "product": 1, "write_output": 1}


@pytest.mark.parametrize("call", [F.maximum, F.minimum])
def test_nan_of_either_is_nan(call):
    a, b = np.float32([1, np.nan, 2, np.nan]).reshape(1, 4), np.float32([np.nan, 1, 3, np.nan]).reshape(1, 4)
    got = tinycnn.compile(call, a.shape, b.shape)(a, b)
    np.testing.assert_array_equal(got, call(a, b).numpy())


READERS = {
    "pointwise": lambda c: nn.Conv2d(c, 5, 1), "dense": lambda c: nn.Conv2d(c, 5, 3, stride=2),
    "winograd": lambda c: nn.Conv2d(c, 5, 3, padding=1), "depthwise": lambda c: nn.Conv2d(c, c, 3, groups=c),
    "grouped": lambda c: nn.Conv2d(c, 2, 3, groups=1), "transposed": lambda c: nn.ConvTranspose2d(c, 3, 2, stride=2),
    "linear": lambda c: nn.Sequential(nn.Flatten(), nn.Linear(c * 36, 3)), "l2_norm": nn.L2Norm,
    "local_response": lambda c: nn.LocalResponseNorm(5), "group_norm": lambda c: nn.GroupNorm(1, c),
    "mean": lambda c: nn.Sequential(nn.GlobalAvgPool2d(), nn.Conv2d(c, 4, 1)), "pool": lambda c: nn.MaxPool2d(3, 1, 1),
    "layer_norm": lambda c: nn.LayerNorm((c, 6, 6)),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("channels", [3, 19])
def test_what_fills_up_the_last_block_reaches_no_channel(reader, channels):
    """The zeros there become NaN on the way: 1/0 - 1/0."""
    layer = READERS[reader](channels).eval()
    assert_compiled(lambda x: layer(x**-1.0 - x**-1.0 + x), 1 + np.abs(noise(2, channels, 6, 6)))


# ---------------------------------------------------------------- threads, and plans that lie
def everything(x):
    """An operation of every kind that this file is about."""
    y = F.group_norm(F.interpolate(x, scale_factor=(1.5, 2), mode="bilinear"), 4)
    y = F.prelu(F.l2_norm(y), np.linspace(-1, 1, 20, dtype="f")) + abs(y)
    normalised = F.batch_norm(y, np.zeros(20, "f"), np.ones(20, "f"))
    return F.local_response_norm(y, 5) * F.instance_norm(y), F.relu(normalised)


def test_any_number_of_threads_gives_the_same_bits():
    x = noise(2, 20, 9, 8)
    one, *others = (tinycnn.compile(everything, x, threads=threads)(x) for threads in (1, 2, 3, 7))
    for other in others:
        for a, b in zip(one, other):
            np.testing.assert_array_equal(a, b)


def test_saved_and_loaded_they_are_the_same(tmp_path):
    def all_and_regions(x, boxes):
        return everything(x), F.roi_align(x, boxes, 2), F.switchable_norm(x.astype("float32"), *np.ones((4, 20), "f"),
                                                                          *np.ones((2, 3), "f"))
    x, boxes = noise(2, 20, 9, 8), np.float32([[0, 1, 1, 5, 6], [1, 2, 0, 7, 7]])
    net = tinycnn.compile(all_and_regions, x, boxes)
    net.save(tmp_path / "net.tinycnn")
    for got, want in zip(leaves(tinycnn.load_compiled(tmp_path / "net.tinycnn")(x, boxes)), leaves(net(x, boxes))):
        np.testing.assert_array_equal(got, want)


ADDRESSES = {
    "resize": "x y t w off blocks images h wd oh ow kh kw", "moments": "x y blocks images n",
    "factors": "s y w b z blocks images k rows", "affine": "x y r blocks images n",
    "l2_norm": "x y w k blocks images n", "local_response": "x y w t k blocks images n rows", "unary": "x y n mode",
    "prelu": "x y w blocks images n", "combine": "x y s blocks images n px",
}


@pytest.mark.parametrize("kind", ADDRESSES)
def test_a_plan_with_a_wrong_field_is_refused(kind):
    assert_refused(tinycnn.compile(everything, (2, 20, 9, 8), threads=2), kind, ADDRESSES[kind])


def test_places_and_exponents_are_checked():
    for call, table in ((lambda x: F.interpolate(x, 7), True), (lambda x: x**1.5, False)):
        net = tinycnn.compile(call, (1, 3, 4, 4))
        plan, unit = net._latest.plan, kernels(np.dtype(np.float32), "engine")
        if table:
            plan.tables[:] = 4
        else:
            plan.ops[plan.kinds.index("unary"), unit.FIELDS.index("low")] = np.float64(np.nan).view(np.int64)
        with pytest.raises(PlanError, match="places" if table else "exponent"):
            check(plan, [48, 1000], unit.WIDTH, 2, unit)


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize(("call", "message"), [
    (lambda x: x.astype("float64"), "astype .*from float32 to float64; expected the element type"),
    (lambda x: F.switchable_norm(x, *np.ones((4, 3), "f"), *np.ones((2, 3), "f"), training=True), "call eval"),
])
def test_what_cannot_run_is_named(call, message):
    with pytest.raises(tinycnn.engine.CompileError, match=message):
        tinycnn.compile(call, (2, 3, 4, 5))


@pytest.mark.parametrize("call", [lambda x, w: F.group_norm(x, 1, w), F.prelu, F.l2_norm])
def test_weights_must_be_constants(call):
    with pytest.raises(tinycnn.engine.CompileError, match="its weight is computed, expected a constant"):
        tinycnn.compile(call, (2, 3, 4, 5), (3,))
