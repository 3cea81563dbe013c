"""Batches for detectors: images on the canvas and their dense targets, made by threads ahead of their use."""
from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..data.detection import Sample, augment, sample_rng
from ..data.detection_tasks import Images
from ..data.prefetch import prefetch
from ..detection import Detector
from .detection_recipe import DetectionRecipe

Batch = tuple[np.ndarray, tuple[np.ndarray, ...]]


class DetectionLoader:
    """Batches (x, dense) to train a detector on, in another order each epoch.

    x: float32 (N, 3, height, width), as `detector.inputs` has it; dense: what `detector.encode` makes of the truths.
    What a batch holds depends on the recipe's seed, the epoch and the numbers of its images alone, wherever, whenever
    and by however many threads (workers) it is made; all batches have as many images, so some may wait for the next
    epoch.  What fails in a thread fails, with a note of the batch, where the batch would have come.

    `epoch` is the number of the next pass; each `iter` advances it, and whoever resumes a run sets it.  Raises
    ValueError for an unknown augmentation, a size that the detector cannot have, or no images.
    """

    def __init__(self, detector: Detector, images: Images, recipe: DetectionRecipe, workers: int = 0) -> None:
        if not len(images):
            raise ValueError("DetectionLoader: no images to train on")
        wrong = [side for side in recipe.sizes if side % detector.divisor]
        if wrong:
            raise ValueError(f"DetectionLoader: sizes must be multiples of {detector.divisor} for this "
                             f"{type(detector).__name__}, got {wrong}")
        self.images, self.recipe, self.workers = images, recipe, workers
        self.augment = augment(recipe.augment)
        self.batch_size = min(recipe.batch_size, len(images))
        self.epoch = 0
        sizes = {detector.size, *((side, side) for side in recipe.sizes)}
        self.detectors = {size: _sized(detector, size) for size in sizes}
        self.own = detector.size

    def __len__(self) -> int:
        """Batches per epoch."""
        return len(self.images) // self.batch_size

    def __iter__(self) -> Iterator[Batch]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        return self.batches(epoch)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch."""
        order = np.random.default_rng([self.recipe.seed, epoch]).permutation(len(self.images))
        return prefetch(lambda batch: self._batch(order, epoch, batch), range(len(self)), self.workers)

    def example(self) -> Batch:
        """A batch of the detector's own size, for its shapes."""
        return self._made(np.arange(self.batch_size), 0, self.own)

    def _batch(self, order: np.ndarray, epoch: int, batch: int) -> Batch:
        chosen = order[batch * self.batch_size:(batch + 1) * self.batch_size]
        try:
            return self._made(chosen, epoch, self.recipe.size_of(epoch, batch, self.own))
        except Exception as error:
            error.add_note(f"DetectionLoader: while making batch {batch} of epoch {epoch}")
            raise

    def _made(self, chosen: np.ndarray, epoch: int, size: tuple[int, int]) -> Batch:
        detector, samples = self.detectors[size], []
        for index in map(int, chosen):
            rng = sample_rng(self.recipe.seed, epoch, index)
            sample = self.augment(self.images.__getitem__, index, len(self.images), rng, size)
            samples.append(_with_extent(detector.inputs.place(sample, size)))
        truths = ("boxes", "labels", "weights")[:2 + detector.takes_weights]
        dense = detector.encode(*[[getattr(sample, name) for sample in samples] for name in truths])
        return detector.inputs.tensor([sample.image for sample in samples]), dense


def _with_extent(sample: Sample) -> Sample:
    """Without what the way to the canvas has left nothing of."""
    return sample.chosen((sample.boxes[:, 2:] > sample.boxes[:, :2]).all(1))


def _sized(detector: Detector, size: tuple[int, int]) -> Detector:
    """The same network, sharing all, for images of another size: threads may encode for several sizes at once."""
    other: Any = copy.copy(detector)
    other.size = size
    return other
