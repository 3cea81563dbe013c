"""Averages of weights."""
import numpy as np
import pytest

from tinycnn import nn
from tinycnn._kernels import available, kernels, use
from tinycnn.optim import ExponentialMovingAverage
from tinycnn.training import Checkpoint


def network():
    return nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, 3))


def wander(model, turn):
    """Other values in parameters and buffers, as a step of training leaves them."""
    rng = np.random.default_rng(turn)
    for value in (*model.parameters(), *model.buffers()):
        value.data[...] = rng.standard_normal(value.shape) * 3


@pytest.mark.parametrize("isa", [*available(), "reference"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("warmup", [False, True])
def test_averages_follow_the_definition(dtype, warmup, isa):
    model = network().to(dtype)
    average = ExponentialMovingAverage(model, decay=0.7, warmup=warmup)
    def real():
        values = (*model.named_parameters(), *model.named_buffers())
        return {name: value.numpy() for name, value in values if value.dtype == dtype}

    want = {name: value.astype(np.float64) for name, value in real().items()}
    assert "1.running_var" in want
    with use(isa):
        for n in range(20):
            wander(model, n)
            average.update()
            decay = min(0.7, (1 + n) / (10 + n)) if warmup else 0.7
            for name, value in real().items():
                want[name] = decay * want[name] + (1 - decay) * value
    for name, value in want.items():
        np.testing.assert_allclose(average.averages[name], value, rtol=0, atol=1e-5 if dtype == np.float32 else 1e-14)
    assert average.averages["1.num_batches_tracked"] == model.state_dict()["1.num_batches_tracked"] != 0


def test_averages_equal_torchs(torch):
    model, theirs = nn.Linear(5, 7), torch.nn.Linear(5, 7)
    swa = pytest.importorskip("torch.optim.swa_utils")
    for name, p in model.named_parameters():
        getattr(theirs, name).data = torch.tensor(p.numpy().copy())
    ours = ExponentialMovingAverage(model, decay=0.9)
    want = swa.AveragedModel(theirs, multi_avg_fn=swa.get_ema_multi_avg_fn(0.9))
    want.update_parameters(theirs)  # the first call only copies
    for turn in range(50):
        wander(model, turn)
        for name, p in model.named_parameters():
            getattr(theirs, name).data = torch.tensor(p.numpy().copy())
        ours.update()
        want.update_parameters(theirs)
    for name, value in ours.averages.items():
        np.testing.assert_allclose(value, getattr(want.module, name).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_the_model_has_the_averages_within_the_block_only():
    model = network()
    average = ExponentialMovingAverage(model, decay=0.5)
    wander(model, 1)
    average.update()
    wander(model, 2)
    own, arrays = model.state_dict(), [p.data for p in model.parameters()]
    with average.averaged() as inside:
        assert inside is model
        np.testing.assert_equal(model.state_dict(), average.averages)
    np.testing.assert_equal(model.state_dict(), own)
    assert all(p.data is array for p, array in zip(model.parameters(), arrays))  # nothing was bound anew
    with pytest.raises(KeyError), average.averaged():
        raise KeyError
    np.testing.assert_equal(model.state_dict(), own)


def test_a_shared_parameter_is_averaged_once():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    average = ExponentialMovingAverage(model, decay=0.5)
    before = model[0].weight.numpy().copy()
    model[0].weight.data[...] = before + 2
    average.update()
    with average.averaged():
        np.testing.assert_allclose(model[1].weight.numpy(), before + 1, rtol=1e-6)
    np.testing.assert_array_equal(model[1].weight.numpy(), before + 2)


def test_a_restored_average_continues(tmp_path):
    model, other = network(), network()
    average = ExponentialMovingAverage(model, decay=0.7, warmup=True)
    for turn in range(3):
        wander(model, turn)
        average.update()
    Checkpoint(tmp_path / "run.npz", average=average).save(1)
    again = ExponentialMovingAverage(other, decay=0.7, warmup=True)
    Checkpoint(tmp_path / "run.npz", average=again).load()
    for m, a in ((model, average), (other, again)):
        wander(m, 4)
        a.update()
    np.testing.assert_equal(again.state_dict(), average.state_dict())
    assert average.updates == 4


def test_refusals():
    for decay in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match="decay must be a number with 0 <= decay < 1"):
            ExponentialMovingAverage(network(), decay)
    average = ExponentialMovingAverage(nn.Linear(5, 7))
    with pytest.raises(ValueError, match=r"weight .*differs in shape"):
        average.load_state_dict(ExponentialMovingAverage(nn.Linear(4, 7)).state_dict())
    with pytest.raises(ValueError, match=r"0\.bias \(one of"):
        average.load_state_dict(ExponentialMovingAverage(network()).state_dict())


@pytest.mark.parametrize("isa", available())
def test_the_kernel_refuses(isa):
    with use(isa), pytest.raises(ValueError, match="average_update: y and x must have one length"):
        kernels(np.dtype("f")).average_update(np.zeros(3, "f"), np.zeros(2, "f"), 0.5)


def test_a_buffer_without_elements():
    model = nn.Linear(2, 3)
    model.register_buffer("nothing", np.zeros((0, 4), np.float32))
    average = ExponentialMovingAverage(model, decay=0.5)
    average.update()
    assert average.averages["nothing"].shape == (0, 4)
