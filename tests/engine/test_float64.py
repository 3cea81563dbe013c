"""The very kernels of the engine, compiled for float64: plans are exact but for float64's own rounding.

Whatever the float32 plans leave out, add twice or read elsewhere, and that 1e-4 of a tolerance could hide, shows here.
"""
from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from engine_nets import MODELS, Unit, registered, settled, small_shape
from hypothesis import given
from hypothesis import strategies as st
from test_lowering import LOWERED, as_list, traced_call

from tinycnn import Tensor, no_grad
from tinycnn._kernels import available, use
from tinycnn.engine.compiled import CompiledNet
from tinycnn.engine.lowering import CompileError
from tinycnn.engine.passes import optimise
from tinycnn.engine.trace import trace

BUILT = [isa for isa in available() if find_spec(f"tinycnn._kernels._engine_{isa}_f64")]
ISAS = pytest.mark.parametrize("isa", BUILT or ["none"])
TOLERANCE = 1e-9  # of the largest magnitude
pytestmark = pytest.mark.skipif(not BUILT, reason="the engine is not built for float64 (TINYCNN_ENGINE_F64=1)")


def planned(call, *arrays, threads):
    return CompiledNet(optimise(trace(call, *arrays)), threads, dtype=np.float64)


def assert_exact(got, want):
    assert got.shape == want.shape
    assert got.dtype == want.dtype == np.float64
    np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE * max(1.0, float(np.abs(want).max())))


@ISAS
@pytest.mark.parametrize("name", [*MODELS, "unit"])
def test_models(name, isa):
    model = settled(Unit()) if name == "unit" else registered(name, num_classes=5)
    model.to(np.float64)
    x = np.random.default_rng(0).standard_normal(small_shape(name))
    with no_grad():
        want = model(x)
    with use(isa):
        got = planned(model, x, threads=3)(x)
    for g, w in zip(flat(got), flat(want), strict=True):
        assert_exact(g, w.numpy())


def flat(tree):
    """The arrays or Tensors of a result."""
    if isinstance(tree, (dict, list, tuple)):
        return [leaf for part in (tree.values() if isinstance(tree, dict) else tree) for leaf in flat(part)]
    return [tree]


@ISAS
@pytest.mark.parametrize("case", LOWERED, ids=str)
@given(data=st.data())
def test_operations(case, isa, data):
    call, arrays = traced_call(case, case.examples(data.draw), np.float64)
    want = as_list(call(*map(Tensor, arrays)))
    with use(isa):
        try:
            net = planned(call, *arrays, threads=2)
        except CompileError:  # whose names test_lowering knows
            return
        got = as_list(net(*arrays))
    for g, y in zip(got, want, strict=True):
        assert_exact(g, y.numpy())
