"""How good a detector is: COCO's metrics over the images of a task."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..data.detection_tasks import Images
from ..data.prefetch import prefetch
from ..detection import Detector
from ..detection.metrics import CocoEvaluator, CocoResult
from .engines import Engine
from .evaluate import evaluation

BATCH = 16  # images that the network is given at once
LEAST_SCORE = 0.01  # what is less sure hardly moves the metrics, but there is a lot of it


class DetectorTester:
    """Tests a detector time and again: planned once, and given its new weights each time.

    workers: threads that load images ahead.
    """

    def __init__(self, detector: Detector, images: Images, engine: Engine, workers: int = 0) -> None:
        self.detector, self.images, self.compile, self.workers = detector, images, engine.compile, workers
        self.batch = min(BATCH, len(images))
        self.size = detector.size
        self.truths: dict[int, Any] = {}  # of each image, once it was asked for: scenes are drawn anew each time
        self.net: Any = None
        if not len(images):
            raise ValueError("DetectorTester: no images to test with")

    def __call__(self) -> CocoResult:
        """The metrics of the detector as it is now, at the size that it had at first."""
        detector, found = self.detector, CocoEvaluator()
        before = detector.size, detector.score_threshold
        detector.size, detector.score_threshold = self.size, min(before[1], LEAST_SCORE)
        try:
            with evaluation(detector):
                run = self._planned()
                for first, x, sizes in self._batches():
                    for i, detections in enumerate(detector.postprocess(run(x), sizes), first):
                        found.update(detections._asdict(), self._truths(i))
        finally:
            detector.size, detector.score_threshold = before
        return found.evaluate()

    def _truths(self, index: int) -> Any:
        if index not in self.truths:
            self.truths[index] = self.images.truths(index)
        return self.truths[index]

    def _planned(self) -> Any:
        if self.compile is None:
            return self.detector
        if self.net is None:
            self.net = self.compile(self.detector, (self.batch, 3, *self.size))
        else:
            self.net.refresh()
        return self.net

    def _batches(self) -> Iterator[tuple[int, np.ndarray, list[tuple[int, int]]]]:
        """The number of the first image, x, and the sizes of the images."""
        def load(first: int) -> tuple[int, np.ndarray, list[tuple[int, int]]]:
            images = [self.images[i].image for i in range(first, min(first + self.batch, len(self.images)))]
            return first, self.detector.inputs(images, self.size), [image.shape[:2] for image in images]
        return prefetch(load, range(0, len(self.images), self.batch), self.workers)


def measure_detector(detector: Detector, images: Images, engine: Engine | None = None, workers: int = 1) -> CocoResult:
    """COCO's metrics of a detector over images, a sequence of `Sample`s with `truths(index)`, such as `data.Scenes`.

    engine: what plans it; None: the network runs eagerly.  Raises ValueError without images, and what they raise.
    """
    return DetectorTester(detector, images, engine or Engine(), workers)()
