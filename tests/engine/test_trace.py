"""Tracing: what the graph holds, that it computes what the model does, and what is refused."""
from __future__ import annotations

import numpy as np
import pytest
from engine_nets import MODELS, Unit, registered, settled

import tinycnn
from tinycnn import Tensor, nn, trace
from tinycnn import functional as F
from tinycnn.engine import TraceError


def picture(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_computes_what_the_model_does(name):
    model, x = registered(name, num_classes=10), picture(2, 3, 64, 64)
    np.testing.assert_array_equal(trace(model, x).run(x), model(x).numpy())


def test_nodes_know_their_module_and_parameters_their_name():
    graph = trace(settled(Unit()), (1, 3, 16, 16))
    first = graph.nodes[0]
    assert (first.op, first.path) == ("conv2d", "first.0")
    assert first.inputs["w"].name == "first.0.weight"
    assert first.inputs["b"] is None
    assert first.attributes["window"].stride == (2, 2)
    assert {value.name for value in graph.constants} <= set(Unit().state_dict())


def test_results_keep_their_structure():
    graph = trace(settled(Unit()), (1, 3, 16, 16))
    assert graph.result["map"].shape == (1, 24, 8, 8)
    assert graph.result["scores"][0].shape == (1, 5)
    got, want = graph.run(picture(1, 3, 16, 16)), settled(Unit())(picture(1, 3, 16, 16))
    assert got["scores"][0].shape == want["scores"][0].shape


def test_several_inputs_and_element_types():
    graph = trace(lambda x, y: (x + y).astype("float64"), (2, 3), ((2, 3), "float32"))
    assert [value.name for value in graph.inputs] == ["x", "x1"]
    assert graph.outputs[0].dtype == np.float64
    np.testing.assert_array_equal(graph.run(np.ones((2, 3)), np.ones((2, 3)))[:], 2 * np.ones((2, 3)))


def test_training_mode_is_recorded_as_it_is():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    assert trace(model, (2, 3, 4, 4)).nodes[1].attributes["training"] is True


@pytest.mark.parametrize("read", [lambda x: x.numpy(), lambda x: x.sum().item(), lambda x: bool(x.sum()), float,
                                  lambda x: x > 0, lambda x: np.asarray(x), lambda x: x.tolist()])
def test_reading_numbers_names_the_line(read):
    def model(x):
        read(x)  # this line
        return x
    with pytest.raises(TraceError, match=r"test_trace.py:\d+ reads .* of shape \("):
        trace(model, (1, 3))


def test_what_is_no_tensor_cannot_be_a_result():
    with pytest.raises(TraceError, match="gave back a float"):
        trace(lambda x: 1.0, (1, 3))


@pytest.mark.parametrize("example", [(1, 0, 3), "abc", 3, (1, 2.5), ((1, -1), "float32")])
def test_bad_examples_are_refused(example):
    with pytest.raises(ValueError, match="example"):
        trace(lambda x: x, example)


def test_tracing_ends_when_it_fails():
    with pytest.raises(ZeroDivisionError):
        trace(lambda x: 1 / 0, (1, 3))
    assert (Tensor([1.0]) + 1).item() == 2.0


def test_shapes_are_checked_as_ever():
    with pytest.raises(ValueError, match="conv2d: x must have the axes"):
        trace(nn.Conv2d(3, 4, 1), (1, 3, 4))


def test_running_a_graph_checks_its_inputs():
    graph = trace(lambda x: x + 1, (2, 3))
    with pytest.raises(ValueError, match=r"x has the shape \(3, 2\), expected \(2, 3\)"):
        graph.run(np.zeros((3, 2)))
    with pytest.raises(TypeError, match="expected 1 arrays, got 2"):
        graph.run(np.zeros((2, 3)), np.zeros((2, 3)))


def test_the_package_offers_it():
    assert tinycnn.trace is trace


def test_a_tensor_cut_off_its_tape_stays_traced():
    graph = trace(lambda x: F.relu(x.detach()) + (x * 2).detach(), (2, 3))
    assert [node.op for node in graph.nodes] == ["detach", "relu", "mul", "detach", "add"]
