"""What optimisers share: groups, state and its restoring."""
import numpy as np
import pytest
import stepping

from tinycnn import Tensor, optim
from tinycnn._kernels import available, kernels, use
from tinycnn.optim import SGD
from tinycnn.training import Checkpoint


def run(optimizer, parameters, steps):
    for turn in range(steps):
        for i, p in enumerate(parameters):
            p.grad = np.full(p.shape, 0.5 + i + turn)
        optimizer.step()


def two():
    return [Tensor(np.ones((2, 3)), requires_grad=True), Tensor(np.ones(4), requires_grad=True)]


EVERY = pytest.mark.parametrize("make", stepping.VARIANTS.values(), ids=stepping.VARIANTS)


@EVERY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_restored_optimizer_continues_where_it_was(make, dtype):
    straight = stepping.parameters(dtype)
    stepping.run(make(straight), straight, 50)
    first, second = stepping.parameters(dtype), stepping.parameters(dtype)
    before = make(first)
    stepping.run(before, first, 25)
    state = before.state_dict()
    for p, q in zip(first, second):
        q.data[...] = p.data
    stepping.run(before, first, 1, first=25)  # the state is a copy: what comes later does not change it
    after = make(second)
    for group in after.param_groups:
        group["lr"] = 0.7  # settings are part of the state
    after.load_state_dict(state)
    stepping.run(after, second, 25, first=25)
    for p, q in zip(straight, second):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


@EVERY
def test_a_checkpoint_file_holds_the_state(make, tmp_path):
    ours = stepping.parameters(np.float32)
    optimizer = make(ours)
    stepping.run(optimizer, ours, 7)
    Checkpoint(tmp_path / "run.npz", optimizer=optimizer).save(1)
    again = make(stepping.parameters(np.float32))
    Checkpoint(tmp_path / "run.npz", optimizer=again).load()
    np.testing.assert_equal(again.state_dict(), optimizer.state_dict())


@EVERY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("isa", available())
def test_every_kernel_is_its_twin(make, dtype, isa):
    want, got = stepping.parameters(np.float32), stepping.parameters(dtype)
    for p in want:
        p.data = p.data.astype(np.float64)
    for p, q in zip(want, got):
        q.data = p.data.astype(dtype)
    with use("reference"):
        one = make(want)
        stepping.run(one, want, 12)
    with use(isa):
        two = make(got)
        stepping.run(two, got, 12)
    tolerance = 1e-6 if dtype == np.float32 else 1e-13
    for number, (p, q) in enumerate(zip(want, got)):
        stepping.assert_close(q.numpy(), p.numpy(), tolerance)
        assert one.state.get(number, {}).keys() == two.state.get(number, {}).keys()
        for key, kept in one.state.get(number, {}).items():
            stepping.assert_close(two.state[number][key], kept, tolerance)


@EVERY
@pytest.mark.parametrize("isa", available())
def test_same_bits_for_any_thread_count(make, isa, share_out_everything):
    results = []
    with use(isa):
        for _ in share_out_everything():
            ours = stepping.parameters(np.float32)
            stepping.run(make(ours), ours, 12)
            results.append(ours)
    for other in results[1:]:
        for p, q in zip(results[0], other):
            np.testing.assert_array_equal(p.numpy(), q.numpy())


@EVERY
def test_a_parameter_that_is_no_contiguous_array(make):
    """It is moved in place, so that whoever holds a view of it sees the step."""
    whole = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)
    want, strided = Tensor(whole[:, ::2].copy(), requires_grad=True), Tensor(whole[:, ::2], requires_grad=True)
    untouched = whole[:, 1::2].copy()
    one, two = make([want]), make([strided])
    for turn in range(5):
        want.grad = np.random.default_rng(turn).standard_normal((6, 4)).astype(np.float32)
        strided.grad = np.asfortranarray(want.grad)
        one.step()
        two.step()
    np.testing.assert_array_equal(whole[:, ::2], want.numpy())
    np.testing.assert_array_equal(whole[:, 1::2], untouched)


def test_data_that_is_no_array_is_refused():
    """A NumPy scalar could not be moved in place: the step would be lost in silence."""
    p = Tensor(np.ones(()), requires_grad=True)
    p.data, p.grad = np.float64(3), np.ones(())
    with pytest.raises(TypeError, match=r"the data of a parameter must be an array.*got float64"):
        SGD([p], 0.1).step()


@pytest.mark.parametrize("grad", [np.ones((3, 2), np.float32), np.ones((2, 3))], ids=["shape", "type"])
def test_a_gradient_that_does_not_fit_is_refused(grad):
    p = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    p.grad = grad
    with pytest.raises(ValueError, match=r"Adam: the gradient of a parameter of shape \(2, 3\), float32, has"):
        optim.Adam([p]).step()


def test_no_group_moves_when_another_ones_settings_are_bad():
    parameters = two()
    optimizer = SGD([{"params": [p]} for p in parameters], 0.1)
    optimizer.param_groups[1]["lr"] = -1
    for p in parameters:
        p.grad = np.ones(p.shape)
    with pytest.raises(ValueError, match="SGD: lr"):
        optimizer.step()
    assert all((p.numpy() == 1).all() for p in parameters)


@EVERY
def test_settings_that_change_between_steps(make):
    """What a setting needs from then on is there: momentum, means, largest squares."""
    ours = stepping.parameters(np.float64)
    optimizer = make(ours)
    stepping.run(optimizer, ours, 2)
    for group in optimizer.param_groups:
        group.update({k: v for k, v in {"momentum": 0.5, "centered": True, "amsgrad": True}.items() if k in group})
    stepping.run(optimizer, ours, 2, first=2)
    assert all(np.isfinite(p.numpy()).all() for p in ours)


@pytest.mark.parametrize("name", ["adam_update", "rmsprop_update", "sgd_update"])
@pytest.mark.parametrize("isa", available())
def test_kernels_refuse_arrays_of_other_lengths(name, isa):
    arrays = {"adam_update": 5, "rmsprop_update": 5, "sgd_update": 3}[name]
    scalars = {"adam_update": 7, "rmsprop_update": 7, "sgd_update": 5}[name]
    with use(isa):
        kernel = getattr(kernels(np.dtype("d")), name)
        for short in range(arrays):
            given = [np.zeros(7) for _ in range(arrays)]
            given[short] = np.zeros(6)
            with pytest.raises(ValueError, match=name):
                kernel(*given, *[0] * scalars)
        with pytest.raises(ValueError, match="at least 1"):
            kernel(*[np.zeros(0)] * arrays, *[0] * scalars)


def test_state_dict_holds_plain_numbers_and_arrays():
    parameters = two()
    optimizer = SGD(parameters, 0.1, momentum=0.9)
    run(optimizer, parameters, 1)
    state = optimizer.state_dict()
    assert state["param_groups"][0] == {"params": [0, 1], "lr": 0.1, "momentum": 0.9, "dampening": 0.0,
                                        "weight_decay": 0.0, "nesterov": False}
    assert state["state"][1]["momentum_buffer"].tolist() == [1.5] * 4


def test_zero_grad_forgets():
    parameters = two()
    parameters[0].grad = np.ones((2, 3))
    SGD(parameters, 0.1).zero_grad()
    assert all(p.grad is None for p in parameters)


def test_parameters_without_gradients_are_left_alone():
    parameters = two()
    SGD(parameters, 0.1, weight_decay=1.0).step()
    assert all((p.numpy() == 1).all() for p in parameters)


def test_refusals():
    with pytest.raises(ValueError, match="SGD: params is empty"):
        SGD([], 0.1)
    with pytest.raises(TypeError, match="params must hold Tensors, got ndarray"):
        SGD([np.ones(3)], 0.1)
    p = two()[0]
    with pytest.raises(ValueError, match=r"shape \(2, 3\) appears twice"):
        SGD([p, p], 0.1)
    with pytest.raises(ValueError, match="unknown setting 'rate'"):
        SGD([{"params": [p], "rate": 1}], 0.1)


def test_a_state_that_does_not_fit_is_refused():
    parameters = two()
    optimizer = SGD(parameters, 0.1, momentum=0.9)
    run(optimizer, parameters, 1)
    state = optimizer.state_dict()
    with pytest.raises(ValueError, match=r"groups of \[2\] parameters, expected \[1\]"):
        SGD(two()[:1], 0.1).load_state_dict(state)
    with pytest.raises(ValueError, match="momentum_buffer of parameter 0 has shape"):
        SGD(two()[::-1], 0.1).load_state_dict(state)
    with pytest.raises(ValueError, match=r"state of parameter 7, expected 0 \.\.\. 1"):
        SGD(two(), 0.1).load_state_dict({**state, "state": {7: {}}})
    with pytest.raises(ValueError, match="lr must be"):
        SGD(two(), 0.1).load_state_dict({**state, "param_groups": [{"params": [0, 1], "lr": float("nan")}]})


def test_a_state_of_torch_fits(torch):
    ours = stepping.parameters(np.float64)
    theirs = [torch.tensor(p.numpy().copy(), requires_grad=True) for p in ours]
    before = torch.optim.SGD(theirs, 0.1, momentum=0.9)
    stepping.run_torch(torch, before, theirs, 3)
    before.state[theirs[0]]["momentum_buffer"] = None
    state = before.state_dict()
    state["state"] = {number: {key: value if value is None else value.numpy().copy() for key, value in kept.items()}
                      for number, kept in state["state"].items()}
    after = SGD(ours, 0.7)
    after.load_state_dict(state)
    for p, q in zip(ours, theirs):
        p.data[...] = q.detach().numpy()
        p.grad, q.grad = np.ones(p.shape), torch.ones(p.shape, dtype=torch.float64)
    before.step()
    after.step()
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-12)


def test_a_state_is_cast_to_the_types_of_its_parameters():
    parameters = two()
    optimizer = SGD(parameters, 0.1, momentum=0.9)
    run(optimizer, parameters, 1)
    narrow = [Tensor(p.numpy().astype(np.float32), requires_grad=True) for p in parameters]
    other = SGD(narrow, 0.1, momentum=0.9)
    other.load_state_dict(optimizer.state_dict())
    assert other.state[0]["momentum_buffer"].dtype == np.float32
