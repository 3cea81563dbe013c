"""Batch transforms, held to loops over single images."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycnn.data import transforms

RANDOM = {"random_flip": lambda x, rng: transforms.random_flip(x, rng),
          "random_shift": lambda x, rng: transforms.random_shift(x, rng, 2, fill=7),
          "cutout": lambda x, rng: transforms.cutout(x, rng, 3, fill=7)}


@st.composite
def batches(draw):
    shape = (draw(st.integers(1, 5)), draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    channels = draw(st.sampled_from([(), (1,), (3,)]))
    return np.random.default_rng(draw(st.integers(0, 99))).integers(10, 256, shape + channels, np.uint8)


@given(images=batches())
def test_normalize(images):
    channels = images.shape[3] if images.ndim == 4 else 1
    mean, std = np.linspace(0.2, 0.5, channels), np.linspace(0.3, 0.4, channels)
    x = transforms.normalize(images, mean, std)
    assert (x.dtype, x.shape) == (np.float32, (len(images), channels, *images.shape[1:3]))
    assert x.flags.c_contiguous
    for c in range(channels):
        channel = images[..., c] if images.ndim == 4 else images
        np.testing.assert_allclose(x[:, c], (channel / 255 - mean[c]) / std[c], atol=1e-5)


@pytest.mark.parametrize("name", RANDOM)
@given(images=batches())
def test_random_ones_are_repeatable_and_leave_their_input(name, images):
    before = images.copy()
    one, two = (RANDOM[name](images, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(images, before)
    assert (one.shape, one.dtype) == (images.shape, images.dtype)


@given(images=batches())
def test_flip_mirrors_some(images):
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(transforms.random_flip(images, rng, 0), images)
    np.testing.assert_array_equal(transforms.random_flip(images, rng, 1), images[:, :, ::-1])
    for image, flipped in zip(images, transforms.random_flip(images, rng), strict=True):
        assert np.array_equal(flipped, image) or np.array_equal(flipped, image[:, ::-1])


def test_flip_half():
    images = np.tile(np.arange(2, dtype=np.uint8), (1000, 1, 1))
    flipped = transforms.random_flip(images, np.random.default_rng(0))[:, 0, 0].mean()
    assert 0.4 < flipped < 0.6


@given(images=batches(), most=st.integers(0, 3))
def test_shift_is_a_crop_of_the_padded_image(images, most):
    n, height, width = images.shape[:3]
    moved = transforms.random_shift(images, np.random.default_rng(1), most, fill=7)
    for i in range(n):
        padded = np.full((height + 2 * most, width + 2 * most, *images.shape[3:]), 7, np.uint8)
        padded[most:most + height, most:most + width] = images[i]
        crops = [padded[top:top + height, left:left + width]
                 for top in range(2 * most + 1) for left in range(2 * most + 1)]
        assert any(np.array_equal(moved[i], crop) for crop in crops)


def test_shift_reaches_every_place():
    images = np.zeros((500, 5, 5), np.uint8)
    images[:, 2, 2] = 1
    places = {tuple(np.argwhere(image)[0]) for image in transforms.random_shift(images, np.random.default_rng(0), 1)}
    assert places == {(y, x) for y in (1, 2, 3) for x in (1, 2, 3)}


@given(images=batches(), size=st.integers(1, 8))
def test_cutout_fills_one_rectangle(images, size):
    cut = transforms.cutout(images, np.random.default_rng(2), size, fill=7)
    for image, result in zip(images, cut, strict=True):
        filled = (result == 7).reshape(*image.shape[:2], -1).all(2)
        ys, xs = np.nonzero(filled)
        assert 1 <= len(ys) <= size * size
        assert len(ys) == (np.ptp(ys) + 1) * (np.ptp(xs) + 1)
        np.testing.assert_array_equal(result[~filled], image[~filled])


def test_refusals():
    rng = np.random.default_rng(0)
    with pytest.raises(TypeError, match="uint8, got float64"):
        transforms.normalize(np.zeros((1, 2, 2)), 0, 1)
    with pytest.raises(ValueError, match="most must not be negative"):
        transforms.random_shift(np.zeros((1, 2, 2)), rng, -1)
    with pytest.raises(ValueError, match="size must be at least 1"):
        transforms.cutout(np.zeros((1, 2, 2)), rng, 0)
    for transform in RANDOM.values():
        with pytest.raises(ValueError, match=r"got the shape \(2, 2\)"):
            transform(np.zeros((2, 2), np.uint8), rng)


@pytest.mark.parametrize("size", [7, 10, 14, 28, 32, 45])
def test_resize_is_pillows_triangle_filter(size):
    Image = pytest.importorskip("PIL.Image", reason="pillow is not installed: nothing to compare with")
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    want = [np.asarray(Image.fromarray(x).resize((size, size), Image.Resampling.BILINEAR)) for x in images]
    got = transforms.resize(images, size)
    assert (got.shape, got.dtype) == ((3, size, size), np.uint8)
    assert np.abs(got.astype(int) - np.stack(want)).max() <= 1  # pillow rounds after each axis


@pytest.mark.parametrize(("images", "size", "message"), [
    (np.zeros((2, 3, 3, 3), np.uint8), 5, "uint8"), (np.zeros((2, 3, 3), np.float32), 5, "uint8"),
    (np.zeros((2, 3, 3), np.uint8), 0, "size must be at least 1, got 0")])
def test_resize_refuses(images, size, message):
    with pytest.raises(ValueError, match=message):
        transforms.resize(images, size)
