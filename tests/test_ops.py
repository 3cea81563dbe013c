"""Every check over every row of op_cases: twin, differences, torch, element types, instruction sets, threads."""
from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from op_cases import CASES, Example, OpCase

from tinycnn import Tensor, gradcheck
from tinycnn._kernels import available, dispatch, use
from tinycnn._kernels.dispatch import UNITS
from tinycnn.autograd import OPS

TYPES = (np.float32, np.float64)
WITH_KERNELS = [case for case in CASES if not case.composed]


def cast(example: Example, dtype: type) -> list:
    """The inputs of an example, floating ones in a type."""
    return [x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for x in example.inputs]


def rounded(example: Example, dtype: type) -> Example:
    """The example with its floating numbers rounded to a type, so that it is the same in each."""
    return Example(tuple(cast(example, dtype)), example.keywords)


def weigh(outputs: list) -> list:
    """A fixed random weighting of each output: what its gradient starts from."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal(y.shape).astype(np.float32).astype(y.dtype) for y in outputs]


def as_list(result) -> list:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def run(case: OpCase, example: Example, dtype: type) -> tuple[list, list]:
    """Values, and gradients of the differentiable inputs under a fixed weighting of the outputs."""
    inputs = [x if x is None or i in case.constant else Tensor(x, requires_grad=True)
              for i, x in enumerate(cast(example, dtype))]
    outputs = as_list(case.call(*inputs, **example.keywords))
    arrays = [y.numpy() for y in outputs]
    for y, gy in zip(outputs, weigh(arrays), strict=True):
        y.backward(gy, retain_graph=True)
    grads = [x.grad if x.grad is not None else np.zeros_like(x.numpy()) for x in inputs if isinstance(x, Tensor)]
    return arrays, grads


def run_torch(torch, case: OpCase, example: Example, dtype: type) -> tuple[list, list]:
    """The same, by torch."""
    inputs = [x if x is None else torch.tensor(x, requires_grad=x.dtype.kind == "f" and i not in case.constant)
              for i, x in enumerate(cast(example, dtype))]
    outputs = as_list(case.torch(torch, *inputs, **example.keywords))
    arrays = [y.detach().numpy() for y in outputs]
    total = sum((y * torch.from_numpy(np.asarray(gy))).sum() for y, gy in zip(outputs, weigh(arrays), strict=True))
    total.backward()
    leaves = [x for x in inputs if x is not None and x.requires_grad]
    return arrays, [np.zeros(x.shape, dtype) if x.grad is None else x.grad.numpy() for x in leaves]


def assert_close(case: OpCase, got: list, want: list, dtype: type) -> None:
    tolerance = case.float32 if dtype is np.float32 else case.float64
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert g.shape == w.shape
        largest = max(1.0, float(np.max(np.abs(w[np.isfinite(w)]), initial=0)))
        np.testing.assert_allclose(g, w, rtol=0, atol=tolerance * largest)


@pytest.mark.parametrize("dtype", TYPES, ids=["float32", "float64"])
@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("case", WITH_KERNELS, ids=str)
@given(data=st.data())
def test_kernel_equals_twin(case, isa, dtype, data):
    """The float32 kernels too are held to the twin in float64, on the same numbers."""
    example = rounded(case.examples(data.draw), dtype)
    with use("reference"):
        want = run(case, example, np.float64)
    with use(isa):
        got = run(case, example, dtype)
    for g, w in zip(got, want, strict=True):
        assert_close(case, g, w, dtype)
        if case.name != "astype":
            assert all(a.dtype == dtype for a in g)


@pytest.mark.parametrize("case", [c for c in CASES if not c.weighted], ids=str)
@settings(max_examples=5)  # each is two runs for every element
@given(data=st.data())
def test_gradient_equals_differences(case, data):
    example = case.examples(data.draw)
    inputs = [x if x is None or i in case.constant else Tensor(x, requires_grad=True)
              for i, x in enumerate(example.inputs)]
    for k in range(len(as_list(case.call(*inputs, **example.keywords)))):
        def output(*xs, k=k):
            return as_list(case.call(*inputs, **example.keywords))[k]
        gradcheck(output, [x for x in inputs if isinstance(x, Tensor)], atol=2e-6, rtol=2e-5)


@pytest.mark.parametrize("dtype", TYPES, ids=["float32", "float64"])
@pytest.mark.parametrize("case", [c for c in CASES if c.torch], ids=str)
@given(data=st.data())
def test_equals_torch(case, dtype, torch, data):
    example = case.examples(data.draw)
    got, want = run(case, example, dtype), run_torch(torch, case, example, dtype)
    for g, w in zip(got, want, strict=True):
        assert_close(case, g, w, dtype)


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("dtype", TYPES, ids=["float32", "float64"])
@pytest.mark.parametrize("case", WITH_KERNELS, ids=str)
@settings(max_examples=4)  # each is six runs
@given(data=st.data())
def test_same_bits_for_any_thread_count(case, dtype, isa, share_out_everything, data):
    example = case.examples(data.draw)
    results = []
    with use(isa):
        for _ in share_out_everything():
            results.append(run(case, example, dtype))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            for a, b in zip(one, two, strict=True):
                np.testing.assert_array_equal(a, b)


def test_every_op_has_a_row():
    covered = {op for case in CASES for op in case.ops}
    assert covered == set(OPS) - {"detach"}  # which traces alone have: tests/engine/test_trace.py


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("dtype", TYPES, ids=["float32", "float64"])
def test_every_kernel_has_a_twin_of_the_same_signature(isa, dtype, unit):
    def functions(isa):
        module = dispatch.load(isa, np.dtype(dtype), unit)
        return {name: list(inspect.signature(f).parameters) for name, f in vars(module).items()
                if callable(f) and not name.startswith("_") and hasattr(f, "__name__")}
    assert functions(isa) == functions("reference")
