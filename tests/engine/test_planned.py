"""Plans ready to run: results in the caller's arrays, and constants that plans share."""
from __future__ import annotations

import numpy as np
import pytest
from engine_nets import Unit, settled

import tinycnn
from tinycnn import nn
from tinycnn._kernels import kernels


def picture(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def test_results_are_written_where_the_caller_wants_them():
    net, x = tinycnn.compile(settled(Unit()), (2, 3, 16, 16)), picture(2, 3, 16, 16)
    want = net(x)
    # in which order, and whether in a list or a tuple, is free
    out = {"scores": (np.empty((2, 5), "f"),), "map": np.empty((2, 24, 8, 8), "f")}
    assert net(x, out=out) is out
    np.testing.assert_array_equal(out["map"], want["map"])
    np.testing.assert_array_equal(out["scores"][0], want["scores"][0])


def test_results_of_any_shape_are_written():
    net, whole = tinycnn.compile(nn.Conv2d(3, 4, 1), (1, 3, 4, 4)), np.zeros((6, 4, 5, 5), "f")
    for i in (0, 2):
        net(picture(2, 3, 5, 5, seed=i), out=whole[2 * i:2 * i + 2])
    for i in (0, 2):
        np.testing.assert_array_equal(whole[2 * i:2 * i + 2], net(picture(2, 3, 5, 5, seed=i)))
    assert not whole[2:4].any()


X = picture(1, 2, 4, 4)
BOTH = np.empty((2, 2, 4, 4), "f")
READ_ONLY = np.empty((1, 2, 4, 4), "f")
READ_ONLY.flags.writeable = False


def unaligned():
    return np.frombuffer(bytearray(4 * 32 + 1), np.uint8)[1:].view("f").reshape(1, 2, 4, 4)


@pytest.mark.parametrize(("out", "error", "message"), [
    (BOTH[:1], TypeError, "out is of type ndarray, expected a list"),
    ([BOTH[:1]], ValueError, r"out has \[0\], expected \[0, 1\]"),
    ([BOTH[:1], 3], TypeError, r"out\[1\] is of type int, expected an array"),
    ([BOTH[:1], np.empty((1, 2, 4, 5), "f")], ValueError, r"out\[1\] has the shape \(1, 2, 4, 5\)"),
    ([BOTH[:1], np.empty((1, 2, 4, 4))], ValueError, r"out\[1\] has .* type float64, expected .* float32"),
    ([BOTH[:1], np.empty((1, 4, 4, 2), "f").transpose(0, 3, 1, 2)], ValueError, r"out\[1\] must be C-contiguous"),
    ([BOTH[:1], READ_ONLY], ValueError, r"out\[1\] must be .*writable"),
    ([BOTH[:1], unaligned()], ValueError, r"out\[1\] must be .*aligned"),
    ([BOTH[:1], BOTH[:1]], ValueError, r"out\[1\] shares memory with another result"),
    ([BOTH[:1], X], ValueError, r"out\[1\] shares memory with an input"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_results_that_do_not_fit_are_refused(out, error, message):
    net = tinycnn.compile(lambda x: [x + x, x * x], X)
    with pytest.raises(error, match=message):
        net(X, out=out)


def test_unaligned_inputs_are_copied():
    net, x = tinycnn.compile(lambda x: x + x, X), unaligned()
    x[:] = X
    np.testing.assert_array_equal(net(x), 2 * X)


def test_plans_share_constants_of_the_same_bytes():
    model = settled(Unit())
    net = tinycnn.compile(model, (1, 3, 16, 16))
    net(picture(1, 3, 16, 40))  # longer rows, and so more zeros
    net(picture(2, 3, 16, 16))
    first, *others = [planned.plan.constants for planned in net._plans.values()]
    assert all(np.shares_memory(first, other) for other in others)
    x = picture(1, 3, 16, 16)
    np.testing.assert_array_equal(net(x)["map"], tinycnn.compile(model, x)(x)["map"])


def test_other_constants_are_not_shared():
    one, two = [tinycnn.compile(nn.Linear(3, 2), (1, 3))._latest for _ in range(2)]
    one.share_constants(two)
    assert not np.shares_memory(one.plan.constants, two.plan.constants)


@pytest.mark.parametrize("arrays", [
    [np.zeros((1, 3), "f")], [np.zeros((1, 3), "f"), np.zeros((1, 3), "f")],
    [np.zeros((2, 3), "f"), np.zeros((1, 2), "f")], [np.zeros((1, 3), "f"), bytes(8)], [None, None],
])
def test_the_executor_takes_arrays_of_the_planned_sizes_alone(arrays):
    net = tinycnn.compile(nn.Linear(3, 2), (1, 3))
    with pytest.raises((ValueError, BufferError, TypeError)):
        net._latest.executor.run(net._arena, arrays)


@pytest.mark.parametrize(("first", "stop"), [(-1, 1), (0, 9), (2, 2), (9, 10)])
def test_the_executor_runs_its_own_operations_alone(first, stop):
    net, arrays = tinycnn.compile(nn.Linear(3, 2), (1, 3)), [np.zeros((1, 3), "f"), np.zeros((1, 2), "f")]
    with pytest.raises(ValueError, match="first and stop"):
        net._latest.executor.run(net._arena, arrays, first=first, stop=stop)


def test_an_executor_is_made_once():
    executor = tinycnn.compile(nn.Linear(3, 2), (1, 3))._latest.executor
    nothing = np.zeros((1, len(kernels(np.dtype("f"), "engine").FIELDS)), np.int64)
    with pytest.raises(ValueError, match="made already"):
        executor.__init__(nothing, np.zeros(1, "f"), np.zeros(1, np.int32), 1, np.zeros(1, np.int64), 0)
