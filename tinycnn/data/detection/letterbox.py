"""Images of any shape on a canvas of one size, undistorted, and boxes back from there."""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...ops.geometry import pair
from .sample import GREY, Sample, clipped, moved, resize_pixels


@dataclass(frozen=True)
class Placement:
    """Where an image lies on a canvas: scaled by (y, x), its corner at (top, left)."""

    height: int  # of the image as it was
    width: int
    scale: tuple[float, float]
    corner: tuple[int, int]

    def onto(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes (n, 4) of the image, on the canvas."""
        return moved(np.asarray(boxes), self.scale, self.corner)

    def back(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes (n, 4) on the canvas, in the image as it was, cut off at its edges."""
        (y, x), (top, left) = self.scale, self.corner
        return clipped(moved(np.asarray(boxes), (1 / y, 1 / x), (-top / y, -left / x)), self.height, self.width)


def letterbox(sample: Sample, size: int | tuple[int, int], fill: float = GREY) -> tuple[Sample, Placement]:
    """The image scaled to fit a canvas (height, width) or a square, in the middle; the rest is `fill`, from 0 to 1.

    Returns the sample on the canvas, and the placement, which brings boxes back.  Raises ValueError for an empty size.

    >>> canvas, placement = letterbox(Sample(np.zeros((10, 20, 3), np.uint8), [[0, 0, 20, 10]]), 40)
    >>> canvas.boxes.tolist(), placement.back(canvas.boxes).tolist()
    ([[0.0, 10.0, 40.0, 30.0]], [[0.0, 0.0, 20.0, 10.0]])
    """
    height, width = pair(size, "size", "letterbox")
    h, w = sample.size
    ratio = min(height / h, width / w)
    fitted = max(1, min(height, round(h * ratio))), max(1, min(width, round(w * ratio)))
    top, left = (height - fitted[0]) // 2, (width - fitted[1]) // 2
    image = sample.image
    canvas = np.full((height, width, image.shape[2]), fill * sample.largest, image.dtype)
    canvas[top:top + fitted[0], left:left + fitted[1]] = resize_pixels(image, fitted)
    placement = Placement(h, w, (fitted[0] / h, fitted[1] / w), (top, left))
    return replace(sample, image=canvas, boxes=placement.onto(sample.boxes)), placement
