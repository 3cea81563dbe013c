"""Passes: the same numbers before and after, and that they do what they are for."""
from __future__ import annotations

import numpy as np
import pytest
from engine_nets import Unit, leaves, registered, settled

from tinycnn import functional as F
from tinycnn import nn, trace
from tinycnn.engine import passes


def shape_of(graph):
    """What is left: the operations with their steps."""
    return ["*" * len(node.before) + ".".join([node.op, *(step.op for step in node.after)]) for node in graph.nodes]


def assert_same(graph, other, *xs):
    got, want = (list(leaves(g.run(*xs))) for g in (other, graph))
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=0, atol=1e-5 * max(1, np.abs(w).max()))


@pytest.mark.parametrize("change", passes.INFERENCE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "mobilenet_v3_small", "resnet18", "unit"])
def test_each_pass_keeps_the_numbers_and_its_input(name, change):
    model = settled(Unit()) if name == "unit" else registered(name, num_classes=7)
    x = np.random.default_rng(1).standard_normal((2, 3, 32, 32), np.float32)
    graph = trace(model, x)
    before = shape_of(graph)
    assert_same(graph, change(graph), x)
    assert_same(graph, passes.optimise(graph), x)
    assert shape_of(graph) == before


def test_what_is_left_of_a_unit():
    left = shape_of(passes.optimise(trace(settled(Unit()), (2, 3, 16, 16))))
    assert left == ["conv2d.relu", "pick", "conv2d.relu", "conv2d", "conv2d.relu", "pick", "global_avg_pool2d",
                    "conv2d.hardsigmoid", "*conv2d.add.relu", "global_avg_pool2d", "reshape", "linear"]


def test_batch_normalisation_needs_running_statistics_to_be_folded():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    assert shape_of(passes.fold_scales(trace(model, (2, 3, 4, 4)))) == ["conv2d", "batch_norm"]


@pytest.mark.parametrize("factor", [0.25, np.float32([[3]])], ids=str)
def test_a_number_that_multiplies_a_convolution_is_folded(factor):
    conv, norm = nn.Conv2d(3, 4, 1), settled(nn.BatchNorm2d(4))
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 4), np.float32)
    graph = trace(lambda x: norm(conv(x)) * factor, x)
    assert shape_of(passes.optimise(graph)) == ["conv2d"]
    assert_same(graph, passes.optimise(graph), x)


@pytest.mark.parametrize("factor", [np.float32([[[1]], [[2]], [[3]], [[4]]]), np.ones((1, 1, 1, 1, 1), np.float32)],
                         ids=["channels", "axes"])
def test_other_factors_stay(factor):
    conv, x = nn.Conv2d(3, 4, 1), np.ones((2, 3, 5, 4), np.float32)
    assert shape_of(passes.optimise(trace(lambda x: conv(x) * factor, x))) == ["conv2d", "mul"]


def test_what_others_see_is_not_fused_away():
    conv = nn.Conv2d(3, 4, 1)
    def both(x):
        y = conv(x)
        return y, F.relu(y)
    assert shape_of(passes.optimise(trace(both, (1, 3, 4, 4)))) == ["conv2d", "relu"]


def test_a_value_that_is_added_to_itself_stays_an_addition():
    conv = nn.Conv2d(3, 4, 1)
    def twice(x):
        y = conv(x)
        return y + y
    x = np.ones((1, 3, 4, 4), np.float32)
    graph = trace(twice, x)
    assert shape_of(passes.optimise(graph)) == ["conv2d", "add"]
    assert_same(graph, passes.optimise(graph), x)


def test_of_two_convolutions_that_are_added_the_later_takes_the_addition():
    one, two = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
    graph = passes.optimise(trace(lambda x: F.relu(one(x) + two(x)), (1, 3, 4, 4)))
    assert shape_of(graph) == ["conv2d", "conv2d.add.relu"]


def test_an_activation_before_the_addition_is_kept_before_it():
    conv = nn.Conv2d(3, 3, 1)
    x = np.random.default_rng(0).standard_normal((1, 3, 4, 4), np.float32)
    graph = trace(lambda x: x + F.relu(conv(x)), x)
    assert shape_of(passes.optimise(graph)) == ["conv2d.relu.add"]
    assert_same(graph, passes.optimise(graph), x)


@pytest.mark.parametrize(("call", "left"), [
    (lambda x, y, s: F.relu(F.group_norm(x, 2)), ["group_norm.relu"]),
    (lambda x, y, s: F.relu(F.instance_norm(x) + y), ["instance_norm.add.relu"]),
    (lambda x, y, s: F.relu(F.scale_channels(x, s) + y), ["scale_channels.add.relu"]),
    (lambda x, y, s: x * y + x + y, ["mul.add", "add"]),  # a last store adds one map
    (lambda x, y, s: F.tanh(x) + y, ["tanh", "add"]),
    (lambda x, y, s: x * s + s, ["mul", "add"]),  # of another shape
])
def test_steps_of_normalisations_and_combined_maps(call, left):
    rng = np.random.default_rng(0)
    xs = [rng.standard_normal(shape, np.float32) for shape in ((2, 4, 3, 3), (2, 4, 3, 3), (2, 4, 1, 1))]
    graph = trace(call, *xs)
    assert shape_of(passes.optimise(graph)) == left
    assert_same(graph, passes.optimise(graph), *xs)


@pytest.mark.parametrize(("slopes", "left"), [(1, ["conv2d.leaky_relu"]), (4, ["conv2d", "prelu"])])
def test_a_prelu_of_one_slope_is_a_leaky_relu(slopes, left):
    graph = trace(nn.Sequential(nn.Conv2d(3, 4, 1), nn.PReLU(slopes)), (1, 3, 4, 4))
    assert shape_of(passes.optimise(graph)) == left
    assert_same(graph, passes.optimise(graph), np.random.default_rng(0).standard_normal((1, 3, 4, 4), np.float32))


def test_dead_nodes_go():
    def wasteful(x):
        F.relu(x)
        return x + 1
    assert shape_of(passes.drop_dead(trace(wasteful, (1, 3)))) == ["add"]


def test_constants_are_computed_once():
    weight = nn.Parameter(np.ones((4, 3, 1, 1)))
    graph = passes.optimise(trace(lambda x: F.conv2d(x, weight * 2), (1, 3, 4, 4)))
    assert shape_of(graph) == ["conv2d"]
    np.testing.assert_array_equal(graph.nodes[0].inputs["w"].data, 2 * np.ones((4, 3, 1, 1)))


def test_chains_of_structure_become_one_pick():
    def mixed(x):
        a, b = F.split(F.channel_shuffle(F.concat([x, x * 2]), 2), [5, 3])
        return F.concat([b, a])[:, 1:6]
    x = np.random.default_rng(0).standard_normal((2, 4, 3, 3), np.float32)
    graph = trace(mixed, x)
    after = passes.address_channels(graph)
    assert shape_of(after) == ["mul", "pick"]
    assert_same(graph, after, x)


def test_a_split_that_is_joined_again_disappears():
    graph = trace(lambda x: F.relu(F.concat(F.chunk(x, 2))), (1, 4, 2, 2))
    assert shape_of(passes.address_channels(graph)) == ["relu"]
