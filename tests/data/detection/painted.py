"""Images on which each object is painted: where its pixels end up is where its box must be."""
from __future__ import annotations

import numpy as np

from tinycnn.data.detection import Sample

BACKGROUND = 40  # red and green of pixels that belong to no object
BLUE = 200  # of every pixel of an image, painted or not; what surrounds an image has less


def painted(rng, n=3, height=60, width=80, kind="u1"):
    """A sample with n rectangles that do not overlap, number i (its label) with a red and green of its own."""
    image = np.full((height, width, 3), [BACKGROUND, BACKGROUND, BLUE], np.uint8)
    boxes = []
    for i, left in enumerate(np.arange(n) * width // n):
        room = width // n
        w, h = rng.integers(8, room - 1), rng.integers(8, height - 1)
        x, y = left + rng.integers(0, room - w), rng.integers(0, height - h)
        image[y:y + h, x:x + w, :2] = colour(i)
        boxes.append([x, y, x + w, y + h])
    pixels = image if kind == "u1" else (image / 255).astype(kind)
    return Sample(pixels, boxes, np.arange(n))


def colour(label):
    return ([250, 40], [40, 250], [250, 250])[label]


def bounds(image, label):
    """Where the pixels of an object are: x1, y1, x2, y2, or None; half-way to another colour counts."""
    pixels = image.astype(float) * (1 if image.dtype == np.uint8 else 255)
    near = (np.abs(pixels[..., :2] - colour(label)).max(axis=2) < 105)
    ys, xs = np.nonzero(near)
    return None if not len(ys) else np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], float)


def check(sample, tolerance=1.0):
    """Every box is around its painted pixels."""
    for box, label in zip(sample.boxes, sample.labels):
        found = bounds(sample.image, label)
        assert found is not None, label
        np.testing.assert_allclose(box, found, atol=tolerance, err_msg=f"object {label}")
