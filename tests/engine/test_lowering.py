"""Each rule of the engine against the Function it stands for: graphs of one node, over the rows of op_cases."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from op_cases import CASES, OpCase

from tinycnn import Tensor
from tinycnn._kernels import available, use
from tinycnn.engine.compiled import CompiledNet
from tinycnn.engine.lowering import COMBINING, RULES, CompileError
from tinycnn.engine.passes import optimise
from tinycnn.engine.trace import trace

ADDRESSED = {"concat", "split", "channel_shuffle", "concat_shuffle_split"}  # what passes turn into a pick
LOWERED = [case for case in CASES if case.ops and RULES.keys() | ADDRESSED >= set(case.ops)]
# How many of the first inputs are computed, where it is not one: all of most.
SEVERAL = dict.fromkeys((*COMBINING, "concat", "concat_shuffle_split", "matmul", "where", "roi_pool", "ps_roi_pool",
                         "roi_align"), 9) | {"scaled_dot_product_attention": 3}
ODD = {"batch_norm", "switchable_norm", "astype"}  # whose statistics may be those of the batch; another element type


def traced_call(case: OpCase, example, dtype=np.float32):
    """The call as a function of its first input, or of several; and these inputs."""
    count = SEVERAL.get(case.ops[0], 1)
    arrays = [np.asarray(x, dtype) for x in example.inputs[:count]]
    rest = [x if x is None or x.dtype == bool else np.asarray(x, dtype) for x in example.inputs[count:]]
    return (lambda *xs: case.call(*xs, *rest, **example.keywords)), arrays


def as_list(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("case", LOWERED, ids=str)
@given(data=st.data(), threads=st.sampled_from([1, 3]))
def test_compiled_equals_function(case, isa, threads, data):
    call, arrays = traced_call(case, case.examples(data.draw))
    want = as_list(call(*map(Tensor, arrays)))
    with use(isa):
        try:
            net = CompiledNet(optimise(trace(call, *arrays)), threads)
        except CompileError:
            assert case.ops[0] in ODD
            return
        results = as_list(net(*arrays))
    for got, y in zip(results, want, strict=True):
        assert got.shape == y.shape
        np.testing.assert_allclose(got, y.numpy(), rtol=0, atol=3e-5 * max(1.0, float(np.abs(y.numpy()).max())))


def test_rules_have_rows():
    covered = {op for case in CASES for op in case.ops}
    assert RULES.keys() - covered <= {"pick", "detach"}  # which graphs have, not the tape
