"""Finder: photos in, objects out: what `tinycnn detect` does, without the printing.

    finder = Finder(weights="runs/ssdlite/weights.npz")
    for found in finder(["street.jpg"]):
        print([finder.classes[label] for label in found.labels], found.boxes)
"""
from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..data.images import load_image
from ..models import list_models, load_weights
from ..serialize import CheckpointError
from .detector import arrays
from .files import Description, load_into, read_detector
from .names import class_names
from .postprocess import Detections
from .suppression import nms

SHIPPED = Path(__file__).parent / "weights" / "detector.npz"  # that of the package
THRESHOLD = 0.3
SAME = 0.6  # IoU from which two boxes are taken to be of one object, if classes do not count
DARKNET = ".weights"


class Finder:
    """A detector with its weights and the names of its classes.

    model: a name in `models.list_models(task="detection")`; not needed where `weights`, a file that training or
    `save_detector` wrote, says what it is of.  Neither: the detector that comes with the package.  weights: .npz,
    .safetensors, .pth, or Darknet's .weights.  threshold: objects with a lower score are not shown.  classes: names by
    label, where the file has none.  compile: what plans a network, `tinycnn.compile`; without it the network runs
    eagerly, and slower.  class_agnostic: of boxes that overlap by an IoU of more than 0.6 show the surest alone,
    whatever their classes: a detector in doubt names an object twice.  options: of the model's function, such as
    `size`.

    Attributes: `detector`, `classes`, `category_ids` (the numbers of classes in COCO's files), `name`, `source`.

    Raises ValueError for an unknown model, an option it does not take, a threshold outside [0, 1] or names that do not
    suit it; CheckpointError for a file that is damaged, of another model, or does not fit; FileNotFoundError where
    there is none.
    """

    def __init__(self, model: str | None = None, weights: str | os.PathLike[str] | None = None,
                 threshold: float = THRESHOLD, classes: Sequence[str] | None = None,
                 compile: Callable[..., Any] | None = None, class_agnostic: bool = False, **options: Any) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(f"Finder: threshold must be within [0, 1], got {threshold!r}")
        path = _weights(model, weights)
        state, said = ({}, None) if path.suffix == DARKNET else read_detector(path)
        described = _agreed(path, model, said, options)
        if classes is not None:
            described = replace(described, classes=tuple(classes))
        self.name, self.source, self.detector = described.model, os.fspath(path), described.build()
        if said is None:
            load_weights(self.detector, path)
        else:
            load_into(self.detector, state, path)
        names, numbers = class_names(self.detector.num_classes)
        self.classes, self.category_ids = described.classes or names, described.category_ids or numbers
        self.detector.score_threshold, self.class_agnostic = threshold, class_agnostic
        self.detector.eval()
        self._run: Callable[[np.ndarray], Any] = self.detector
        if compile is not None:
            self._run = compile(self.detector, (1, 3, *self.detector.size))

    def __call__(self, images: Iterable[Any]) -> list[Detections]:
        """What is in each image: boxes xyxy in its own pixels, scores and labels, the surest first.

        images: photo files, or arrays uint8 (H, W, 3).  Raises ImageError where a file cannot be read, OSError as
        `open` does, and what `find` raises.
        """
        return [self.find(load_image(image) if isinstance(image, (str, os.PathLike)) else image) for image in images]

    def find(self, image: np.ndarray) -> Detections:
        """What is in one image, uint8 (H, W, 3).

        Raises ValueError for another array, CheckpointError where the network's answer is not finite, which damaged
        weights bring about.
        """
        image = np.asarray(image)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ValueError(f"Finder: an image must be uint8 (H, W, 3), got {image.dtype} {image.shape}")
        found = self.detector.detect([image], self._raw)[0]
        if not self.class_agnostic:
            return found
        kept = nms(found.boxes, found.scores, SAME)
        return Detections(*(column[kept] for column in found))

    def _raw(self, x: np.ndarray) -> Any:
        with no_grad():
            raw = arrays(self._run(x))
        if not all(np.isfinite(leaf).all() for leaf in _leaves(raw)):
            raise CheckpointError(f"{self.source}: the network's answer is not a number: the weights are damaged, or "
                                  "another network's")
        return raw


def _weights(model: str | None, weights: str | os.PathLike[str] | None) -> Path:
    """The file to read; that of the package where nothing is named."""
    if weights is not None:
        return Path(weights)
    if model is not None:
        known = list_models(task="detection")
        if model not in known:
            raise ValueError(f"{model} is no detector; there are {', '.join(known)}")
        raise FileNotFoundError(f"{model}: no weights are known for this detector; name a file (--weights FILE)")
    if not SHIPPED.is_file():
        raise FileNotFoundError("this installation of tinycnn comes without a trained detector; name a file (--weights "
                                "FILE), such as the weights.npz that `tinycnn train-detector` writes")
    return SHIPPED


def _agreed(path: Path, model: str | None, said: Description | None, options: dict[str, Any]) -> Description:
    """What the file says it is of, with other options where the caller has them; else what the caller says."""
    if said is None:
        if model is None:
            raise CheckpointError(f"{path}: does not say which detector it is of; name that (--model NAME)")
        return Description(model, dict(options))
    if model not in (None, said.model):
        raise CheckpointError(f"{path}: weights of {said.model}, not of {model}")
    return replace(said, options={**said.options, **options})


def _leaves(tree: Any) -> list[np.ndarray]:
    branches = list(tree.values()) if isinstance(tree, dict) else tree
    return [leaf for branch in branches for leaf in _leaves(branch)] if isinstance(branches, (list, tuple)) else [tree]

