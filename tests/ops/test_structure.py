"""Operations on whole channels: undone by themselves, equal to what they are made of, and what they refuse."""
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


def test_concat_shuffle_split_is_the_three_operations():
    a, b = np.random.default_rng(0).standard_normal((2, 3, 7, 5, 6)).astype("f")
    want = F.chunk(F.channel_shuffle(F.concat([a, b]), 2), 2)
    for one, two in zip(F.concat_shuffle_split(a, b), want, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())


@pytest.mark.parametrize(("a", "b"), [((1, 2, 3, 3), (1, 3, 3, 3)), ((2,), (2,)), ((0, 2, 3, 3), (0, 2, 3, 3))])
def test_concat_shuffle_split_refuses_what_does_not_pair(a, b):
    with pytest.raises(ValueError, match="concat_shuffle_split: a"):
        F.concat_shuffle_split(np.zeros(a, "f"), np.zeros(b, "f"))


@pytest.mark.parametrize(("x", "scale"), [((2, 3, 4, 4), (2, 3)), ((2, 3, 4, 4), (2, 1, 1, 1)), ((2, 3), (2, 3)),
                                          ((0, 3, 4, 4), (0, 3, 1, 1))])
def test_scale_channels_refuses_other_shapes(x, scale):
    with pytest.raises(ValueError, match="scale_channels: "):
        F.scale_channels(np.zeros(x, "f"), np.zeros(scale, "f"))
