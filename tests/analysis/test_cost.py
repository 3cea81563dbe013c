"""The cost of each operation, against its formula."""
import math

import numpy as np
import pytest

import tinycnn
from tinycnn import functional as F
from tinycnn import nn
from tinycnn.analysis import CostError, cost_of
from tinycnn.analysis.cost import RULES
from tinycnn.autograd import OPS, Function
from tinycnn.engine.graph import GRAPH_OPS
from tinycnn.engine.passes import optimise


def cost(model, *shapes):
    [node] = tinycnn.trace(model, *shapes).nodes
    return cost_of([node])


@pytest.mark.parametrize(("inputs", "outputs", "kernel", "groups", "kind"), [
    (24, 48, 1, 1, "pointwise"), (24, 48, 1, 4, "pointwise"), (24, 24, 3, 24, "depthwise"),
    (24, 48, 3, 24, "depthwise"), (16, 32, 3, 1, "dense"), (16, 32, 3, 4, "grouped")])
def test_convolutions_as_shufflenet_v2_counts_them(inputs, outputs, kernel, groups, kind):
    h, w = 14, 10
    found = cost(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False), (1, inputs, h, w))
    weights = kernel**2 * inputs * outputs // groups
    assert found.kind == kind
    assert found.macs == h * w * weights
    assert found.flops == 2 * found.macs
    assert found.memory_access == h * w * (inputs + outputs) + weights
    assert found.bytes == 4 * found.memory_access
    assert found.activations == h * w * outputs
    assert found.elementwise == 0
    assert found.intensity == pytest.approx(2 * h * w * weights / found.bytes)


def test_stride_padding_and_bias():
    found = cost(nn.Conv2d(3, 8, 3, stride=2, padding=1), (2, 3, 9, 9))
    assert (found.macs, found.elementwise) == (2 * 25 * 8 * 27, 2 * 25 * 8)
    assert found.memory_access == 2 * 3 * 81 + 2 * 8 * 25 + 8 * 27 + 8


def test_a_transposed_convolution_is_the_one_that_it_turns_round():
    found = cost(nn.ConvTranspose2d(6, 4, 4, stride=2, padding=1, groups=2, bias=False), (1, 6, 5, 7))
    assert (found.kind, found.macs) == ("transposed", 6 * 35 * 2 * 16)


@pytest.mark.parametrize(("kind", "op", "shapes", "macs"), [
    ("linear", nn.Linear(12, 5, bias=False), [(3, 12)], 3 * 12 * 5),
    ("matmul", lambda a, b: a @ b, [(2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5),
    ("matmul", F.scaled_dot_product_attention, [(2, 3, 8), (2, 6, 8), (2, 6, 5)], 2 * 3 * 6 * (8 + 5)),
    ("recurrent", nn.LSTM(8, 16), [(5, 2, 8)], 5 * 2 * 4 * 16 * (8 + 16)),
    ("recurrent", nn.GRU(8, 16), [(5, 2, 8)], 5 * 2 * 3 * 16 * (8 + 16)),
], ids=["linear", "matmul", "attention", "lstm", "gru"])
def test_other_products(kind, op, shapes, macs):
    found = [cost_of([node]) for node in tinycnn.trace(op, *shapes).nodes]
    assert sum(c.macs for c in found) == macs
    assert kind in {c.kind for c in found}


@pytest.mark.parametrize(("op", "elementwise", "memory", "kind"), [
    (F.relu, 96, 2 * 96, "element-wise"),
    (lambda x: x + x, 96, 2 * 96, "element-wise"),  # it reads one map
    (lambda x: F.max_pool2d(x, 2), 24 * 4, 96 + 24, "pool"),
    (F.global_avg_pool2d, 96, 96 + 6, "pool"),
    (lambda x: F.adaptive_avg_pool2d(x, 3), 6 * 6 * 6, 96 + 54, "pool"),  # rows 0 1, 1 2, 2 3
    (lambda x: F.interpolate(x, scale_factor=2), 0, 96 + 384, "resize"),
    (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), 7 * 384, 96 + 384, "resize"),
    (lambda x: F.channel_shuffle(x, 2), 0, 2 * 96, "move"),
    (lambda x: x.reshape(6, 16), 0, 0, "view"),
    (lambda x: x[:, 1:3], 0, 0, "view"),
    (lambda x: x[:, [1, 3]], 0, 96 + 32, "move"),
    (lambda x: x.transpose(0, 2, 3, 1), 0, 2 * 96, "move"),
    (lambda x: x.mean((2, 3)), 96, 96 + 6, "reduction"),
    (lambda x: F.softmax(x, 1), 5 * 96, 2 * 96, "element-wise")])
def test_what_is_no_product(op, elementwise, memory, kind):
    found = cost(op, (1, 6, 4, 4))
    assert (found.macs, found.activations) == (0, 0)
    assert (found.elementwise, found.memory_access, found.kind) == (elementwise, memory, kind)


def test_the_pools_windows_where_they_overlap():
    x = np.arange(16.0, dtype="f").reshape(1, 1, 4, 4)
    assert F.adaptive_max_pool2d(x, 3).tolist()[0][0][1] == [9, 10, 11]  # rows 1 and 2: two in each direction


def test_batch_norm_in_use_and_in_training():
    norm = nn.BatchNorm2d(6)
    assert cost(norm.eval(), (1, 6, 4, 4)).elementwise == 2 * 96
    assert cost(norm.train(), (1, 6, 4, 4)).elementwise == 6 * 96


def test_all_operations_but_losses_have_a_rule():
    without = {op for op in OPS if op not in RULES and OPS[op].__module__.startswith("tinycnn.")}
    assert {op for op in without if ".losses." not in OPS[op].__module__} == {"best_iou"}  # of losses alone
    assert GRAPH_OPS.keys() <= RULES.keys()
    assert RULES.keys() <= OPS.keys() | GRAPH_OPS.keys()


def test_an_operation_without_a_rule_is_named():
    class Strange(Function, op="strange_for_costs"):
        def shapes(self, x):
            return x

    class Net(nn.Module):
        def __init__(self):
            self.inner = nn.Sequential(Odd())

        def forward(self, x):
            return self.inner(x)

    class Odd(nn.Module):
        def forward(self, x):
            return Strange.apply(x)
    try:
        with pytest.raises(CostError, match=r"'strange_for_costs' in inner.0 .*shape \(1, 3\)"):
            tinycnn.summary(Net(), (1, 3))
    finally:
        del OPS["strange_for_costs"]
    with pytest.raises(CostError, match="'mse_loss'"):
        tinycnn.summary(F.mse_loss, (2, 3), (2, 3))


def test_steps_belong_to_their_node_and_what_is_handed_on_inside_is_not_counted():
    model = nn.Sequential(nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
                          nn.Conv2d(16, 4, 1, bias=False)).eval()
    first, second = optimise(tinycnn.trace(model, (1, 8, 5, 5))).nodes
    fused = cost_of([first])
    assert (fused.macs, fused.elementwise) == (25 * 8 * 16, 2 * 25 * 16)  # the bias that the norm became; the ReLU
    both = cost_of([first, second])
    assert both.macs == fused.macs + 25 * 16 * 4
    assert both.memory_access == 25 * (8 + 4) + 8 * 16 + 16 + 16 * 4
    assert both.kind == "pointwise"


def test_element_types_count_in_bytes():
    found = cost(F.relu, ((1, 6, 4, 4), np.float64))
    assert found.bytes == 8 * found.memory_access
    assert math.isclose(found.intensity, 96 / (8 * 192))
