"""Channel shuffle: undone by itself, and what it refuses."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycnn import functional as F


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 40))
def test_shuffling_with_the_other_factor_undoes_it(groups, each, pixels):
    x = np.arange(2 * groups * each * pixels, dtype="f").reshape(2, groups * each, pixels)
    once = F.channel_shuffle(x, groups).numpy()
    assert once[0, :, 0].tolist() == x[0, :, 0].reshape(groups, each).T.ravel().tolist()
    np.testing.assert_array_equal(F.channel_shuffle(once, each).numpy(), x)


@pytest.mark.parametrize(("shape", "groups", "message"), [
    ((1, 6, 2, 2), 4, "groups=4 does not divide the 6 channels"),
    ((1, 6, 2, 2), 0, "groups=0"),
    ((0, 6, 2, 2), 2, "no elements"),
    ((6,), 2, r"x must be \(N, C, \.\.\.\)"),
])
def test_refusals(shape, groups, message):
    with pytest.raises(ValueError, match=f"channel_shuffle: .*{message}"):
        F.channel_shuffle(np.zeros(shape, "f"), groups)
