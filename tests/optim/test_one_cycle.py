"""One cycle, step for step with torch's."""
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycnn import Tensor, optim


def follow(optimizer, schedule, steps):
    """Rates and momenta before each step; torch's schedule wants its optimiser stepped."""
    seen = []
    for _ in range(steps):
        optimizer.step()
        seen.append([(g["lr"], g["betas"] if "betas" in g else g["momentum"]) for g in optimizer.param_groups])
        schedule.step()
    return seen


def both(torch, name, settings, **cycle):
    """The same cycle in ours and in torch's optimiser of that name, of two groups."""
    results = []
    for module, weight, schedule in (
            (optim, lambda: Tensor([0.0], requires_grad=True), optim.OneCycleLR),
            (torch.optim, lambda: torch.zeros(1, requires_grad=True), torch.optim.lr_scheduler.OneCycleLR)):
        optimizer = getattr(module, name)([{"params": [weight()]}, {"params": [weight()]}], lr=0.7, **settings)
        results.append((optimizer, schedule(optimizer, **cycle)))
    return results


@pytest.mark.parametrize(("name", "settings"), [("SGD", {"momentum": 0.9}), ("Adam", {}), ("RMSprop", {}),
                                                ("AdamW", {"betas": (0.5, 0.99)})])
@given(total=st.sampled_from([20, 50, 60]), pct_start=st.sampled_from([0.0, 0.2, 0.25, 0.3, 0.45, 0.5]),
       three_phase=st.booleans(), anneal_strategy=st.sampled_from(["cos", "linear"]), cycle_momentum=st.booleans(),
       max_lr=st.sampled_from([0.1, [0.1, 0.5]]), factors=st.sampled_from([(25.0, 1e4), (10.0, 3.0)]))
def test_fifty_steps_are_torchs(torch, name, settings, total, pct_start, three_phase, anneal_strategy, cycle_momentum,
                                max_lr, factors):
    pairs = both(torch, name, settings, max_lr=max_lr, total_steps=total, pct_start=pct_start, three_phase=three_phase,
                 anneal_strategy=anneal_strategy, cycle_momentum=cycle_momentum, div_factor=factors[0],
                 final_div_factor=factors[1])
    got, want = (follow(*pair, min(total, 50)) for pair in pairs)
    for mine, theirs in zip(got, want):
        for (lr, momentum), (torch_lr, torch_momentum) in zip(mine, theirs):
            assert lr == pytest.approx(torch_lr, rel=1e-6, abs=1e-12)
            assert momentum == pytest.approx(torch_momentum, rel=1e-6)


def test_epochs_times_steps_per_epoch(torch):
    pairs = both(torch, "SGD", {"momentum": 0.9}, max_lr=0.1, epochs=4, steps_per_epoch=5)
    got, want = (follow(*pair, 20) for pair in pairs)
    assert [lr for (lr, _), _ in got] == pytest.approx([lr for (lr, _), _ in want], rel=1e-6)


def make(**more):
    optimizer = optim.Adam([Tensor([0.0], requires_grad=True)])
    return optimizer, optim.OneCycleLR(optimizer, **{"max_lr": 0.1, "total_steps": 30, **more})


@pytest.mark.parametrize("three_phase", [False, True])
def test_a_restored_cycle_goes_on(three_phase):
    whole = follow(*make(three_phase=three_phase), 30)
    optimizer, first = make(three_phase=three_phase)
    follow(optimizer, first, 12)
    optimizer, second = make(max_lr=0.9, three_phase=three_phase)
    second.load_state_dict(first.state_dict())
    assert follow(optimizer, second, 18) == whole[12:]


def test_after_the_end_it_stays():
    seen = follow(*make(total_steps=6), 10)
    assert seen[5:] == [seen[5]] * 5
    assert seen[5] == [(pytest.approx(0.1 / 25 / 1e4), (pytest.approx(0.95), 0.999))]


@pytest.mark.parametrize("total", [1, 2, 10])
def test_parts_of_no_length(total):
    """The way up may end at step 0 (torch divides by 0 there)."""
    (highest, _), = follow(*make(total_steps=total, pct_start=1 / total), total)[0]
    assert highest == pytest.approx(0.1)


@pytest.mark.parametrize(("wrong", "what"), [
    ({"total_steps": 0}, "total_steps=0"), ({"total_steps": None}, "expected total_steps"),
    ({"total_steps": None, "epochs": 2, "steps_per_epoch": 0}, "steps_per_epoch=0"), ({"pct_start": 1.1}, "pct_start"),
    ({"anneal_strategy": "sin"}, "one of cos, linear"), ({"max_momentum": 1.0}, "max_momentum=1.0"),
    ({"base_momentum": 0.99}, "base_momentum=0.99"), ({"div_factor": 0}, "div_factor=0"),
    ({"final_div_factor": float("nan")}, "final_div_factor=nan"), ({"max_lr": [0.1, 0.2]}, "2 values for 1 groups")])
def test_settings_that_make_no_sense_are_named(wrong, what):
    with pytest.raises(ValueError, match=f"OneCycleLR: .*{what}"):
        make(**wrong)


def test_momentum_must_be_there_to_cycle():
    class Plain(optim.Optimizer):
        kernel = "sgd_update"

    optimizer = Plain([Tensor([0.0], requires_grad=True)], {"lr": 0.1})
    with pytest.raises(ValueError, match="cycle_momentum needs an optimizer with a momentum or betas"):
        optim.OneCycleLR(optimizer, 0.1, 10)
    optim.OneCycleLR(optimizer, 0.5, 10, cycle_momentum=False)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5 / 25)
