"""Parameters that are parts of one array: optimisers, clipping and averages over it do what they do one by one."""
import math

import numpy as np
import pytest
import stepping

from tinycnn import Tensor, nn, optim
from tinycnn._kernels import available, kernels, use
from tinycnn.optim.clip import clip_flat_norm_
from tinycnn.optim.flat import Flat

SHAPES = ((16,), (3, 5), (4, 16), (2, 3, 4, 5), (), (32,), (20_011,))
SELDOM, FROZEN = 1, 3  # has a gradient in every other step only; is frozen in the first steps
BETWEEN = 7.0  # what lies between parameters, and stays

EVERY = pytest.mark.parametrize("make", stepping.VARIANTS.values(), ids=stepping.VARIANTS)


def spread(tensors, fill=BETWEEN):
    """Make tensors parts of one array, each at a line of the cache; the array, and a mask of what lies between."""
    dtype = tensors[0].dtype
    line = 64 // dtype.itemsize
    starts = np.cumsum([0, *[-(-t.size // line) * line for t in tensors]])
    memory, between = np.full(starts[-1] + line, fill, dtype), np.ones(starts[-1] + line, bool)
    for start, t in zip(starts, tensors):
        part = memory[start:start + t.size].reshape(t.shape)
        part[...] = t.data
        t.data = part
        between[start:start + t.size] = False
    return memory, between


def parameters(dtype, seed=0):
    rng = np.random.default_rng(seed)
    return [Tensor(np.asarray(rng.standard_normal(s), dtype), requires_grad=True) for s in SHAPES]


def groups(tensors):
    return [{"params": tensors[:4]}, {"params": tensors[4:], "lr": 0.03}]


def gradients(turn, dtype):
    """One for each parameter, as Tensors so that `spread` takes them, and which of them there are."""
    rng = np.random.default_rng(100 + turn)
    arrays = [Tensor(np.asarray(rng.standard_normal(s), dtype)) for s in SHAPES]
    return arrays, [i for i in range(len(SHAPES)) if i != SELDOM or turn % 2]


def one_step(optimizer, tensors, turn, memory=None):
    """By `step`, or of parameters in one array by `step_flat`."""
    arrays, given = gradients(turn, tensors[0].dtype)
    tensors[FROZEN].requires_grad = turn > 3
    given = [i for i in given if tensors[i].requires_grad]
    for group in optimizer.param_groups:
        group["lr"] *= 0.9  # as a schedule does
    if memory is not None:
        return optimizer.step_flat(spread(arrays, math.nan)[0], [tensors[i] for i in given])
    for i, p in enumerate(tensors):
        p.grad = arrays[i].data if i in given else None
    return optimizer.step()


def assert_same(ours, theirs):
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


@EVERY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("isa", [*available(), "reference"])
def test_same_bits_as_one_by_one(make, dtype, isa):
    one, all_ = parameters(dtype), parameters(dtype)
    memory, between = spread(all_)
    want, got = make(groups(one)), make(groups(all_))
    got.bind(memory)
    with use(isa):
        for turn in range(9):
            one_step(want, one, turn)
            one_step(got, all_, turn, memory)
            assert_same(one, all_)
    assert not np.array_equal(one[FROZEN].numpy(), parameters(dtype)[FROZEN].numpy())  # it has been let go
    assert (memory[between] == BETWEEN).all()
    np.testing.assert_equal(got.state_dict(), want.state_dict())


@EVERY
def test_states_go_from_bound_to_unbound_and_back(make):
    straight, here, there = (parameters(np.float32) for _ in range(3))
    memory, _ = spread(here)
    want, bound, unbound = make(groups(straight)), make(groups(here)), make(groups(there))
    for turn in range(12):
        one_step(want, straight, turn)
    for turn in range(3):  # a state that is there before
        one_step(bound, here, turn)
    bound.bind(memory)
    for turn in range(3, 5):
        one_step(bound, here, turn, memory)
    unbound.load_state_dict(bound.state_dict())
    for p, q in zip(there, here):
        p.data[...] = q.data
    for turn in range(5, 8):
        one_step(unbound, there, turn)
    bound.load_state_dict(unbound.state_dict())  # over a state that has been moved on
    for p, q in zip(here, there):
        p.data[...] = q.data
    one_step(bound, here, 8)  # bound, and yet one by one
    for turn in range(9, 12):
        one_step(bound, here, turn, memory)
    assert_same(straight, here)
    np.testing.assert_equal(bound.state_dict(), want.state_dict())


@EVERY
def test_bound_to_another_array(make):
    """The state comes along when a model's parameters move."""
    straight, moved = parameters(np.float64), parameters(np.float64)
    want, got = make(groups(straight)), make(groups(moved))
    for turn in range(6):
        one_step(want, straight, turn)
        if turn % 3 == 0:
            memory, _ = spread(moved)
            got.bind(memory)
        one_step(got, moved, turn, memory)
    assert_same(straight, moved)


@EVERY
def test_a_parameter_that_joins_later(make):
    one, all_ = parameters(np.float64), parameters(np.float64)
    memory, _ = spread(all_)
    want, got = make(one[:-1]), make(all_[:-1])
    got.bind(memory)
    for turn in range(6):
        if turn == 2:
            want.add_param_group({"params": one[-1:], "lr": 0.01})
            got.add_param_group({"params": all_[-1:], "lr": 0.01})
        one_step(want, one, turn)
        one_step(got, all_, turn, memory)
    assert_same(one, all_)
    assert not np.array_equal(all_[-1].numpy(), parameters(np.float64)[-1].numpy())


@EVERY
def test_same_bits_for_any_thread_count(make, share_out_everything):
    results = []
    for _ in share_out_everything():
        results.append(parameters(np.float32))
        memory, _ = spread(results[-1])
        optimizer = make(results[-1])
        optimizer.bind(memory)
        for turn in range(7):
            one_step(optimizer, results[-1], turn, memory)
    assert_same(results[0], results[1])
    assert_same(results[0], results[2])


def test_one_call_moves_all_that_have_moved_equally_often(monkeypatch):
    tensors, calls = parameters(np.float32), []
    memory, _ = spread(tensors)
    module = kernels(np.dtype("f"))
    kernel = module.adam_update
    monkeypatch.setattr(module, "adam_update", lambda *given: calls.append(given[-1].tolist()) or kernel(*given))
    optimizer = optim.Adam(tensors)
    optimizer.bind(memory)
    for turn in range(2):
        one_step(optimizer, tensors, turn, memory)
    # the 4 x 16 begin a line after the 3 x 5; two that lie side by side are one stretch
    assert calls[0] == [[0, 16], [32, 96], [224, 225], [240, 272 + 20_011]]
    assert [len(spans) for spans in calls[1:]] == [4, 1]  # and SELDOM, for which it is the first step, by itself


def test_parameters_that_are_no_part_of_the_array():
    inside, outside = Tensor(np.ones(3)), Tensor(np.ones(3))
    inside.requires_grad = outside.requires_grad = True
    memory, _ = spread([inside])
    optimizer = optim.SGD([outside, inside], 0.5)
    optimizer.bind(memory)
    optimizer.step_flat(np.ones_like(memory), [inside])
    assert inside.tolist() == [0.5] * 3
    assert outside.tolist() == [1.0] * 3
    for p in (outside, inside):
        p.grad = np.ones(3)
    optimizer.step()
    assert inside.tolist() == [0.0] * 3
    assert outside.tolist() == [0.5] * 3
    with pytest.raises(ValueError, match=r"a parameter of shape \(3,\), float64, is no part of the array"):
        optimizer.step_flat(np.ones_like(memory), [inside, outside])
    inside.data = inside.data.copy()
    with pytest.raises(ValueError, match="was it replaced since"):
        optimizer.step_flat(np.ones_like(memory), [inside])
    optimizer.step_flat(np.ones_like(memory), [])  # nothing to do


def test_refusals():
    first, second = Tensor(np.ones(8), requires_grad=True), Tensor(np.ones(8), requires_grad=True)
    optimizer = optim.Adam([first, second])
    with pytest.raises(RuntimeError, match=r"Adam\.step_flat: .* call bind first"):
        optimizer.step_flat(np.ones(8), [first])
    with pytest.raises(RuntimeError, match=r"Ranger\.step_flat: .* call bind first"):
        optim.Ranger([first]).step_flat(np.ones(8), [first])
    for wrong in (np.ones((2, 4)), np.ones(8, int), np.ones(16)[::2]):
        with pytest.raises(ValueError, match="memory must be a contiguous array"):
            optimizer.bind(wrong)
    memory = np.ones(16)
    optimizer.bind(memory)
    first.data, second.data = memory[:8], memory[4:12]
    for wrong in (np.ones(15), np.ones(16, "f")):
        with pytest.raises(ValueError, match=r"Adam\.step_flat: gradients have the shape"):
            optimizer.step_flat(wrong, [first])
    with pytest.raises(ValueError, match="parameters overlap"):
        optimizer.step_flat(np.ones(16), [first, second])
    assert (memory == 1).all()
    assert optimizer.state == {}


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize(("name", "arrays", "scalars"), [
    ("adam_update", 5, 7), ("rmsprop_update", 5, 7), ("sgd_update", 3, 5), ("average_update", 2, 1),
    ("lookahead_update", 2, 1), ("scale_update", 1, 1), ("limit_update", 1, 1)])
def test_kernels_refuse_spans_that_leave_their_arrays(name, arrays, scalars, isa):
    with use(isa):
        kernel = getattr(kernels(np.dtype("d")), name)
        for wrong in ([[0, 8]], [[-1, 3]], [[3, 3]], [[4, 6], [0, 2]], [[0, 4], [3, 6]], [[5, 2]]):
            with pytest.raises(ValueError, match="spans must be ascending"):
                kernel(*[np.zeros(7)] * arrays, *[0] * scalars, np.array(wrong, np.intp))
        for wrong in (np.zeros((0, 2), np.intp), np.zeros((1, 3), np.intp)):
            with pytest.raises(ValueError, match=r"spans must be \(k, 2\)"):
                kernel(*[np.zeros(7)] * arrays, *[0] * scalars, wrong)


# ---------------------------------------------------------------- clipping
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("norm_type", [1, 2.0, 3.5, math.inf])
@pytest.mark.parametrize("max_norm", [0.0, 0.5, 1e6])
def test_norms_of_an_array_have_the_bits_of_those_one_by_one(dtype, norm_type, max_norm):
    one, all_ = parameters(dtype), parameters(dtype)
    for p, q in zip(one, all_):
        p.grad = q.data.copy()
    memory, between = spread(all_, math.nan)
    places = Flat(memory).places([p.data for p in all_])
    want = optim.clip_grad_norm_(one, max_norm, norm_type)
    assert clip_flat_norm_(memory, places, max_norm, norm_type) == want
    for p, q in zip(one, all_):
        np.testing.assert_array_equal(p.grad, q.numpy())
    assert np.isnan(memory[between]).all()


def test_clipping_refuses_and_takes_nothing():
    memory, places = np.full(4, math.inf), np.array([[0, 2]])
    with pytest.raises(RuntimeError, match="clip_flat_norm_: the norm of the gradients is inf"):
        clip_flat_norm_(memory, places, 1.0, error_if_nonfinite=True)
    assert (memory == math.inf).all()
    with pytest.raises(ValueError, match="clip_flat_norm_: "):
        clip_flat_norm_(memory, places, -1.0)
    assert clip_flat_norm_(memory, np.zeros((0, 2), np.intp), 0.0) == 0.0
    with pytest.raises(ValueError, match="pieces must lie within x"):
        kernels(memory.dtype).sum_of_squares(memory, np.empty(1), np.array([[0, 5]]))


# ---------------------------------------------------------------- averages
def test_averages_of_an_array():
    one, all_ = (nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, 3)) for _ in range(2))
    all_.load_state_dict(one.state_dict())
    averages = [optim.ExponentialMovingAverage(model, decay=0.7, warmup=True) for model in (one, all_)]
    memory, between = spread(list(all_.parameters())[:-1])  # the last one is none of its parts
    averages[1].bind(memory)
    for turn in range(5):
        for model, average in zip((one, all_), averages):
            rng = np.random.default_rng(turn)
            for value in (*model.parameters(), *model.buffers()):
                value.data[...] = rng.standard_normal(value.shape) * 3
            average.update()
        if turn == 2:
            averages[1].load_state_dict(averages[0].state_dict())
        np.testing.assert_equal(averages[1].state_dict(), averages[0].state_dict())
    assert (memory[between] == BETWEEN).all()
    with averages[1].averaged():
        np.testing.assert_equal(all_.state_dict(), averages[0].averages)
