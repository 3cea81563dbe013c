"""Every kernel keeps to the memory that check.py says is its own, and plans to what their storages hold."""
from __future__ import annotations

import numpy as np
import pytest
from engine_nets import MODELS, Unit, registered, settled, small_shape
from hypothesis import given, settings
from hypothesis import strategies as st
from test_lowering import LOWERED, traced_call

import tinycnn
from tinycnn import nn
from tinycnn._kernels import available, use
from tinycnn.engine import check
from tinycnn.engine.compiled import CompiledNet
from tinycnn.engine.lowering import CompileError
from tinycnn.engine.passes import optimise
from tinycnn.engine.spans import PlanError
from tinycnn.engine.trace import trace
from tinycnn.engine.watch import watched_run

THREADS = pytest.mark.parametrize("threads", [1, 3])
ISAS = pytest.mark.parametrize("isa", available())


def picture(*shape):
    return np.random.default_rng(0).standard_normal(shape, np.float32)


@ISAS
@pytest.mark.parametrize("name", [*MODELS, "unit"])
def test_models(name, isa):
    model = settled(Unit()) if name == "unit" else registered(name, num_classes=5)
    with use(isa):
        watched_run(tinycnn.compile(model, small_shape(name), threads=3), picture(*small_shape(name)))


@THREADS
@ISAS
@pytest.mark.parametrize("cache", [4, 1 << 16])
def test_strips_and_bands(monkeypatch, cache, isa, threads):
    monkeypatch.setattr("tinycnn.engine.plan.CACHE", cache)
    layers = [nn.Conv2d(20, 20, 3, padding=1), *nn.ConvBNAct(20, 40, 1), *nn.DepthwiseBNAct(40, 5, 2),
              *nn.ConvBNAct(40, 20, 1, activation=None), nn.ReLU(), *nn.DepthwiseBNAct(20, 3),
              *nn.ConvBNAct(20, 24, 1)]
    with use(isa):
        net = tinycnn.compile(settled(nn.Sequential(*layers)), (2, 20, 22, 18), threads=threads)
        watched_run(net, picture(2, 20, 22, 18))


@ISAS
@pytest.mark.parametrize("case", LOWERED, ids=str)
@settings(max_examples=5)
@given(data=st.data(), threads=st.sampled_from([1, 3]))
def test_operations(case, isa, threads, data):
    call, arrays = traced_call(case, case.examples(data.draw))
    with use(isa):
        try:
            net = CompiledNet(optimise(trace(call, *arrays)), threads)
        except CompileError:  # whose names test_lowering knows
            return
        watched_run(net, *arrays)


# ---------------------------------------------------------------- that it sees what it looks for
SPANS = {"product": 4, "winograd4": 6, "pool": 3, "adaptive_pool": 2, "depthwise": 5, "read_input": 2,
         "write_output": 2}


def several_kinds():
    """Channels fill vectors, so that nothing is read or written in vain."""
    layers = [nn.Conv2d(32, 32, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(32, 32, 3, stride=2),
              nn.AdaptiveAvgPool2d(3), *nn.DepthwiseBNAct(32, 3), nn.Conv2d(32, 32, 1), nn.ReLU()]
    x = picture(1, 32, 20, 20)
    net = tinycnn.compile(settled(nn.Sequential(*layers)), x, threads=1)
    watched_run(net, x)
    return net, x


@pytest.mark.parametrize(("kind", "number"), [(kind, i) for kind, count in SPANS.items() for i in range(count)])
def test_every_span_is_needed(monkeypatch, kind, number):
    """Where check.py knew only half of what an operation touches."""
    net, x = several_kinds()
    told = check.CHECKS[kind]

    def half(fields):
        for i, span in enumerate(told(fields)):
            yield span._replace(stop=(span.start + span.stop) // 2) if i == number else span
    monkeypatch.setitem(check.CHECKS, kind, half)
    with pytest.raises(PlanError, match=f"{kind}: it wrote element .* of|gives another result"):
        watched_run(net, x)


def test_storages_are_needed_as_long_as_they_are_kept():
    net, x = several_kinds()
    read = [storage for storage in net._latest.plan.storages if storage.last > storage.first]
    assert len(read) > 5
    for storage in read:
        storage.last -= 1
        with pytest.raises(PlanError, match="gives another result"):
            watched_run(net, x)
        storage.last += 1
