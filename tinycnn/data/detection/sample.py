"""An image with its boxes, and the geometry that both go through."""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...ops.geometry import pair
from ..transforms import triangles

GREY = 0.449  # what fills the room around images: the mean of ImageNet's photographs, over their three colours


@dataclass(frozen=True)
class Sample:
    """An image and the n objects in it, as the transforms take and return it; none of them writes into its arrays.

    image: uint8 from 0 to 255 or floats from 0 to 1, (H, W, C).  boxes: float32 (n, 4), x1, y1, x2, y2 in pixels.
    labels: int64 (n,).  weights: float32 (n,), what each object counts in the losses of YOLO v2 to v4, all others count
    objects alike; 1 but after MixUp.

    Raises ValueError for arrays that do not belong together, TypeError for another type of pixels.
    """

    image: np.ndarray
    boxes: Any = None  # none given: no objects
    labels: Any = None
    weights: Any = None

    def __post_init__(self) -> None:
        _check_image(self.image)
        boxes = np.asarray([] if self.boxes is None else self.boxes, np.float32)
        boxes = boxes.reshape(-1, 4) if boxes.size == 0 else boxes
        n = len(boxes)
        labels = np.asarray(np.zeros(n) if self.labels is None else self.labels).astype(np.int64)
        weights = np.asarray(np.ones(n) if self.weights is None else self.weights, np.float32)
        if boxes.shape != (n, 4) or labels.shape != (n,) or weights.shape != (n,):
            raise ValueError(f"Sample: boxes must be (n, 4), labels and weights (n,); got the shapes {boxes.shape}, "
                             f"{labels.shape}, {weights.shape}")
        for name, value in (("boxes", boxes), ("labels", labels), ("weights", weights)):
            object.__setattr__(self, name, value)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def largest(self) -> float:
        """The brightest value of a pixel: 255, or 1 for floats."""
        return 255.0 if self.image.dtype == np.uint8 else 1.0

    def chosen(self, keep: np.ndarray) -> Sample:
        """The same with some of the objects: keep is bool (n,) or their places."""
        return replace(self, boxes=self.boxes[keep], labels=self.labels[keep], weights=self.weights[keep])


def moved(boxes: np.ndarray, scale: tuple[float, float], shift: tuple[float, float]) -> np.ndarray:
    """Boxes (n, 4) times a scale (y, x), then shifted by (y, x) pixels."""
    factor, offset = np.array([*scale[::-1]] * 2), np.array([*shift[::-1]] * 2)
    return (boxes * factor + offset).astype(np.float32)


def clipped(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Boxes (n, 4) cut off at the image's edges."""
    return np.clip(boxes, 0, np.array([width, height, width, height], np.float32))


def areas(boxes: np.ndarray) -> np.ndarray:
    """(n,)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def crop(sample: Sample, top: int, left: int, height: int, width: int, visible: float = 0.0) -> Sample:
    """A window of the image, with the objects of which at least a share `visible` of the area, and some, is in it.

    Raises ValueError for a window that is empty or not within the image.
    """
    (h, w), bottom, right = sample.size, top + height, left + width
    if not (0 <= top < bottom <= h and 0 <= left < right <= w):
        raise ValueError(f"crop: the window [{top}:{bottom}, {left}:{right}] is empty or not within {h} x {w} pixels")
    boxes = clipped(moved(sample.boxes, (1, 1), (-top, -left)), height, width)
    inside = areas(boxes)
    cut = replace(sample, image=sample.image[top:bottom, left:right], boxes=boxes)
    return cut.chosen((inside > 0) & (inside >= visible * areas(sample.boxes)))


def resize(sample: Sample, size: int | tuple[int, int]) -> Sample:
    """The image stretched to (height, width) or a square, bilinearly between pixel centres, and its boxes.

    Nothing is smoothed before.  Raises ValueError for an empty size.
    """
    (height, width), (h, w) = pair(size, "size", "resize"), sample.size
    boxes = moved(sample.boxes, (height / h, width / w), (0, 0))
    return replace(sample, image=resize_pixels(sample.image, (height, width)), boxes=boxes)


def resize_pixels(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image (H, W, C) of another height and width, of the same type: what Pillow's bilinear filter makes of it.

    As there, bytes are rounded after each axis, along rows first: networks tell the difference.
    """
    if size == image.shape[:2]:
        return image
    planes = as_floats(np.ascontiguousarray(image.transpose(2, 0, 1)))
    rows, columns = (triangles(n, m).astype(planes.dtype, copy=False) for n, m in zip(image.shape, size))
    planes = as_floats(as_pixels(planes @ columns.T, image.dtype))
    return np.ascontiguousarray(as_pixels(rows @ planes, image.dtype).transpose(1, 2, 0))


def as_floats(pixels: np.ndarray) -> np.ndarray:
    """Floats that hold an image's values: its own type, or float32 for bytes."""
    return pixels.astype(np.float64 if pixels.dtype == np.float64 else np.float32, copy=False)


def as_pixels(values: np.ndarray, dtype: Any) -> np.ndarray:
    """Floats as the type of an image: bytes are rounded and clipped."""
    if dtype == np.uint8:
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(values, dtype)


def random_flip(sample: Sample, rng: np.random.Generator, probability: float = 0.5) -> Sample:
    """The image mirrored left to right, with a probability.

    >>> flipped = random_flip(Sample(np.zeros((4, 10, 3), np.uint8), [[1, 0, 3, 2]]), np.random.default_rng(0), 1)
    >>> flipped.boxes.tolist()
    [[7.0, 0.0, 9.0, 2.0]]
    """
    if not rng.random() < probability:
        return sample
    width = sample.size[1]
    boxes = sample.boxes * np.array([-1, 1, -1, 1], np.float32) + np.array([width, 0, width, 0], np.float32)
    return replace(sample, image=np.ascontiguousarray(sample.image[:, ::-1]), boxes=boxes[:, [2, 1, 0, 3]])


def _check_image(image: Any) -> None:
    if not isinstance(image, np.ndarray) or image.ndim != 3 or 0 in image.shape:
        raise ValueError(f"Sample: image must be an array (H, W, C), got {getattr(image, 'shape', type(image))}")
    if image.dtype not in (np.uint8, np.float32, np.float64):
        raise TypeError(f"Sample: image must be uint8, float32 or float64, got {image.dtype}")
