"""What a detector is shown: images of any shape on its canvas, in the numbers that it was trained with."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..data.detection.letterbox import Placement, placed, placement
from ..data.detection.sample import GREY, Sample
from ..data.transforms import normalize

Floats = float | Sequence[float]


class Inputs(NamedTuple):
    """How images come onto the canvas of a detector.

    fit: "stretch" (SSD), "centre" (YOLO) or "corner", see `data.detection.placement`.  fill: of the room around, from 0
    to 1.  mean, std: of all channels or of each, between 0 and 1; those of ImageNet's photographs.
    """

    fit: str = "stretch"
    fill: float = GREY
    mean: Floats = (0.485, 0.456, 0.406)
    std: Floats = (0.229, 0.224, 0.225)

    def placement(self, size: tuple[int, int], canvas: tuple[int, int]) -> Placement:
        """Where an image (height, width) lies on a canvas."""
        return placement(*size, canvas, self.fit)

    def place(self, sample: Sample, canvas: tuple[int, int]) -> Sample:
        """An image and its boxes on a canvas (height, width).

        >>> Inputs("corner").place(Sample(np.zeros((10, 20, 3), np.uint8), [[0, 0, 20, 10]]), (40, 40)).boxes.tolist()
        [[0.0, 0.0, 40.0, 20.0]]
        """
        return placed(sample, self.placement(sample.size, canvas), canvas, self.fill)

    def tensor(self, canvases: Sequence[np.ndarray]) -> np.ndarray:
        """Canvases, uint8 (H, W, C) of one size, as the network takes them: float32 (N, C, H, W)."""
        return normalize(np.stack(canvases), self.mean, self.std)

    def __call__(self, images: Sequence[Any], canvas: tuple[int, int]) -> np.ndarray:
        """Images, uint8 (H, W, C), of any sizes as the network takes them: float32 (N, C, height, width)."""
        return self.tensor([self.place(Sample(np.asarray(image)), canvas).image for image in images])
