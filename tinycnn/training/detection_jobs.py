"""What `tinycnn train-detector` does, without the printing."""
from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import random
from ..data.detection_tasks import SCENES, DetectionTask, annotated, scenes
from ..detection import Description, Detector, YOLOScale, kmeans_anchors, load_backbone, load_into, read_detector
from .detection_recipe import DetectionRecipe
from .detector import train_detector
from .engines import Engine
from .progress import Choice
from .results import RunFiles

SCENE_SIZE = 160  # pixels
MOST_FITTED = 1000  # images whose boxes anchors are fitted to


@dataclass(frozen=True)
class DetectorChoice:
    """A registered detector, options of its function, and a file of weights to begin with.

    backbone_weights: of a classifier, for the backbone to begin with, in place of weights of the whole.  size: of the
    images that it sees, pixels of a side; backbone: a registered network's name; both as the function has them where
    None.  fit_anchors: of a YOLO, k-means anchors of the boxes to train on in place of its own.

    Raises ValueError for an option that the data decide, and for both kinds of weights.
    """

    model: str
    weights: str | None = None
    backbone: str | None = None
    size: int | None = None
    fit_anchors: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    backbone_weights: str | None = None

    def __post_init__(self) -> None:
        if self.weights and self.backbone_weights:
            raise ValueError("weights: expected those of a detector (--weights) or of its backbone alone "
                             "(--backbone-weights), got both")
        if "num_classes" in self.options:
            raise ValueError("option: num_classes cannot be chosen, it follows from the images")

    def describe(self, task: DetectionTask) -> Description:
        """What is to be built for the classes of a task."""
        chosen = {"size": self.size, "backbone": self.backbone}
        options = {**self.options, **{name: value for name, value in chosen.items() if value is not None}}
        found = Description(self.model, {**options, "num_classes": len(task.classes)}, task.classes, task.category_ids)
        if not self.fit_anchors:
            return found
        return replace(found, options={**found.options, "scales": fitted_scales(found.build(), task)})

    def build(self, task: DetectionTask) -> tuple[Detector, Description, list[str]]:
        """The detector, what it is, and the names of parameters that the file of weights has in another shape.

        Raises what `Description.build` and reading the weights raise.
        """
        description = self.describe(task)
        detector = description.build()
        if self.backbone_weights is not None:
            load_backbone(detector, self.backbone_weights)
        unlike = [] if self.weights is None else load_into(detector, read_detector(self.weights)[0], self.weights,
                                                           other_classes=True)
        return detector, description, unlike


def fitted_scales(detector: Any, task: DetectionTask) -> list[Any]:
    """As many k-means anchors of the boxes to train on as a YOLO has, the largest where its stride is, as plain values.

    Raises ValueError for a detector without anchors of that kind.
    """
    scales = getattr(detector, "scales", ())
    if not scales or not all(isinstance(scale, YOLOScale) for scale in scales):
        raise ValueError(f"fit_anchors: {type(detector).__name__} has no anchors that are found by k-means")
    chosen = np.random.default_rng(0).permutation(len(task.train))[:MOST_FITTED]
    placed = [detector.inputs.placement(sample.size, detector.size).onto(sample.boxes)
              for sample in map(task.train.__getitem__, map(int, chosen))]
    boxes = np.concatenate(placed)
    anchors, _ = kmeans_anchors(boxes[:, 2:] - boxes[:, :2], sum(len(scale.anchors) for scale in scales))
    order = iter(np.round(anchors, 1).tolist())
    found = {scale.stride: [next(order) for _ in scale.anchors] for scale in sorted(scales)}
    return [[scale.stride, found[scale.stride], scale.scale_xy] for scale in scales]


@dataclass(frozen=True)
class DetectionChoice:
    """Images with their objects: scenes of garments (data="scenes"), or what `data.detection_tasks.annotated` reads.

    root: the directory of Fashion-MNIST's files, for scenes, which have `scene_size` pixels of a side.  images,
    validation, validation_images, share, skip_bad: see `annotated`.  limit: take only so many images of each side.
    keep: in memory, once they are drawn or decoded.
    """

    data: str
    images: str | None = None
    validation: str | None = None
    validation_images: str | None = None
    share: float = 0.1
    skip_bad: bool = False
    root: str | None = None
    scene_size: int = SCENE_SIZE
    limit: int | None = None
    keep: bool = False

    def task(self, seed: int = 0) -> DetectionTask:
        """The images, read and checked; errors are those of `data.detection_tasks`."""
        task = self._task(seed).limited(self.limit)
        return task.kept() if self.keep else task

    def _task(self, seed: int) -> DetectionTask:
        if self.data == SCENES:
            if self.validation is not None or self.images is not None:
                raise ValueError("val, images: scenes are drawn, and tested with scenes of other garments; expected no "
                                 "folder or file")
            return scenes(self.scene_size, root=self.root)
        return annotated(self.data, self.images, self.validation, self.validation_images, self.share, seed,
                         self.skip_bad)


def run_detector_training(choice: DetectorChoice, data: DetectionChoice, recipe: DetectionRecipe,
                          out: str | os.PathLike[str], *, engine: Engine | None = None, resume: bool = False,
                          overwrite: bool = False, workers: int = 1, progress: Choice = "auto",
                          tell: Callable[[DetectionTask], Any] = lambda task: None,
                          tell_unlike: Callable[[list[str]], Any] = lambda names: None) -> dict[str, Any]:
    """Train a detector on images; what it came to.

    tell: called with the images when they have been looked through, before anything is trained; tell_unlike: with the
    parameters that do not start from the weights given, if there are any.  The other arguments are those of
    `train_detector`.  Raises what reading the data, building the network and training raise; for bad data and wrong
    weights before anything is trained or written.
    """
    if not (resume or overwrite):
        RunFiles(Path(out)).require_free()
    random.manual_seed(recipe.seed)
    if data.data == SCENES and choice.size is None:
        choice = replace(choice, size=data.scene_size)
    task = data.task(recipe.seed)
    tell(task)
    detector, description, unlike = choice.build(task)
    if unlike:
        tell_unlike(unlike)
    about = {"model": choice.model, "options": description.options, "weights": choice.weights,
             "backbone_weights": choice.backbone_weights, "data": data.data,
             "images": len(task.train), "test_images": len(task.test)}
    return train_detector(detector, task, recipe, out, description=description, engine=engine, resume=resume,
                          overwrite=overwrite, workers=workers, about=about, progress=progress)
