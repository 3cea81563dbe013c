"""Learning rates over time."""
import math

import pytest

from tinycnn import Tensor
from tinycnn.optim import SGD, CosineSchedule, StepLR


def optimizer(*rates):
    return SGD([{"params": [Tensor([0.0], requires_grad=True)], "lr": lr} for lr in rates], 0.1)


def rates(schedule, steps):
    seen = []
    for _ in range(steps):
        seen.append([group["lr"] for group in schedule.optimizer.param_groups])
        schedule.step()
    return seen


def test_step_lr_is_torchs(torch):
    weight = torch.zeros(1, requires_grad=True)
    theirs = torch.optim.SGD([weight], 0.3)
    schedule = torch.optim.lr_scheduler.StepLR(theirs, 3, 0.2)
    want = []
    for _ in range(10):
        want.append(theirs.param_groups[0]["lr"])
        theirs.step()
        schedule.step()
    assert [lr for lr, in rates(StepLR(optimizer(0.3), 3, 0.2), 10)] == pytest.approx(want)


def test_cosine_follows_its_formula_in_every_group():
    seen = rates(CosineSchedule(optimizer(1.0, 0.5), total_steps=12, warmup_steps=4, lr_min=0.1), 15)
    for lr, column in zip((1.0, 0.5), zip(*seen)):
        assert column[:4] == pytest.approx([lr / 4, lr / 2, 3 * lr / 4, lr])
        assert column[4:12] == pytest.approx([0.1 + (lr - 0.1) * (1 + math.cos(math.pi * t / 8)) / 2 for t in range(8)])
        assert column[12:] == pytest.approx([0.1] * 3)


def test_warm_up_alone():
    assert rates(CosineSchedule(optimizer(1.0), total_steps=2, warmup_steps=2), 2) == [[0.5], [1.0]]


def test_a_restored_schedule_continues():
    whole = rates(CosineSchedule(optimizer(0.3), 10, 2), 10)
    first = CosineSchedule(optimizer(0.3), 10, 2)
    rates(first, 4)
    second = CosineSchedule(optimizer(0.9), 10, 2)
    second.load_state_dict(first.state_dict())
    assert rates(second, 6) == whole[4:]
    with pytest.raises(ValueError, match="state has 1 groups, expected 2"):
        CosineSchedule(optimizer(0.3, 0.3), 10).load_state_dict(first.state_dict())


def test_refusals():
    with pytest.raises(ValueError, match="warmup_steps=5, total_steps=4"):
        CosineSchedule(optimizer(0.1), 4, 5)
    with pytest.raises(ValueError, match="step_size must be at least 1"):
        StepLR(optimizer(0.1), 0)
