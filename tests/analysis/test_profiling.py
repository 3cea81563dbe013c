"""Profiles: every operation of a plan once, with the cost of all that it covers."""
import numpy as np
import pytest
from toys import Block, ToyDetector
from zoo import FACTS

import tinycnn
from tinycnn import functional as F
from tinycnn import models, nn
from tinycnn.analysis import Cost, Peaks, profile, summary
from tinycnn.analysis.profiling import Layer
from tinycnn.engine import CompileError

PEAK = Peaks(1, 1e11, 1e10)  # so that nothing is measured
EVERYDAY = [name for name in FACTS if FACTS[name].everyday]


def profiled(model, *shapes, rounds=2):
    return profile(model, *shapes, threads=1, rounds=rounds, peak=PEAK)


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in EVERYDAY[:6] else pytest.mark.slow)
                                  for name in EVERYDAY])
def test_layers_carry_all_the_work_of_a_network(name):
    model = models.create_model(name, num_classes=10, **FACTS[name].light)
    side = max(64, FACTS[name].least)
    found, written = profiled(model, (1, 3, side, side)), summary(model, (1, 3, side, side))
    assert found.macs == written.macs
    assert found.written_memory_access == written.memory_access
    assert found.memory_access < written.memory_access
    assert found.layer_seconds == pytest.approx(sum(found.kinds().values()))
    assert all(layer.seconds > 0 for layer in found.layers)


def test_a_strip_is_one_layer_with_the_cost_of_its_members():
    found = profiled(Block(), (1, 3, 256, 256))
    [strip] = [layer for layer in found.layers if "strip" in layer.kernels]
    pixels = 128 * 128
    assert strip.op == "conv2d.relu6 > conv2d.relu6 > conv2d.add"
    assert strip.cost.macs == pixels * (16 * 96 + 9 * 96 + 96 * 16)
    assert strip.cost.kind == "pointwise+depthwise"
    weights = 16 * 96 + 9 * 96 + 96 * 16 + 96 + 96 + 16  # and the biases that the norms became
    assert strip.cost.memory_access == pixels * (16 + 16) + weights  # the 96 channels stay inside
    assert found.macs == summary(Block(), (1, 3, 256, 256)).macs


def test_several_operations_of_a_plan_are_one_layer():
    found = profiled(nn.Conv2d(64, 64, 3, padding=1, groups=4), (1, 64, 16, 16))
    convolution, *rest = found.layers
    assert convolution.kernels.count("product") == 4
    assert [layer.layer for layer in rest] in ([], ["output"])
    assert convolution.moving < convolution.seconds
    assert convolution.window == "3x3 g4"


def test_lists_of_results():
    found = profiled(ToyDetector(), (1, 3, 64, 64))
    assert found.macs == summary(ToyDetector(), (1, 3, 64, 64)).macs


def test_a_compiled_network_is_profiled_as_it_is():
    net = tinycnn.compile(Block().eval(), (2, 3, 32, 32), threads=1)
    found = profile(net, rounds=1, peak=PEAK)
    assert found.macs == summary(Block(), (2, 3, 32, 32)).macs
    assert found.written_memory_access is None
    with pytest.raises(TypeError, match="has its own examples"):
        profile(net, (1, 3, 32, 32))


def test_the_model_keeps_its_mode():
    model = Block().train()
    profiled(model, (1, 3, 32, 32))
    assert model.fc.training


def test_arrays_are_what_is_run():
    found = profiled(lambda x: F.relu(x), np.ones((1, 4, 8, 8), np.float32))
    assert found.layers[0].shape == (1, 4, 8, 8)


def test_figures_of_a_layer():
    layer = Layer("a", "conv2d", ("product",), (1, 4, 8, 8), "", 1e-6, 0.0,
                  summary_cost(macs=1000, memory=250))
    assert layer.flops == pytest.approx(2e9)
    assert layer.bandwidth == pytest.approx(1e9)
    assert layer.cost.intensity == 2
    assert [layer.bound(Peaks(1, flops, bandwidth)) for flops, bandwidth in ((1e9, 1e9), (1e10, 2e9), (1e10, 5e8))] == [
        "compute", "memory", "cache"]


def summary_cost(macs, memory):
    return Cost("pointwise", macs, 0, 0, memory, 4 * memory)


def test_what_it_prints_and_its_document():
    found = profiled(Block(), (1, 3, 32, 32))
    text = str(found)
    for words in ("% of peak", "% of bandwidth", "depthwise", "its layers together", "as the network is written"):
        assert words in text
    document = found.document()
    assert document["flops"] == 2 * document["macs"] == 2 * found.macs
    assert len(document["layers"]) == len(found.layers)
    assert document["layer_seconds"] == found.layer_seconds


def test_what_is_refused():
    with pytest.raises(ValueError, match="rounds must be an integer >= 1, got 0"):
        profile(Block(), (1, 3, 32, 32), rounds=0)
    with pytest.raises(CompileError, match="mse_loss"):
        profiled(F.mse_loss, (2, 3), (2, 3))
