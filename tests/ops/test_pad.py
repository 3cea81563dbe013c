"""Padding beyond the table: several axes at once, arguments in torch's order, refusals."""
from __future__ import annotations

import numpy as np
import pytest

from tinycnn import functional as F


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_copies_of_one_axis_and_of_all(mode):
    x = np.random.default_rng(0).standard_normal((3, 4, 5))
    of_numpy = {"reflect": "reflect", "replicate": "edge"}[mode]
    np.testing.assert_array_equal(F.pad(x, (2, 1), mode).numpy(), np.pad(x, ((0, 0), (0, 0), (2, 1)), of_numpy))
    np.testing.assert_array_equal(F.pad(x, (1, 2, 3, 0, 2, 2), mode).numpy(),
                                  np.pad(x, ((2, 2), (3, 0), (1, 2)), of_numpy))


def test_one_element_can_be_replicated_but_not_mirrored():
    x = np.full((1, 1), 7.0)
    assert F.pad(x, (2, 1), "replicate").tolist() == [[7, 7, 7, 7]]
    with pytest.raises(ValueError, match=r"pad: pads \(2, 1\) with mode 'reflect' need an extent of at least 3, got 1"):
        F.pad(x, (2, 1), "reflect")


@pytest.mark.parametrize(("shape", "pads", "mode", "message"), [
    ((2, 3), (1, -1), "constant", "numbers >= 0"),
    ((2, 3), (1,), "constant", "expected pairs"),
    ((2, 3), (1, 1)*3, "reflect", "at most one for each of the 2 axes"),
    ((2, 3), (1, 1), "circular", "mode must be 'constant', 'reflect' or 'replicate', got 'circular'"),
    ((2, 3), (1, 3), "reflect", "need an extent of at least 4"),
    ((2, 0), (1, 0), "replicate", "need an extent of at least 1, got 0"),
])
def test_refusals(shape, pads, mode, message):
    with pytest.raises(ValueError, match=f"pad: .*{message}"):
        F.pad(np.zeros(shape), pads, mode)
