"""Totals of networks: published ones, those of other counters, and what a summary holds and prints."""
import math

import pytest
from model_oracles import oracle
from torchvision_oracle import import_torchvision
from toys import Block, ToyDetector
from zoo import FACTS

import tinycnn
from tinycnn import models, nn
from tinycnn.analysis import summary
from tinycnn.analysis.cost import PRODUCTS
from tinycnn.nn import init

QUICK = {"shufflenet_v2_x0_5", "mobilenet_v2", "efficientnet_b0"}  # fvcore runs them
AT_THEIR_SIZE = {name for name, facts in FACTS.items() if (facts.oracle or "").startswith("torchvision:")}


@pytest.fixture(autouse=True)
def blank(monkeypatch):
    """Networks start with zeros, which takes no time."""
    for function in ("normal", "uniform"):
        monkeypatch.setattr(init, function, lambda *_, **__: None)


@pytest.fixture(params=[pytest.param(name, marks=() if FACTS[name].everyday else pytest.mark.slow) for name in FACTS])
def name(request):
    return request.param


def of(name, size=None):
    size = size or FACTS[name].size
    return summary(models.create_model(name), (1, 3, size, size))


def test_totals_are_the_published_ones(name):
    facts, found = FACTS[name], of(name)
    assert found.params == facts.parameters
    assert found.macs / 1e6 == pytest.approx(facts.macs, abs=0.05)
    assert found.flops == 2 * found.macs
    assert found.macs / 1e6 == pytest.approx(facts.published, rel=0.06)


def test_totals_are_those_torchvision_publishes(name):
    if name not in AT_THEIR_SIZE:
        pytest.skip("torchvision does not have it")
    torchvision = import_torchvision()
    weights = torchvision.models.get_model_weights(FACTS[name].oracle.partition(":")[2]).DEFAULT
    size = weights.transforms().crop_size[0]
    found = of(name, size)
    auxiliary = 0 if name not in ("googlenet", "inception_v3") else found.params - weights.meta["num_params"]
    assert found.params - auxiliary == weights.meta["num_params"]
    assert found.macs / 1e9 == pytest.approx(weights.meta["_ops"], abs=0.0006, rel=0.005)


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
                                  for name in FACTS])
def test_counts_are_those_of_fvcore(name):
    fvcore = pytest.importorskip("fvcore.nn", reason="fvcore is not installed: its counts are not compared")
    import torch
    model = oracle(name).eval().to_empty(device="cpu")  # it is run: torch.jit traces no shapes alone
    size = FACTS[name].size
    x = torch.zeros(1, 3, size, size)
    products = {"conv", "linear", "matmul", "addmm", "bmm"}
    counted = fvcore.FlopCountAnalysis(model, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    theirs = sum(count for op, count in counted.by_operator().items() if op in products) / 1e6
    found = of(name)
    assert found.macs / 1e6 == pytest.approx(theirs, rel=0.005)
    activations = fvcore.ActivationCountAnalysis(model, x).unsupported_ops_warnings(False)
    activations = activations.uncalled_modules_warnings(False).total()
    assert found.activations == pytest.approx(activations, rel=0.005)


def test_mobilenet_v1_is_pointwise():
    """Howard et al., "MobileNets", 2017, table 2, which counts weights, without biases and normalisation."""
    found = of("mobilenetv1_100")
    kinds = found.grouped(lambda row: row.kind)
    weights = sum(kinds[kind].params for kind in PRODUCTS if kind in kinds) - 1000
    assert round(100 * kinds["pointwise"].macs / found.macs, 2) == 94.86
    assert round(100 * kinds["pointwise"].params / weights, 2) == 74.59
    assert round(100 * kinds["depthwise"].macs / found.macs, 2) == 3.06
    assert round(100 * kinds["depthwise"].params / weights, 2) == 1.06


def test_rows():
    found = summary(Block(), (1, 3, 32, 32))
    assert [row.layer for row in found.rows if row.kind == "depthwise"] == ["depthwise.0"]
    [row] = [row for row in found.rows if row.layer == "stem.0"]
    assert (row.op, row.kind, row.shape, row.window) == ("conv2d", "dense", (1, 16, 16, 16), "3x3 /2")
    assert (row.params, row.macs, row.flops) == (432, 110592, 221184)
    assert found.memory_access == sum(row.memory_access for row in found.rows)
    assert found.bytes == 4 * found.memory_access
    assert [found.size(p) for p in ("fp32", "fp16", "int8")] == [4 * found.params, 2 * found.params, found.params]
    with pytest.raises(ValueError, match="precision must be one of fp32, fp16, int8, got 'fp8'"):
        found.size("fp8")


def test_the_batch_counts():
    one, three = (summary(Block(), (n, 3, 32, 32)) for n in (1, 3))
    assert (three.params, three.macs, three.elementwise) == (one.params, 3 * one.macs, 3 * one.elementwise)
    assert three.memory_access < 3 * one.memory_access  # weights are read once


def test_the_model_keeps_its_mode():
    model = Block().train()
    model.expand.eval()
    summary(model, (1, 3, 32, 32))
    assert model.training
    assert model.stem[1].training
    assert not model.expand[1].training


def test_a_shared_layer_has_its_parameters_once_and_its_work_each_time():
    layer = nn.Linear(4, 4)
    found = summary(nn.Sequential(layer, nn.ReLU(), layer), (1, 4))
    assert (found.params, found.macs) == (20, 32)


def test_parameters_that_are_not_used_have_a_row():
    found = of("googlenet")
    assert [row.op for row in found.rows if row.kind == "(not used here)"] == ["(not used here)"]
    assert sum(row.params for row in found.rows) == found.params


def test_layers_add_up():
    found = summary(Block(), (1, 3, 32, 32))
    outer = found.layers(1)
    assert [row.layer for row in outer.rows][:4] == ["stem", "expand", "depthwise", "project"]
    for total in ("params", "macs", "elementwise", "activations", "memory_access", "bytes"):
        assert getattr(outer, total) == getattr(found, total)


def test_a_detector_has_a_backbone_a_neck_and_a_head():
    found = summary(ToyDetector(), (1, 3, 64, 64))
    parts = found.grouped(lambda row: row.part)
    assert set(parts) == {"backbone", "neck", "head"}
    assert sum(part.macs for part in parts.values()) == found.macs
    assert parts["head"].macs == (16 * 16 * 9 + 16 * 4) * (4 * 4 + 2 * 2)
    assert parts["head"].params == 16 * 16 * 9 + 16 + 16 * 4 + 4  # shared by both levels
    assert "neck" in str(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", models.list_models(task="detection"))
def test_every_detector_has_a_summary(name):
    """Where torchvision has it under the same name and for the same size, with torchvision's figures."""
    model = models.create_model(name)
    found = summary(model, (1, 3, *model.size))
    assert found.params == sum(p.size for p in model.parameters())
    assert {"backbone", "head"} <= set(found.grouped(lambda row: row.part)) <= {"backbone", "neck", "head"}
    torchvision = import_torchvision()
    if name in torchvision.models.list_models(torchvision.models.detection):
        meta = torchvision.models.get_model_weights(name).DEFAULT.meta
        assert found.params == pytest.approx(meta["num_params"], rel=0.002)  # its frozen norms have no parameters
        assert found.macs / 1e9 == pytest.approx(meta["_ops"], rel=0.005)


def test_a_network_of_the_zoo_has_a_backbone_and_a_head():
    found = of("mobilenet_v2", 64)
    assert found.grouped(lambda row: row.part)["head"].params >= 1280 * 1000


def test_functions_have_a_summary_too():
    found = summary(lambda a, b: (a @ b).sum(), (2, 3), (3, 4))
    assert (found.params, found.macs) == (0, 24)


def test_it_prints_its_totals_with_their_names():
    text = str(tinycnn.summary(Block(), (1, 3, 32, 32)))
    for words in ("multiply-adds", "FLOPs", "2 x multiply-adds", "memory access", "fp16", "pointwise", "stem.0"):
        assert words in text
    assert max(map(len, text.splitlines())) < 200


def test_examples_are_asked_for():
    with pytest.raises(TypeError, match="summary: expected the shape"):
        summary(Block())


def test_intensity_is_of_both_kinds_of_operations():
    [row] = summary(nn.Conv2d(4, 4, 1), (1, 4, 8, 8)).rows
    assert math.isclose(row.intensity, (2 * 4 * 4 * 64 + 4 * 64) / (4 * (2 * 4 * 64 + 16 + 4)))
