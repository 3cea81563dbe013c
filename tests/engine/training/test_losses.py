"""Cross-entropy and gradients of softmax in training plans, against the Functions of the tape."""
from __future__ import annotations

import numpy as np
import pytest
from kernel_rows import Memory, close, dtypes

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.engine.layout import as_map
from tinycnn.engine.spans import PlanError

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
    memory = Memory(dtype, threads)
    n, k, h, w = as_map(x.shape)
    rows, width, each = n * h * w, memory.width, reduction == "none"
    memory.constants = np.zeros(memory.blocks(k) * width, dtype)
    memory.constants[:k] = 1 if weight is None else weight
    fields = {"x": put(memory, x), "rows": rows, "k": k, "px": width, "ys": rows * width, "low": label_smoothing,
              "top": ignore_index, "w": 0, "t": memory.room(2 * rows)}
    fields |= soft_or_hard(memory, target)
    loss, factor, gx = (memory.room(size) for size in (rows, 1, memory.blocks(k) * width * rows))
    memory.run("cross_entropy", y=loss, **fields)
    memory.assert_refused("x y t w rows k")
    result = loss
    if not each:
        result = memory.room(1)
        mean = {name: fields[name] for name in ("rows", "k", "w", "top", "mode") if name in fields}
        memory.run("loss_mean", x=loss, y=result, t=factor, kh=int(reduction == "mean"), **mean)
        memory.assert_refused("x y t rows")
    more = {} if add is None else {"add": put(memory, add)}
    memory.run("cross_entropy_gradient", y=gx, g=memory.put_flat(gy), kh=int(each), z=-1 if each else factor, **fields,
               **more)
    memory.assert_refused("x y t w g rows k")
    with pytest.raises(PlanError):
        memory.check(memory.row("cross_entropy_gradient", y=gx, g=factor, z=len(memory.arena), **fields))
    pixels = (n, *x.shape[2:]) if each else ()
    found = memory.arena[result:result + (rows if each else 1)].reshape(pixels)
    return found.copy(), memory.map(gx, (n, k, h, w)).reshape(x.shape)


def put(memory, x):
    return memory.put(x.reshape(as_map(x.shape)))


def soft_or_hard(memory, target):
    """The fields of a target: distributions, or an array of the caller's."""
    if target.dtype.kind == "f":
        return {"s": put(memory, target)}
    memory.io.append(np.ravel(target))
    return {"mode": len(memory.io) - 1}


def assert_agrees(x, target, weight, gy, dtype, add=None, **settings):
    want = eager(x, target, weight, gy, **settings)
    both = [planned(x, target, weight, gy, dtype, threads, add=add, **settings) for threads in (1, 3)]
    for got, expected, extra in zip(both[0], want, (0, 0 if add is None else add)):
        close(got, expected + extra, dtype)
    for one, other in zip(*both):
        np.testing.assert_array_equal(one, other)


@dtypes
@pytest.mark.parametrize("shape", [(1, 2), (5, 1), (7, 17), (16, 1000), (2, 5, 3, 4), (2, 21, 7)], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("soft", [False, True])
def test_cross_entropy(shape, reduction, soft, dtype):
    rng = np.random.default_rng(1)
    x, target = examples(shape, soft)
    gy = rng.standard_normal((shape[0], *shape[2:])) if reduction == "none" else np.array(0.7)
    settings = {"reduction": reduction} | ({} if soft else {"ignore_index": IGNORED})
    for smoothing in (0.0, 0.1):
        for weight in (None, rng.random(shape[1])):
            assert_agrees(x, target, weight, gy, dtype, label_smoothing=smoothing, **settings)


def test_what_others_left_is_added():
    x, target = examples((9, 17), False)
    add = np.random.default_rng(2).standard_normal(x.shape)
    assert_agrees(x, target, None, np.array(1.0), np.float32, add=add, ignore_index=IGNORED)


def test_logits_of_any_size():
    x, _ = examples((4, 5), False)
    x[0], x[1, 3], x[2, 1] = 1e30, -1e30, 80.0
    assert_agrees(x, np.array([0, 3, 1, 4]), None, np.array(1.0), np.float32)


def test_nothing_counts():
    x, target = examples((3, 4), False)
    loss, gx = planned(x, np.full_like(target, IGNORED), None, np.array(1.0), np.float32, 2, ignore_index=IGNORED)
    assert np.isnan(loss)
    np.testing.assert_array_equal(gx, np.zeros_like(x))


def test_what_is_ignored_may_be_nan():
    x, target = examples((3, 17), False)
    target[:] = 4, IGNORED, 16
    x[1] = np.nan
    loss, gx = planned(x, target, None, np.array(1.0), np.float32, 1, ignore_index=IGNORED)
    want, want_gx = eager(x[::2], target[::2], None, 1.0)
    close(loss, want, np.float32)
    close(gx[::2], want_gx, np.float32)
    assert (gx[1] == 0).all()


@pytest.mark.parametrize("wrong", [17, -1, 2**40, -2**60])
def test_a_target_that_is_no_class_reads_nothing(wrong):
    """It is refused before a plan runs; the kernels themselves stay within their memory."""
    x, target = examples((3, 17), False)
    target[:] = 4, wrong, 16
    loss, gx = planned(x, target, None, np.ones(3), np.float32, 1, reduction="none")
    assert np.isnan(loss).tolist() == [False, True, False]
    assert (gx[1] == 0).all()
    close(gx[::2], eager(x[::2], target[::2], None, 1.0, reduction="sum")[1], np.float32)


# ---------------------------------------------------------------- softmax
@dtypes
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 17, 1), (5, 40, 1), (2, 3, 5), (4, 6, 21)], ids=str)
@pytest.mark.parametrize("logarithm", [False, True])
def test_softmax(shape, logarithm, dtype):
    rng, results = np.random.default_rng(0), []
    x, gy = Tensor(rng.standard_normal(shape), requires_grad=True), rng.standard_normal(shape)
    y = (F.log_softmax if logarithm else F.softmax)(x, 1)
    y.backward(gy)
    rows, k, n = shape
    for threads in (1, 3):
        memory = Memory(dtype, threads)
        gx = memory.room(x.size)
        memory.run("softmax_gradient", y=gx, x=memory.put_flat(y.numpy()), g=memory.put_flat(gy), rows=rows, k=k, n=n,
                   mode=int(logarithm), low=0.5)
        memory.assert_refused("x y g rows k n")
        results.append(memory.arena[gx:gx + x.size].reshape(shape))
    close(results[0], 0.5 * x.grad, dtype)
    np.testing.assert_array_equal(results[0], results[1])


# ---------------------------------------------------------------- pairs of numbers
@pytest.mark.parametrize("wrong", [{"mode": 11}, {"mode": -1}, {"rows": 65}, {"rows": 0}, {"n": 0}])
def test_losses_that_do_not_exist_are_refused(wrong):
    memory = Memory(np.float32)
    fields = {"x": 0, "s": 0, "z": -1, "w": 0, "n": 1, "mode": 1, "kh": 1, "rows": 1, "t": 0, "y": 0}
    memory.check(memory.row("pair_loss", **fields))
    with pytest.raises(PlanError):
        memory.check(memory.row("pair_loss", **fields | wrong))


@pytest.mark.parametrize("each", [0, 1])
def test_pairs_touch_what_they_may(each):
    """That they compute what they should is seen in plans; here nothing else is read or written."""
    memory, n = Memory(np.float32), 1035
    fields = {name: memory.put_flat(np.linspace(0, 1, n)) for name in "xsza"} | {"n": n, "mode": 5, "w": 0, "high": 1.0}
    t, y = memory.room(2), memory.room(n)
    memory.run("pair_loss", y=y, t=t, rows=2, kh=1 - each, **fields)
    memory.assert_refused("x s a w n" + (" y" if each else " t rows"))
    memory.run("pair_gradient", y=y, g=memory.put_flat(np.ones(n if each else 1)), kh=each, **fields)
    memory.assert_refused("x s a w n y g")
    with pytest.raises(PlanError):
        memory.check(memory.row("pair_gradient", **fields | {"z": len(memory.arena)}, y=y, g=t))
    assert np.isfinite(memory.arena[y:y + n]).all()
