"""Blocks of pixels as channels: their order, Darknet's, and what is refused."""
import numpy as np
import pytest

from tinycnn import functional as F


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
