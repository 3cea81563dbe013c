"""Tiny scenes that tests draw themselves: coloured rectangles on grey, the colour is the class."""
from __future__ import annotations

import numpy as np


def squares(count, size=64, classes=3, seed=0):
    """Images (count, 3, size, size), 0 to 1, with two objects each but the last, which has none; boxes and labels."""
    rng = np.random.default_rng(seed)
    images = rng.normal(0.3, 0.02, (count, 3, size, size)).astype(np.float32)
    boxes, labels = [np.zeros((2, 4), np.float32) for _ in range(count)], rng.integers(0, classes, (count, 2))
    half = size // 2
    for image, found, of_image in zip(images[:-1], boxes, labels):
        for i, label in enumerate(of_image):
            w, h = rng.integers(size // 5, half, 2)
            x, y = i * half + rng.integers(0, half - w + 1), rng.integers(0, size - h)
            image[:, y:y + h, x:x + w] = np.eye(3)[label][:, None, None]
            found[i] = x, y, x + w, y + h
    boxes[-1] = np.zeros((0, 4), np.float32)
    return images, boxes, [*labels[:-1], np.zeros(0, np.int64)]
