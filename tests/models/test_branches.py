"""Inception modules from tables: order, forks, widths, padding."""
import numpy as np
import pytest

from tinycnn import no_grad
from tinycnn.models.branches import AVERAGE, AVERAGE_INSIDE, HALVED, Branches, Conv, Forked, Row, Style, branches

X = np.random.default_rng(0).standard_normal((2, 6, 9, 7)).astype(np.float32)
FORK = [{"first": Conv(4)}, Forked({"trunk": Conv(8)}, {"across": Conv(2, (1, 3)), "down": Conv(3, (3, 1))}),
        {"pool": AVERAGE}]


def test_results_come_in_the_order_of_the_table():
    module = Branches(6, FORK).eval()
    with no_grad():
        y, trunk = module(X).numpy(), module.trunk(X)
        parts = [module.first(X), module.across(trunk), module.down(trunk), module.pool(X)]
    assert module.channels == y.shape[1] == 4 + 2 + 3 + 6
    np.testing.assert_array_equal(y, np.concatenate([part.numpy() for part in parts], 1))


def test_what_a_fork_shares_runs_once():
    module, calls = Branches(6, FORK).eval(), []
    forward = module.trunk.forward
    module.trunk.forward = lambda x: calls.append(1) or forward(x)
    module(X)
    assert len(calls) == 1


def test_filters_are_scaled_but_poolings_pass_all_channels():
    module = Branches(6, FORK, Style(width=0.5))
    assert module.channels == 2 + 1 + 2 + 6
    assert module.trunk.conv.weight.shape == (4, 6, 1, 1)
    assert Branches(6, branches([Conv(4)]), Style(width=0.01)).channels == 1


@pytest.mark.parametrize(("padded", "shape"), [(True, (5, 4)), (False, (4, 3))])
def test_valid_layers_are_padded_if_asked_for(padded, shape):
    module = Branches(6, branches([Conv(4, 3, 2, valid=True)], [HALVED]), Style(padded=padded))
    assert module(X).shape == (2, 10, *shape)


def test_padding_counts_in_one_kind_of_mean_alone():
    ones = np.ones((1, 1, 3, 3), np.float32)
    zeros_counted, inside = (Row([pool]).build(1, Style())[0](ones).numpy() for pool in (AVERAGE, AVERAGE_INSIDE))
    np.testing.assert_allclose(inside, ones, rtol=1e-6)
    np.testing.assert_allclose(zeros_counted[0, 0, 0], np.float32([4, 6, 4]) / 9, rtol=1e-6)
