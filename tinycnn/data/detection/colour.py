"""Random changes of brightness, contrast, saturation and hue."""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from .sample import Sample, as_floats, as_pixels

BRIGHTNESS = 32 / 255  # added, of the brightest pixel
CONTRAST = SATURATION = 0.5, 1.5  # factors
HUE = 18.0  # degrees
# RGB to brightness and two axes of colour (the YIQ of NTSC television): hue is an angle in the plane of these two.
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
RGB = np.linalg.inv(YIQ)


def distort_colour(sample: Sample, rng: np.random.Generator, probability: float = 0.5) -> Sample:
    """Brightness, contrast, saturation and hue changed at random, each with a probability, clipped to the range.

    The ranges are those of SSD's published training: brightness by up to 32/255, contrast and saturation by a factor
    of 0.5 to 1.5, hue by up to 18 degrees (section 2.2 of its paper refers to Howard, "Some improvements on deep
    convolutional neural network based image classification", 2013).  Saturation and hue need 3 channels.
    """
    amounts = (rng.uniform(-BRIGHTNESS, BRIGHTNESS), rng.uniform(*CONTRAST), rng.uniform(*SATURATION),
               rng.uniform(-HUE, HUE))
    brightness, contrast, saturation, hue = (amount if rng.random() < probability else unchanged
                                             for amount, unchanged in zip(amounts, (0.0, 1.0, 1.0, 0.0)))
    pixels = as_floats(sample.image)
    if pixels.shape[2] == 3 and (saturation, hue) != (1, 0):
        pixels = pixels @ colour_matrix(saturation, hue).T.astype(pixels.dtype)
    mean = pixels.mean()
    pixels = (pixels - mean) * contrast + mean + brightness * sample.largest
    return replace(sample, image=as_pixels(np.clip(pixels, 0, sample.largest), sample.image.dtype))


def colour_matrix(saturation: float, hue: float) -> np.ndarray:
    """What changes the saturation by a factor and the hue by degrees: RGB to RGB (3, 3); grey stays.

    >>> np.allclose(colour_matrix(1.0, 0.0), np.eye(3))
    True
    """
    angle = np.deg2rad(hue)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return RGB @ np.block([[np.ones((1, 1)), np.zeros((1, 2))], [np.zeros((2, 1)), saturation * turn]]) @ YIQ
