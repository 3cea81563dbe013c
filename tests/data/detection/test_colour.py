"""Colour distortion."""
import colorsys

import numpy as np
import pytest

from tinycnn.data.detection import Sample, distort_colour
from tinycnn.data.detection.colour import colour_matrix


def noise(kind="u1", channels=3):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, channels), np.uint8)
    return Sample(image if kind == "u1" else (image / 255).astype(kind), [[1, 2, 3, 4]], [5])


@pytest.mark.parametrize("kind", ["u1", "f4", "f8"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_change_within_their_range_and_nothing_else_does(kind, channels):
    sample = noise(kind, channels)
    before = sample.image.copy()
    results = [distort_colour(sample, np.random.default_rng(seed)) for seed in range(20)]
    np.testing.assert_array_equal(sample.image, before)
    for result in results:
        assert (result.image.shape, result.image.dtype) == (sample.image.shape, np.dtype(kind))
        assert result.boxes is sample.boxes
        assert result.image.min() >= 0
        assert result.image.max() <= sample.largest
    assert len({result.image.tobytes() for result in results}) > 10
    np.testing.assert_array_equal(results[3].image, distort_colour(sample, np.random.default_rng(3)).image)


def test_never_and_bytes_as_floats():
    sample = noise()
    np.testing.assert_array_equal(distort_colour(sample, np.random.default_rng(0), 0).image, sample.image)
    for seed in range(10):
        bytes_, floats = (distort_colour(noise(kind), np.random.default_rng(seed), 1).image for kind in ("u1", "f8"))
        np.testing.assert_allclose(bytes_ / 255, floats, atol=0.6 / 255)


def test_grey_stays_grey_and_no_saturation_is_grey():
    grey = np.full(3, 0.4)
    np.testing.assert_allclose(colour_matrix(1.4, 15) @ grey, grey, atol=1e-3)
    y = colour_matrix(0, 0) @ [0.9, 0.2, 0.5]
    np.testing.assert_allclose(y, 0.299 * 0.9 + 0.587 * 0.2 + 0.114 * 0.5, atol=2e-3)


def test_hue_turns_the_hue():
    red = np.array([0.7, 0.3, 0.3])
    hues = [colorsys.rgb_to_hsv(*(colour_matrix(1, angle) @ red))[0] for angle in (-18, 0, 18)]
    around = [(h + 0.5) % 1 * 360 - 180 for h in hues]  # -180 to 180 degrees
    assert abs(around[1]) < 1
    assert {8 < abs(around[0]) < 30, 8 < abs(around[2]) < 30, around[0] * around[2] < 0} == {True}
