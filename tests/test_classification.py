"""From logits to likely classes."""
from __future__ import annotations

import numpy as np
import pytest

from tinycnn import Tensor, classification, nn
from tinycnn.serialize import CheckpointError


class Fixed(nn.Module):
    """Answers the same logits for every image."""

    def __init__(self, logits):
        super().__init__()
        self.logits = np.array(logits, np.float32)

    def forward(self, x):
        return Tensor(np.broadcast_to(self.logits, (len(x), len(self.logits))))


def test_probabilities_are_the_softmax():
    got = classification.probabilities(Fixed([0.0, np.log(2), np.log(5)]), np.zeros((2, 3, 4, 4), np.float32))
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, [[1 / 8, 2 / 8, 5 / 8]] * 2, rtol=1e-6)


def test_large_logits_do_not_overflow():
    got = classification.probabilities(Fixed([3e38, -3e38]), np.zeros((1, 3, 4, 4), np.float32))
    np.testing.assert_array_equal(got, [[1.0, 0.0]])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_answer_that_is_no_number_is_refused(bad):
    with pytest.raises(CheckpointError, match="its weights are damaged"):
        classification.probabilities(Fixed([0.0, bad]), np.zeros((1, 3, 4, 4), np.float32))
