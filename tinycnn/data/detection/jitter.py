"""The changes that the first YOLO trains on: other windows of an image, another light."""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from .colour import colour_matrix
from .sample import GREY, Sample, areas, as_floats, as_pixels, clipped, moved

JITTER = 0.2  # of the image's sides: how far each of its edges may move
VISIBLE = 0.3  # of an object's area must be in the window
FACTOR = 1.5  # by which exposure and saturation change at most, up or down
HUE = 36.0  # degrees


def random_window(sample: Sample, rng: np.random.Generator, jitter: float = JITTER, fill: float = GREY) -> Sample:
    """What is seen where each edge of the image is moved in or out, by up to a share `jitter` of that side.

    So scale, place and proportions all change.  fill: what lies beyond, from 0 to 1.  Objects with less than 0.3 of
    their area inside are dropped.  Redmon et al., "You only look once", CVPR 2016, section 2.2: "random scaling and
    translations of up to 20%"; moving edges is how Darknet does that.  Raises ValueError for jitter beyond [0, 0.5).
    """
    if not 0 <= jitter < 0.5:
        raise ValueError(f"random_window: jitter must be at least 0 and less than 0.5, got {jitter!r}")
    (h, w), (top, left, low, right) = sample.size, rng.uniform(-jitter, jitter, 4)
    y1, x1 = round(top * h), round(left * w)
    y2, x2 = max(y1 + 1, h + round(low * h)), max(x1 + 1, w + round(right * w))
    image = np.full((y2 - y1, x2 - x1, sample.image.shape[2]), fill * sample.largest, sample.image.dtype)
    seen = sample.image[max(0, y1):y2, max(0, x1):x2]
    down, across = max(0, -y1), max(0, -x1)
    image[down:down + seen.shape[0], across:across + seen.shape[1]] = seen
    boxes = clipped(moved(sample.boxes, (1, 1), (-y1, -x1)), *image.shape[:2])
    inside = areas(boxes)
    return replace(sample, image=image, boxes=boxes).chosen((inside > 0) & (inside >= VISIBLE * areas(sample.boxes)))


def scale_colour(sample: Sample, rng: np.random.Generator, factor: float = FACTOR, hue: float = HUE) -> Sample:
    """Exposure and saturation times something between 1 / factor and factor, hue turned by up to so many degrees.

    Redmon et al., section 2.2; the hue is that of Darknet's later configurations.  Saturation and hue are those of
    `colour_matrix` (the paper: of HSV), and need 3 channels.  Raises ValueError for a factor below 1.
    """
    if not factor >= 1:
        raise ValueError(f"scale_colour: factor must be at least 1, got {factor!r}")
    exposure, saturation = (_either(rng, factor) for _ in range(2))
    angle, pixels = rng.uniform(-hue, hue), as_floats(sample.image)
    if pixels.shape[2] == 3:
        pixels = pixels @ colour_matrix(saturation, angle).T.astype(pixels.dtype)
    pixels = np.clip(pixels * exposure, 0, sample.largest)
    return replace(sample, image=as_pixels(pixels, sample.image.dtype))


def _either(rng: np.random.Generator, factor: float) -> float:
    amount = float(rng.uniform(1, factor))
    return amount if rng.random() < 0.5 else 1 / amount
