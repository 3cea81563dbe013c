"""Images of any shape on a canvas of one size, undistorted, and boxes back from there."""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...ops.geometry import pair
from .sample import GREY, Sample, clipped, moved, resize_pixels

FITS = ("stretch", "centre", "corner")


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


def placement(height: int, width: int, canvas: tuple[int, int], fit: str = "centre") -> Placement:
    """Where an image of so many pixels lies on a canvas (height, width).

    fit: "stretch" to all of it, whatever becomes of the proportions, or scaled as a whole, in the "centre" or in the
    upper left "corner".  Raises ValueError for another one, and for an empty image or canvas.

    >>> placement(10, 20, (40, 40)).corner
    (10, 0)
    """
    if fit not in FITS:
        raise ValueError(f"placement: fit must be one of {', '.join(FITS)}, got {fit!r}")
    if min(height, width, *canvas) < 1:
        raise ValueError(f"placement: image and canvas must not be empty, got {height} x {width} on {canvas}")
    if fit == "stretch":
        return Placement(height, width, (canvas[0] / height, canvas[1] / width), (0, 0))
    if height * canvas[1] > width * canvas[0]:  # it is the height that fills the canvas; fractions go, as in Darknet
        h, w = canvas[0], max(1, width * canvas[0] // height)
    else:
        h, w = max(1, height * canvas[1] // width), canvas[1]
    corner = ((canvas[0] - h) // 2, (canvas[1] - w) // 2) if fit == "centre" else (0, 0)
    return Placement(height, width, (h / height, w / width), corner)


def placed(sample: Sample, where: Placement, canvas: tuple[int, int], fill: float = GREY) -> Sample:
    """The image and its boxes on a canvas (height, width); the rest is `fill`, from 0 to 1."""
    h, w = (round(n * scale) for n, scale in zip(sample.size, where.scale))
    (top, left), image = where.corner, sample.image
    pixels = np.full((*canvas, image.shape[2]), fill * sample.largest, image.dtype)
    pixels[top:top + h, left:left + w] = resize_pixels(image, (h, w))
    return replace(sample, image=pixels, boxes=where.onto(sample.boxes))


def letterbox(sample: Sample, size: int | tuple[int, int], fill: float = GREY) -> tuple[Sample, Placement]:
    """The image scaled to fit a canvas (height, width) or a square, in the middle; the rest is `fill`, from 0 to 1.

    Returns the sample on the canvas, and the placement, which brings boxes back.  Raises ValueError for an empty size.

    >>> canvas, where = letterbox(Sample(np.zeros((10, 20, 3), np.uint8), [[0, 0, 20, 10]]), 40)
    >>> canvas.boxes.tolist(), where.back(canvas.boxes).tolist()
    ([[0.0, 10.0, 40.0, 30.0]], [[0.0, 0.0, 20.0, 10.0]])
    """
    canvas = pair(size, "size", "letterbox")
    where = placement(*sample.size, canvas)
    return placed(sample, where, canvas, fill), where
