"""One seed for everything, and a state that continues."""
import numpy as np
import pytest

from tinycnn import functional as F
from tinycnn import manual_seed, random


def sample():
    return F.dropout(np.ones(40, "f")).tolist(), random.generator().standard_normal(3).tolist()


def test_the_seed_repeats_everything():
    manual_seed(42)
    first = sample()
    assert sample() != first
    manual_seed(42)
    assert sample() == first


def test_a_state_continues():
    manual_seed(7)
    sample()
    state = random.get_state()
    want = sample()
    manual_seed(8)
    random.set_state(state)
    assert sample() == want
    random.set_state(state)  # using a state does not use it up
    assert sample() == want


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "one"])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(ValueError, match="manual_seed: seed must be"):
        manual_seed(seed)


@pytest.mark.parametrize("state", [{}, {"seed": 1, "draws": 2, "generator": {}}, None])
def test_what_is_no_state_is_refused_and_changes_nothing(state):
    manual_seed(9)
    want = sample()
    manual_seed(9)
    with pytest.raises(ValueError, match="set_state: state"):
        random.set_state(state)
    assert sample() == want
