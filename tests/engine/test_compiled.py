"""Compiled networks: equal to eager for every model, any shape and thread count; files; what is refused."""
from __future__ import annotations

import os
import threading
from contextlib import suppress

import numpy as np
import pytest
from engine_nets import EVERYDAY, MODELS, Unit, assert_close, picture, registered, settled
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import FACTS

import tinycnn
from tinycnn import functional as F
from tinycnn import nn
from tinycnn._kernels import available, use
from tinycnn.engine import CompiledNet, CompileError, passes, trace
from tinycnn.engine.check import check
from tinycnn.engine.spans import PlanError
from tinycnn.serialize import CheckpointError


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("name", MODELS)
def test_every_model_compiles_and_equals_eager(name, isa):
    model, x = registered(name, num_classes=10), picture(2, 3, 64, 64)
    want = model(x).numpy()
    with use(isa):
        assert_close(tinycnn.compile(model, x, threads=2)(x), want)


@settings(max_examples=2)
@given(n=st.integers(1, 3), h=st.integers(33, 64), w=st.integers(33, 64))
@pytest.mark.parametrize("name", EVERYDAY)
def test_any_size_and_batch(name, n, h, w):
    least = FACTS[name].least
    model, x = registered(name, num_classes=3), picture(n, 3, max(h, least), max(w, least))
    assert_close(tinycnn.compile(model, (1, 3, least + 8, least + 8), threads=1)(x), model(x).numpy())


def test_feature_maps_come_as_the_model_gives_them():
    model, x = registered("shufflenet_v2_x1_0", features_only=True), picture(1, 3, 64, 64)
    got, want = tinycnn.compile(model, x)(x), model(x)
    assert isinstance(got, list)
    for g, w in zip(got, want, strict=True):
        assert_close(g, w.numpy())


def test_dicts_and_lists_of_results():
    model, x = settled(Unit()), picture(2, 3, 20, 16)
    got, want = tinycnn.compile(model, x)(x), model(x)
    assert_close(got["map"], want["map"].numpy())
    assert_close(got["scores"][0], want["scores"][0].numpy())


def test_several_inputs():
    net = tinycnn.compile(lambda a, b: F.relu(a - b), (1, 3, 4, 4), (1, 3, 4, 4))
    a, b = picture(1, 3, 4, 4), picture(1, 3, 4, 4, seed=1)
    np.testing.assert_array_equal(net(a, b), np.maximum(a - b, 0))


def test_any_thread_count_gives_the_same_bits():
    model, x = settled(Unit(40)), picture(1, 3, 50, 34)
    one, *others = [tinycnn.compile(model, x, threads=n)(x)["map"] for n in (1, 2, 3, 5)]
    for other in others:
        np.testing.assert_array_equal(one, other)


def test_outputs_are_fresh_arrays():
    net = tinycnn.compile(nn.Conv2d(3, 4, 1), (1, 3, 4, 4))
    first, x = net(np.zeros((1, 3, 4, 4))), picture(1, 3, 4, 4)
    kept = first.copy()
    net(x)
    np.testing.assert_array_equal(first, kept)


def test_inputs_may_be_tensors_of_any_type_and_order():
    net, x = tinycnn.compile(nn.Conv2d(3, 4, 1), (1, 3, 4, 5)), picture(1, 3, 4, 5)
    want = net(x)
    for same in (tinycnn.Tensor(x), x.astype(np.float64), np.asfortranarray(x), x[:, :, ::-1][:, :, ::-1]):
        np.testing.assert_array_equal(net(same), want)


def test_python_threads_take_turns():
    """Ten shapes, more than plans are kept for, and one that profiles all the while."""
    net = tinycnn.compile(settled(Unit()), (1, 3, 32, 32), threads=2)
    pictures = [picture(1 + i % 2, 3, 24 + 2 * (i // 2), 32, seed=i) for i in range(10)]
    want = [net(x)["map"] for x in pictures]
    wrong = []

    def work(i):
        for _ in range(8):
            if not np.array_equal(net(pictures[i])["map"], want[i]):
                wrong.append(i)
    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(pictures))]
    workers.append(threading.Thread(target=net.profile, args=(pictures[0],), kwargs={"rounds": 50}))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_after_a_fork_runs_it(run_python):
    code = """
import os, numpy as np, tinycnn
net = tinycnn.compile(tinycnn.nn.Conv2d(3, 64, 3), (1, 3, 64, 64), threads=2)
x = np.ones((1, 3, 64, 64), "f")
want = net(x)
if (child := os.fork()) == 0:
    os._exit(0 if np.array_equal(net(x), want) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run_python(code).stdout == "0\n"


def test_it_is_a_snapshot_until_it_is_refreshed():
    layer, x = nn.Linear(3, 2), picture(1, 3)
    net = tinycnn.compile(layer, x)
    before = net(x)
    layer.load_state_dict({"weight": np.zeros((2, 3), "f"), "bias": np.ones(2, "f")})
    np.testing.assert_array_equal(net(x), before)
    net.refresh()
    np.testing.assert_array_equal(net(x), [[1, 1]])


@pytest.mark.parametrize("name", EVERYDAY)
def test_every_model_is_saved_and_loaded(monkeypatch, tmp_path, name):
    """With a cache of no size, so that strips are among what is loaded."""
    monkeypatch.setattr("tinycnn.engine.plan.CACHE", 4)
    side = FACTS[name].least + 8
    model, x = registered(name, num_classes=3), picture(1, 3, side, side)
    net = tinycnn.compile(model, x, threads=1)
    net.save(tmp_path / "net.tinycnn")
    loaded = tinycnn.load_compiled(tmp_path / "net.tinycnn", threads=1)
    np.testing.assert_array_equal(loaded(x), net(x))
    assert loaded.report().operations == net.report().operations
    assert_close(loaded.graph.run(x), net(x))


def test_saved_and_loaded_it_is_the_same(tmp_path):
    model, x = settled(Unit()), picture(2, 3, 20, 16)
    net = tinycnn.compile(model, x)
    net.save(tmp_path / "unit.tinycnn")
    again = tinycnn.load_compiled(tmp_path / "unit.tinycnn")
    np.testing.assert_array_equal(again(x)["map"], net(x)["map"])
    with pytest.raises(RuntimeError, match="loaded from a file"):
        again.refresh()
    with pytest.raises(ValueError, match=r"x has the shape \(1, 3, 20, 16\), expected \(2, 3, 20, 16\) .*fixed"):
        again(x[:1])
    with pytest.raises(ValueError, match=r"path must end in .tinycnn"):
        net.save(tmp_path / "unit.npz")


def test_a_loaded_net_is_saved_from_its_file(tmp_path):
    x = picture(1, 3, 16, 16)
    tinycnn.compile(settled(Unit()), x).save(tmp_path / "one.tinycnn")
    net = tinycnn.load_compiled(tmp_path / "one.tinycnn")
    net.save(tmp_path / "two.tinycnn")
    np.testing.assert_array_equal(tinycnn.load_compiled(tmp_path / "two.tinycnn")(x)["map"], net(x)["map"])
    tinycnn.compile(settled(Unit(), seed=1), x).save(tmp_path / "one.tinycnn")
    with pytest.raises(RuntimeError, match=r"one.tinycnn, which has changed or is gone"):
        net.save(tmp_path / "two.tinycnn")


def test_a_loaded_net_needs_no_model_code(tmp_path, run_python):
    tinycnn.compile(registered("shufflenet_v2_x0_5", num_classes=4), (1, 3, 32, 32)).save(tmp_path / "net.tinycnn")
    code = ("import sys, numpy as np, tinycnn; net = tinycnn.load_compiled('net.tinycnn');"
            "print(net(np.zeros((1, 3, 32, 32))).shape, 'tinycnn.models' in sys.modules)")
    assert run_python(code, cwd=tmp_path).stdout == "(1, 4) False\n"


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_is_refused_or_harmless(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    tinycnn.compile(settled(Unit()), (1, 3, 16, 16)).save(folder / "good.tinycnn")
    content = bytearray((folder / "good.tinycnn").read_bytes())
    begin = content.index(b'{"format"')
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(begin, begin + 3000))] = data.draw(st.sampled_from(b'0123456789[]{}",-xe'))
    (folder / "bad.tinycnn").write_bytes(content)
    with suppress(CheckpointError):
        tinycnn.load_compiled(folder / "bad.tinycnn", threads=1)


def test_weights_are_no_compiled_network(tmp_path):
    tinycnn.save({"w": np.ones(3)}, tmp_path / "w.npz")
    with pytest.raises(CheckpointError, match="no compiled network"):
        tinycnn.load_compiled(tmp_path / "w.npz")


def test_a_report_and_a_profile():
    net = tinycnn.compile(settled(Unit()), (1, 3, 16, 16), threads=2)
    assert "not called yet" in str(net.report())
    net(np.zeros((1, 3, 16, 16)))
    report = net.report()
    assert report.threads == 2
    assert report.arena > 0 < report.constants
    assert report.first_call_time > 0
    assert "2 threads" in str(report)
    assert "first call" in str(report)
    profile = net.profile(np.zeros((1, 3, 16, 16)), rounds=2)
    assert len(profile) == sum(report.operations.values())
    assert {timed.kernel for timed in profile} == set(report.operations)
    assert "branch.0" in {timed.module for timed in profile}
    assert all(timed.seconds >= 0 for timed in profile)


def test_what_cannot_run_is_named():
    class Strange(nn.Module):
        def __init__(self):
            self.inner = Inner()

        def forward(self, x):
            return self.inner(x)

    class Inner(nn.Module):
        def forward(self, x):
            return x.astype("float64")
    with pytest.raises(CompileError, match=r"astype in inner .*shape \(1, 3, 4, 4\)"):
        tinycnn.compile(Strange(), (1, 3, 4, 4))


def test_training_statistics_are_refused():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    with pytest.raises(CompileError, match=r"batch_norm in 1 .*call eval"):
        tinycnn.compile(model, (2, 3, 4, 4))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_warn(value, tmp_path):
    layer = nn.Linear(3, 2)
    layer.weight.data[0, 0] = value
    with pytest.warns(RuntimeWarning, match="weight hold NaN or infinite") as told:
        net = tinycnn.compile(layer, (1, 3))
    assert told[0].filename == __file__
    np.testing.assert_array_equal(net(np.ones((1, 3)))[0, 0], value)
    net.save(tmp_path / "net.tinycnn")
    with pytest.warns(RuntimeWarning, match="weight hold NaN or infinite"):
        tinycnn.load_compiled(tmp_path / "net.tinycnn")


def test_nan_inputs_come_through_clipping():
    net = tinycnn.compile(lambda x: F.relu6(F.conv2d(x, np.ones((2, 1, 1, 1), "f"))), (1, 1, 2, 2))
    assert np.isnan(net(np.full((1, 1, 2, 2), np.nan))).all()


@pytest.mark.parametrize(("inputs", "error", "message"), [
    ((np.zeros((1, 3, 4, 5)),), ValueError, r"x has the shape \(1, 3, 4, 5\), expected \(1, 3, 4, 4\) .*fixed"),
    ((np.zeros((0, 3, 4, 4)),), ValueError, r"x has the shape \(0, 3, 4, 4\), expected"),
    ((), TypeError, "expected 1 inputs, got 0"),
    ((np.zeros((1, 3, 4, 4)), 1), TypeError, "expected 1 inputs, got 2"),
])
def test_wrong_inputs_are_refused(inputs, error, message):
    net = tinycnn.compile(nn.Conv2d(3, 4, 1), (1, 3, 4, 4), shapes="fixed")
    with pytest.raises(error, match=message):
        net(*inputs)


@pytest.mark.parametrize(("shape", "message"), [
    ((1, 4, 4, 4), "conv2d: "), ((3, 4, 4), "conv2d: x must have the axes"),
    ((1, 3, 0, 4), r"x has the shape \(1, 3, 0, 4\), expected"),
])
def test_new_shapes_that_the_model_does_not_take(shape, message):
    net = tinycnn.compile(nn.Conv2d(3, 4, 1), (1, 3, 4, 4))
    with pytest.raises(ValueError, match=message):
        net(np.zeros(shape))
    assert len(net.report().plans) == 1


def test_shapes_are_any_or_fixed():
    with pytest.raises(ValueError, match="shapes must be 'any' or 'fixed', got 'some'"):
        tinycnn.compile(nn.Linear(3, 2), (1, 3), shapes="some")


def test_new_shapes_get_plans_of_their_own():
    model, kept = settled(Unit()), []
    net = tinycnn.compile(model, (1, 3, 32, 32), threads=2)
    for shape in [(1, 3, 32, 32), (2, 3, 32, 32), (1, 3, 20, 46), (2, 3, 32, 32), (1, 3, 32, 32)]:
        x = picture(*shape)
        kept.append((net(x), model(x)))
    for got, want in kept:  # after all calls: no result was overwritten by a later one
        assert_close(got["map"], want["map"].numpy())
        assert_close(got["scores"][0], want["scores"][0].numpy())
    report = net.report()
    assert [plan.shapes for plan in report.plans] == [((1, 3, 20, 46),), ((2, 3, 32, 32),), ((1, 3, 32, 32),)]
    assert report.arena == max(plan.arena for plan in report.plans)
    assert report.constants == max(plan.constants for plan in report.plans)  # all share the largest
    assert "2x3x32x32: " in str(report)


def test_the_plan_that_was_not_used_for_longest_goes():
    net = tinycnn.compile(nn.Conv2d(3, 4, 1), (1, 3, 1, 1))
    for width in (2, 3, 4, 5, 6, 7, 8, 1, 9, 10):
        net(np.zeros((1, 3, 1, width)))
    assert [plan.shapes[0][3] for plan in net.report().plans] == [4, 5, 6, 7, 8, 1, 9, 10]


def test_several_inputs_of_new_shapes():
    net = tinycnn.compile(lambda a, b: F.relu(a - b), (1, 3, 4, 4), (1, 3, 4, 4))
    a, b = picture(2, 3, 5, 4), picture(2, 3, 1, 1)
    np.testing.assert_array_equal(net(a, b), np.maximum(a - b, 0))


def test_new_shapes_do_not_mix_parameters_of_two_times():
    layer = nn.Conv2d(3, 2, 1)
    net = tinycnn.compile(layer, (1, 3, 4, 4))
    layer.load_state_dict({"weight": np.zeros((2, 3, 1, 1), "f"), "bias": np.ones(2, "f")})
    with pytest.raises(RuntimeError, match=r"parameters.* have changed .*refresh"):
        net(picture(1, 3, 5, 5))
    net.refresh()
    np.testing.assert_array_equal(net(picture(1, 3, 5, 5)), np.ones((1, 2, 5, 5)))


def test_what_is_saved_has_the_parameters_of_its_time(tmp_path):
    layer = nn.Linear(3, 2)
    for model in (layer, lambda x: layer(x)):
        net = tinycnn.compile(model, (1, 3))
        layer.load_state_dict({"weight": picture(2, 3, seed=3), "bias": np.ones(2, "f")})
        with pytest.raises(RuntimeError, match=r"parameters.* have changed .*refresh"):
            net.save(tmp_path / "net.tinycnn")
        layer.load_state_dict({"weight": np.zeros((2, 3), "f"), "bias": np.ones(2, "f")})


def test_a_graph_keeps_its_constants():
    graph = passes.optimise(trace(nn.Linear(3, 2), (1, 3)))
    for _ in range(2):
        CompiledNet(graph, 1)
    assert len(graph.constants) == 2


def test_refreshed_it_forgets_the_plans_for_other_shapes():
    layer = nn.Conv2d(3, 2, 1)
    net = tinycnn.compile(layer, (1, 3, 4, 4))
    net(picture(1, 3, 5, 5))
    layer.load_state_dict({"weight": np.zeros((2, 3, 1, 1), "f"), "bias": np.ones(2, "f")})
    net.refresh()
    assert [plan.shapes for plan in net.report().plans] == [((1, 3, 4, 4),)]
    for size in (4, 5):
        np.testing.assert_array_equal(net(picture(1, 3, size, size)), np.ones((1, 2, size, size)))


def test_new_shapes_do_not_mix_modes(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval()
    net = tinycnn.compile(model, (1, 3, 4, 4))
    model.train()
    for act in (lambda: net(picture(2, 3, 4, 4)), lambda: net.save(tmp_path / "net.tinycnn")):
        with pytest.raises(RuntimeError, match=r"mode, have changed since it was compiled"):
            act()
    with pytest.raises(CompileError, match="call eval"):
        net.refresh()
    assert_close(net(picture(1, 3, 4, 4)), model.eval()(picture(1, 3, 4, 4)).numpy())


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_wrong_thread_counts_are_refused(threads):
    with pytest.raises(ValueError, match="threads must be an integer >= 1"):
        tinycnn.compile(nn.Linear(3, 2), (1, 3), threads=threads)


@settings(max_examples=200)
@given(st.data())
def test_a_plan_that_leaves_its_memory_is_refused(data):
    """Whatever field of whatever operation is made too large or negative: it changes nothing that addresses tell, or it
    is refused."""
    net = NETS[data.draw(st.sampled_from(sorted(NETS)))]
    plan, unit = net._latest.plan, tinycnn._kernels.kernels(np.dtype(np.float32), "engine")
    io = [int(np.prod(v.shape)) for v in (*net.graph.inputs, *net.graph.outputs)]
    i = data.draw(st.integers(0, len(plan.ops) - 1))
    name = data.draw(st.sampled_from(["x", "y", "w", "b", "off", "k", "blocks", "rows", "n", "images", "oh"]))
    column = unit.FIELDS.index(name)
    before = plan.ops[i, column]
    plan.ops[i, column] = data.draw(st.sampled_from([1 << 40, -(1 << 40)]))
    kind = plan.kinds[i]
    try:
        if name in USES[kind]:
            with pytest.raises(PlanError, match=f"operation {i}, {kind}"):
                check(plan, io, unit.WIDTH, 1, unit)
    finally:
        plan.ops[i, column] = before
    check(plan, io, unit.WIDTH, 1, unit)


USES = {
    "product": {"x", "y", "w", "b", "off", "k", "blocks", "rows", "n"},
    "depthwise": {"x", "y", "w", "b", "blocks", "images", "oh"},
    "pool": {"x", "y", "blocks", "images", "oh"}, "global_mean": {"x", "y", "blocks", "images", "n"},
    "combine": {"x", "y", "blocks", "images", "n"}, "pad": {"y", "blocks", "images", "oh"},
    "read_input": {"y", "blocks", "images", "n", "k"}, "write_output": {"off", "k", "images", "n"},
    "gather": {"y", "off", "blocks", "images", "n"},
    "winograd2": {"x", "y", "w", "b", "off", "k", "blocks", "images", "oh"},
    "winograd4": {"x", "y", "w", "b", "off", "k", "blocks", "images", "oh"},
}
NETS = {
    "unit": tinycnn.compile(settled(Unit()), (1, 3, 16, 16), threads=1),
    "convolutions": tinycnn.compile(nn.Sequential(nn.Conv2d(20, 20, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                                                  nn.Conv2d(20, 20, 3, stride=2)).eval(), (1, 20, 48, 48), threads=1),
}
