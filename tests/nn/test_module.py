"""Module: what it holds, its state, its modes."""
import copy

import numpy as np
import pytest

from tinycnn import Tensor, nn


class Net(nn.Module):
    def __init__(self):
        self.conv = nn.Conv2d(3, 4, 3)
        self.scale = nn.Parameter(np.ones(4))
        self.body = nn.Sequential(nn.BatchNorm2d(4), nn.Dropout(0.5))
        self.absent = None

    def forward(self, x):
        return self.body(self.conv(x)) * self.scale.reshape(1, 4, 1, 1)


NAMES = ["scale", "conv.weight", "conv.bias", "body.0.weight", "body.0.bias", "body.0.running_mean",
         "body.0.running_var", "body.0.num_batches_tracked"]


@pytest.fixture
def net():
    return Net()


def x(dtype=np.float32):
    return np.random.default_rng(0).standard_normal((2, 3, 6, 5)).astype(dtype)


# ---------------------------------------------------------------- what it holds
def test_names_are_torchs(net, torch):
    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 4, 3)
            self.scale = torch.nn.Parameter(torch.ones(4))
            self.body = torch.nn.Sequential(torch.nn.BatchNorm2d(4), torch.nn.Dropout(0.5))
    theirs = Theirs()
    assert list(net.state_dict()) == list(theirs.state_dict()) == NAMES
    assert [n for n, _ in net.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert [n for n, _ in net.named_buffers()] == [n for n, _ in theirs.named_buffers()]
    assert [n for n, _ in net.named_modules()] == [n for n, _ in theirs.named_modules()]
    assert [n for n, _ in net.named_children()] == [n for n, _ in theirs.named_children()]


def test_parameters_are_float32_and_buffers_keep_their_type(net):
    assert {p.dtype for p in net.parameters()} == {np.dtype("float32")}
    assert net.state_dict()["body.0.num_batches_tracked"].dtype == np.int64


def test_parameters_and_buffers_own_their_memory():
    array = np.ones(3, np.float32)
    parameter, module = nn.Parameter(array), nn.Module()
    module.register_buffer("kept", array)
    array[:] = 5
    assert parameter.tolist() == module.kept.tolist() == [1, 1, 1]


def test_an_attribute_can_be_replaced_in_its_place(net):
    net.conv = nn.Conv2d(3, 4, 1, bias=False)
    net.scale = None
    assert list(net.state_dict())[:2] == ["conv.weight", "body.0.weight"]


def test_what_is_shared_is_listed_once_and_saved_under_both_names():
    layer = nn.Linear(2, 2)
    twice = nn.Sequential(layer, layer)
    assert len(list(twice.parameters())) == 2
    assert len(list(twice.modules())) == 2
    assert list(twice.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_apply_reaches_children_before_their_parents(net):
    seen = []
    assert net.apply(seen.append) is net
    assert len(seen) == len(list(net.modules()))
    assert seen[-1] is net
    assert seen.index(net.body[0]) < seen.index(net.body)


def test_repr_is_a_tree(net):
    lines = repr(net).splitlines()
    assert lines[0] == "Net("
    assert lines[1].startswith("  (conv): Conv2d(in_channels=3, out_channels=4, kernel_size=(3, 3)")
    assert lines[2:] == ["  (body): Sequential(", "    (0): BatchNorm2d(num_features=4, eps=1e-05, momentum=0.1)",
                         "    (1): Dropout(p=0.5)", "  )", ")"]


def test_deep_copies_are_independent(net):
    other = copy.deepcopy(net)
    other.scale.data[:] = 7
    assert net.scale.tolist() == [1, 1, 1, 1]
    assert [type(p) for p in other.parameters()] == [nn.Parameter] * 5


# ---------------------------------------------------------------- modes
def test_train_and_eval_reach_every_module(net):
    assert all(m.training for m in net.modules())
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())


def test_running_statistics_move_in_training_only(net):
    before = net.state_dict()["body.0.running_mean"]
    net.eval()(x())
    np.testing.assert_array_equal(net.state_dict()["body.0.running_mean"], before)
    net.train()(x())
    after = net.state_dict()
    assert (after["body.0.running_mean"] != before).all()
    assert after["body.0.num_batches_tracked"] == 1


def test_arrays_and_tensors_are_both_taken(net):
    net.eval()
    np.testing.assert_array_equal(net(x()).numpy(), net(Tensor(x())).numpy())


def test_gradients_come_and_go(net):
    net(x()).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_frozen_parameters_collect_nothing(net):
    net.conv.requires_grad_(False)
    net(x()).sum().backward()
    assert net.conv.weight.grad is None
    assert net.scale.grad is not None
    assert net.requires_grad_().conv.weight.requires_grad


def test_double_precision_and_back(net):
    parameter = net.scale
    net.to(np.float64)
    assert net.scale is parameter
    assert net.eval()(x(np.float64)).dtype == np.float64
    assert net.state_dict()["body.0.running_var"].dtype == np.float64
    assert net.state_dict()["body.0.num_batches_tracked"].dtype == np.int64
    assert net.to("float32")(x()).dtype == np.float32


@pytest.mark.parametrize("dtype", ["float16", "int64", "complex64"])
def test_other_element_types_are_refused(net, dtype):
    with pytest.raises(TypeError, match=f"dtype must be float32 or float64, got {dtype}"):
        net.to(dtype)


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module: forward is not defined"):
        nn.Module()(x())


# ---------------------------------------------------------------- state
def changed(state):
    return {name: value + 1 for name, value in state.items()}


def test_state_is_a_copy(net):
    net.state_dict()["scale"][:] = 9
    assert net.scale.tolist() == [1, 1, 1, 1]


def test_state_round_trips_into_the_same_arrays(net):
    arrays = [p.data for p in net.parameters()]
    state = changed(net.state_dict())
    assert net.load_state_dict(state) == ([], [])
    assert all(p.data is array for p, array in zip(net.parameters(), arrays))
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, state[name])


def test_values_are_cast_and_may_be_anything_like_an_array(net, torch):
    state = {**net.state_dict(), "scale": [1, 2, 3, 4], "conv.bias": torch.zeros(4, dtype=torch.float16),
             "body.0.num_batches_tracked": 3.0}
    net.load_state_dict(state)
    assert net.scale.tolist() == [1, 2, 3, 4]
    assert net.scale.dtype == np.float32
    assert net.body[0].num_batches_tracked.dtype == np.int64


def test_nan_is_a_value(net):
    net.load_state_dict({**net.state_dict(), "scale": np.full(4, np.nan)})
    assert np.isnan(net.scale.numpy()).all()


def test_every_misfit_is_listed_and_nothing_changes(net, torch):
    before = net.state_dict()
    state = changed(before)
    del state["conv.bias"]
    state.update({"extra": np.ones(1), "scale": np.ones((4, 1)), "conv.weight": np.full((4, 3, 3, 3), "a"),
                  "body.0.bias": torch.ones(4, requires_grad=True)})
    with pytest.raises(nn.StateDictError) as caught:
        net.load_state_dict(state)
    message = str(caught.value)
    for part in ("missing (1): conv.bias", "unexpected (1): extra", "unfit (3)", "conv.weight holds <U1",
                 "scale has shape (4, 1), expected (4,)", "body.0.bias"):
        assert part in message
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_without_strict_the_rest_is_loaded_and_the_difference_returned(net):
    misfits = net.load_state_dict({"scale": np.zeros(4), "other": np.ones(2)}, strict=False)
    assert misfits.missing_keys == NAMES[1:]
    assert misfits.unexpected_keys == ["other"]
    assert net.scale.tolist() == [0, 0, 0, 0]


def test_a_wrong_shape_is_an_error_even_without_strict(net):
    with pytest.raises(nn.StateDictError, match=r"scale has shape \(3,\), expected \(4,\)"):
        net.load_state_dict({"scale": np.zeros(3)}, strict=False)


def test_a_path_is_no_state(net):
    with pytest.raises(TypeError, match=r"must map names to arrays, got str; tinycnn\.load"):
        net.load_state_dict("weights.npz")
