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


def test_space_to_depth_puts_whole_pixels_one_behind_the_other():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 6))
    y = F.space_to_depth(x, 2).numpy()
    for i in range(2):
        for j in range(2):
            np.testing.assert_array_equal(y[:, (2*i + j)*3:][:, :3], x[:, :, i::2, j::2])


def darknet_reorg(x, stride):
    """Darknet's loop over (c, h, w), which takes w for the width of a map of c / stride^2 channels that is larger."""
    c, h, w = x.shape
    flat, y = x.ravel(), np.empty(x.size)
    few = c//stride**2
    for k, j, i in np.ndindex(c, h, w):
        column, row = i*stride + k//few%stride, j*stride + k//few//stride
        y[i + w*(j + h*k)] = flat[column + w*stride*(row + h*stride*(k%few))]
    return y.reshape(c*stride**2, h//stride, w//stride)


def test_darknets_reorg_is_space_to_depth_of_the_same_memory_read_otherwise():
    n, c, h, w, b = 1, 8, 4, 6, 2
    x = np.random.default_rng(0).standard_normal((n, c, h, w))
    y = F.space_to_depth(x.reshape(n, c//b**2, h*b, w*b), b).reshape(n, c*b**2, h//b, w//b)
    np.testing.assert_array_equal(y.numpy()[0], darknet_reorg(x[0], b))
    assert not np.array_equal(y.numpy(), F.space_to_depth(x, b).numpy())


@pytest.mark.parametrize(("call", "shape", "factor"), [
    (F.pixel_shuffle, (1, 6, 2, 2), 2), (F.pixel_unshuffle, (1, 3, 4, 5), 2), (F.space_to_depth, (1, 3, 5, 4), 2),
    (F.pixel_shuffle, (4, 2, 2), 2), (F.pixel_unshuffle, (1, 3, 4, 4), 0), (F.space_to_depth, (0, 3, 4, 4), 2),
    (F.pixel_shuffle, (1, 4, 2, 2), -1),
])
def test_blocks_that_do_not_fit_are_refused(call, shape, factor):
    with pytest.raises(ValueError, match=f"{call.__name__}: "):
        call(np.zeros(shape, "f"), factor)
