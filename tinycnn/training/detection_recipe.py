"""DetectionRecipe: how long, how fast and on images of what sizes a detector is trained."""
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import optim
from .recipe import MOMENTUM, OPTIMIZERS, Course, Family

MULTI_SCALE = tuple(range(320, 609, 32))  # sides, pixels: Redmon and Farhadi, "YOLO9000", CVPR 2017, section 2
SIZE_LASTS = 10  # batches of one size, as there: each size has a plan of its own, and making one takes a while


@dataclass(frozen=True)
class DetectionRecipe(Course):
    """All on which the course of a detector's training depends besides network and data: see `Course`.

    augment: see `data.detection.augment`.  sizes: sides in pixels of the square images that batches are made of, drawn
    anew every 10 batches, such as MULTI_SCALE; empty: the detector's own size.  test_every: epochs between two tests;
    the last epoch is always tested.
    """

    families: ClassVar[Mapping[str, Family]] = {**OPTIMIZERS, "sgd": Family(
        optim.SGD, 0.01, 5e-4, {"momentum": MOMENTUM, "nesterov": True})}
    epochs: int = 20
    batch_size: int = 32
    optimizer: str = "adamw"
    warmup: float = 0.05
    clip: float | None = 10.0
    sizes: tuple[int, ...] = ()
    test_every: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require("test_every", 1, math.inf)
        if not all(isinstance(side, int) and side > 0 for side in self.sizes):
            raise ValueError(f"DetectionRecipe: sizes must be sides in pixels, got {self.sizes!r}")

    def size_of(self, epoch: int, batch: int, own: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the images of a batch; own: of a recipe without sizes.

        >>> recipe = DetectionRecipe(sizes=MULTI_SCALE)
        >>> recipe.size_of(0, 0, (416, 416)) == recipe.size_of(0, 9, (416, 416))
        True
        """
        if not self.sizes:
            return own
        side = int(np.random.default_rng([self.seed, epoch, batch // SIZE_LASTS]).choice(self.sizes))
        return side, side
