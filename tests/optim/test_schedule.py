"""Learning rates over time."""
import math

import pytest

from tinycnn import Tensor, optim
from tinycnn.optim import SGD, CosineSchedule, StepLR


def optimizer(*rates):
    return SGD([{"params": [Tensor([0.0], requires_grad=True)], "lr": lr} for lr in rates], 0.1)


def rates(schedule, steps):
    seen = []
    for _ in range(steps):
        seen.append([group["lr"] for group in schedule.optimizer.param_groups])
        schedule.step()
    return seen


def torch_rates(torch, make, rates, steps):
    theirs = torch.optim.SGD([{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in rates], 0.1)
    schedule, seen = make(torch.optim.lr_scheduler, theirs), []
    for _ in range(steps):
        seen.append([group["lr"] for group in theirs.param_groups])
        theirs.step()
        schedule.step()
    return seen


def warmed(after, milestone, **line):
    """torch's way to say it: a line, then another schedule."""
    def make(of, theirs):
        return of.SequentialLR(theirs, [of.LinearLR(theirs, total_iters=milestone, **line), after(of, theirs)],
                               [milestone])
    return make


PAIRS = {  # ours, torch's
    "step": (lambda o: optim.StepLR(o, 3, 0.2), lambda of, o: of.StepLR(o, 3, 0.2)),
    "multi-step": (lambda o: optim.MultiStepLR(o, [30, 5, 5, 12]), lambda of, o: of.MultiStepLR(o, [30, 5, 5, 12])),
    "exponential": (lambda o: optim.ExponentialLR(o, 0.93), lambda of, o: of.ExponentialLR(o, 0.93)),
    "polynomial": (lambda o: optim.PolynomialLR(o, 40, 0.9), lambda of, o: of.PolynomialLR(o, 40, 0.9)),
    "cosine": (lambda o: optim.CosineAnnealingLR(o, 50, 0.01), lambda of, o: of.CosineAnnealingLR(o, 50, 0.01)),
    "cosine up again": (lambda o: optim.CosineAnnealingLR(o, 13), lambda of, o: of.CosineAnnealingLR(o, 13)),
    "cosine to the end": (lambda o: optim.CosineSchedule(o, 50, lr_min=0.02),
                          lambda of, o: of.CosineAnnealingLR(o, 50, 0.02)),
    "warm-up, cosine": (lambda o: optim.Warmup(optim.CosineAnnealingLR(o, 40), 10),
                        warmed(lambda of, o: of.CosineAnnealingLR(o, 40), 10)),
    "warm-up, multi-step": (lambda o: optim.Warmup(optim.MultiStepLR(o, [10, 20]), 7, 0.1),
                            warmed(lambda of, o: of.MultiStepLR(o, [10, 20]), 7, start_factor=0.1)),
    "warm-up, exponential": (lambda o: optim.Warmup(optim.ExponentialLR(o, 0.9), 1, 0.5),
                             warmed(lambda of, o: of.ExponentialLR(o, 0.9), 1, start_factor=0.5)),
}


@pytest.mark.parametrize(("ours", "theirs"), PAIRS.values(), ids=PAIRS)
def test_fifty_rates_are_torchs(torch, ours, theirs):
    got = rates(ours(optimizer(0.3, 0.05)), 50)
    for mine, want in zip(got, torch_rates(torch, theirs, (0.3, 0.05), 50)):
        assert mine == pytest.approx(want, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("make", [ours for ours, _ in PAIRS.values()], ids=PAIRS)
def test_a_restored_schedule_goes_on(make):
    whole = rates(make(optimizer(0.3, 0.05)), 40)
    first = make(optimizer(0.3, 0.05))
    rates(first, 17)
    second = make(optimizer(0.9, 0.9))
    second.load_state_dict(first.state_dict())
    assert rates(second, 23) == whole[17:]


def test_a_warm_up_sets_the_first_rate_itself():
    assert rates(optim.Warmup(StepLR(optimizer(1.0), 2, 0.5), 2, start_factor=0.0), 6) == [
        [0.0], [0.5], [1.0], [1.0], [0.5], [0.5]]


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
    for make in (lambda o: optim.CosineAnnealingLR(o, 0), lambda o: optim.PolynomialLR(o, 0),
                 lambda o: optim.Warmup(StepLR(o, 1), 0)):
        with pytest.raises(ValueError, match=r"(T_max|total_iters) must be at least 1, got 0"):
            make(optimizer(0.1))
    with pytest.raises(ValueError, match="Warmup: start_factor must be a number with"):
        optim.Warmup(StepLR(optimizer(0.1), 1), 3, 1.5)
