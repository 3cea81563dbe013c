"""Cross-entropy and gradients of softmax in training plans, against the Functions of the tape."""
from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from bench import Bench

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn._kernels import available
from tinycnn.engine.check import CHECKS
from tinycnn.engine.layout import as_map
from tinycnn.engine.spans import Fields, PlanError

ISA = available()[0]
pytestmark = pytest.mark.skipif(find_spec(f"tinycnn._kernels._engine_{ISA}_f64") is None,
                                reason="the engine is not built for float64 (TINYCNN_ENGINE_F64=1)")
TYPES = pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-6)])
IGNORED = 255


def examples(shape, soft, seed=0):
    """Logits, and targets: class numbers of which some are ignored, or distributions."""
    rng = np.random.default_rng(seed)
    x, pixels = 3 * rng.standard_normal(shape), (shape[0], *shape[2:])
    if soft:
        q = rng.random(shape)
        return x, q / q.sum(1, keepdims=True)
    target = rng.integers(0, shape[1], pixels)
    target[rng.random(pixels) < 0.3] = IGNORED
    target.flat[0] = shape[1] - 1
    return x, target


def eager(x, target, weight, gy, **settings):
    """Losses and the gradient of x."""
    x = Tensor(x, requires_grad=True)
    y = F.cross_entropy(x, target, weight, **settings)
    y.backward(np.broadcast_to(gy, y.shape))
    return y.numpy(), x.grad


def planned(x, target, weight, gy, dtype, threads, reduction="mean", ignore_index=-100, label_smoothing=0.0, add=None):
    """The same, by the kernels."""
    bench = Bench(dtype, threads)
    n, k, h, w = as_map(x.shape)
    rows, width, each = n * h * w, bench.width, reduction == "none"
    weights = np.zeros(-(-k // width) * width)
    weights[:k] = 1 if weight is None else weight
    fields = {"x": bench.put(x), "rows": rows, "k": k, "px": width, "ys": rows * width, "low": label_smoothing,
              "top": ignore_index, "w": bench.builder.constant(weights), "t": bench.plain(2 * rows)}
    fields |= {"s": bench.put(target)} if target.dtype.kind == "f" else {"mode": bench.given(target.ravel())}
    loss, factor, gx = bench.plain(rows), bench.plain(1), bench.room(*x.shape)
    bench.emit(loss, kind="cross_entropy", **fields)
    result = loss if each else bench.plain(1)
    if not each:
        mean = {key: fields[key] for key in fields.keys() - {"x", "t", "low", "px", "ys", "s"}}
        bench.emit(result, kind="loss_mean", x=loss, t=factor, kh=int(reduction == "mean"), **mean)
    more = {} if add is None else {"add": bench.put(add)}
    bench.emit(gx, kind="cross_entropy_gradient", **fields, g=bench.put_plain(gy), kh=int(each),
               z=-1 if each else factor, **more)
    bench.run()
    return bench.read(result).reshape((n, *x.shape[2:]) if each else ()), bench.read_map(gx, x.shape)


def assert_agrees(x, target, weight, gy, dtype, tolerance, add=None, **settings):
    want = eager(x, target, weight, gy, **settings)
    both = [planned(x, target, weight, gy, dtype, threads, add=add, **settings) for threads in (1, 3)]
    for got, expected, extra in zip(both[0], want, (0, 0 if add is None else add)):
        largest = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(got, expected + extra, rtol=0, atol=tolerance * largest)
    for one, other in zip(*both):
        np.testing.assert_array_equal(one, other)


@TYPES
@pytest.mark.parametrize("shape", [(1, 2), (5, 1), (7, 17), (16, 1000), (2, 5, 3, 4), (2, 21, 7)], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("soft", [False, True])
def test_cross_entropy(shape, reduction, soft, dtype, tolerance):
    rng = np.random.default_rng(1)
    x, target = examples(shape, soft)
    gy = rng.standard_normal((shape[0], *shape[2:])) if reduction == "none" else np.array(0.7)
    settings = {"reduction": reduction} | ({} if soft else {"ignore_index": IGNORED})
    for smoothing in (0.0, 0.1):
        for weight in (None, rng.random(shape[1])):
            assert_agrees(x, target, weight, gy, dtype, tolerance, label_smoothing=smoothing, **settings)


def test_what_others_left_is_added():
    x, target = examples((9, 17), False)
    add = np.random.default_rng(2).standard_normal(x.shape)
    assert_agrees(x, target, None, np.array(1.0), np.float64, 1e-12, add=add, ignore_index=IGNORED)


def test_logits_of_any_size():
    x, _ = examples((4, 5), False)
    x[0], x[1, 3], x[2, 1] = 1e30, -1e30, 80.0
    assert_agrees(x, np.array([0, 3, 1, 4]), None, np.array(1.0), np.float32, 1e-6)


def test_nothing_counts():
    x, target = examples((3, 4), False)
    loss, gx = planned(x, np.full_like(target, IGNORED), None, np.array(1.0), np.float64, 2, ignore_index=IGNORED)
    assert np.isnan(loss)
    np.testing.assert_array_equal(gx, np.zeros_like(x))


def test_what_is_ignored_may_be_nan():
    x, target = examples((3, 17), False)
    target[:] = 4, IGNORED, 16
    x[1] = np.nan
    loss, gx = planned(x, target, None, np.array(1.0), np.float64, 1, ignore_index=IGNORED)
    want, want_gx = eager(x[::2], target[::2], None, 1.0)
    np.testing.assert_allclose(loss, want, rtol=1e-12)
    np.testing.assert_allclose(gx[::2], want_gx, rtol=0, atol=1e-12)
    assert (gx[1] == 0).all()


@pytest.mark.parametrize("wrong", [17, -1, 2**40, -2**60])
def test_a_target_that_is_no_class_reads_nothing(wrong):
    """It is refused before a plan runs; the kernels themselves stay within their memory."""
    x, target = examples((3, 17), False)
    target[:] = 4, wrong, 16
    loss, gx = planned(x, target, None, np.ones(3), np.float64, 1, reduction="none")
    assert np.isnan(loss).tolist() == [False, True, False]
    assert (gx[1] == 0).all()
    np.testing.assert_allclose(gx[::2], eager(x[::2], target[::2], None, 1.0, reduction="sum")[1], atol=1e-12)


# ---------------------------------------------------------------- softmax
@TYPES
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 17, 1), (5, 40, 1), (2, 3, 5), (4, 6, 21)], ids=str)
@pytest.mark.parametrize("logarithm", [False, True])
def test_softmax(shape, logarithm, dtype, tolerance):
    rng, results = np.random.default_rng(0), []
    x, gy = Tensor(rng.standard_normal(shape), requires_grad=True), rng.standard_normal(shape)
    y = (F.log_softmax if logarithm else F.softmax)(x, 1)
    y.backward(gy)
    rows, k, n = shape
    for threads in (1, 3):
        bench = Bench(dtype, threads)
        gx = bench.plain(x.size)
        bench.emit(gx, kind="softmax_gradient", x=bench.put_plain(y.numpy()), g=bench.put_plain(gy), rows=rows, k=k,
                   n=n, mode=int(logarithm), low=0.5)
        results.append(bench.run().read(gx).reshape(shape))
    np.testing.assert_allclose(results[0], 0.5 * x.grad, rtol=0, atol=tolerance * max(1.0, np.abs(x.grad).max()))
    np.testing.assert_array_equal(results[0], results[1])


# ---------------------------------------------------------------- checks
GOOD = {"rows": 3, "k": 17, "px": 16, "ys": 48, "n": 4, "mode": 2, "r": -1, "z": 5, "add": 6}
FIELDS = Bench(np.float32).kernels.FIELDS


def spans(kind, **fields):
    names = {name: i for i, name in enumerate(FIELDS)}
    row = np.zeros((1, len(FIELDS)), np.int64)
    for name, value in fields.items():
        row[0, names[name]] = value
    return list(CHECKS[kind](Fields(names, [kind], row, 0, np.zeros(1, np.int32), 16, 2)))


@pytest.mark.parametrize(("kind", "count", "wrong"), [
    ("cross_entropy", 5, [{"rows": 0}, {"k": 0}, {"px": -1}, {"ys": -16}]),
    ("cross_entropy_gradient", 8, [{"rows": 0}, {"k": -1}, {"px": -1}, {"ys": -16}]),
    ("loss_mean", 3, [{"rows": 0}, {"k": 0}]),
    ("softmax_gradient", 3, [{"rows": 0}, {"k": 0}, {"n": 0}])])
def test_checks_refuse(kind, count, wrong):
    assert len(spans(kind, **GOOD)) == count
    for fields in wrong:
        with pytest.raises(PlanError):
            spans(kind, **GOOD | fields)
