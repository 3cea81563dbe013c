"""Weights of detectors in files that say what they are of.

Beside the arrays of the state dict there is one, `detector`, of bytes: the text of a JSON object with the name of the
registered network, the options that it was built with, its classes and their numbers in COCO's files.  Both kinds of
files that tinycnn writes, .npz and .safetensors, hold it.
"""
from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..models import Backbone, create_model
from ..models.weights import load_features
from ..nn import StateDictError
from ..serialize import CheckpointError, load, save
from .detector import Detector
from .yolo_anchors import YOLOScale

MEMBER, FORMAT = "detector", "tinycnn detector 1"
HALF = np.dtype(np.float16)
_SHOWN = 3  # misfits of each sort that an error about a file spells out


@dataclass(frozen=True)
class Description:
    """What a file of weights is of.

    model: a registered name.  options: of its function, plain values.  classes: the names by label, category_ids: their
    numbers in COCO's files.
    """

    model: str
    options: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    category_ids: tuple[int, ...] = ()

    def build(self) -> Any:
        """The detector, without its weights.

        Raises ValueError for an unknown name, an option that its function does not take, or another number of classes.
        """
        try:
            detector = create_model(self.model, **_unfolded(self.options))
        except TypeError as error:  # an option that the network's function does not take
            raise ValueError(f"{self.model}: {error}") from error
        if not isinstance(detector, Detector):
            raise ValueError(f"{self.model} is no detector; list_models(task='detection') has the names of all")
        if self.classes and len(self.classes) != detector.num_classes:
            raise ValueError(f"{self.model}: names of {len(self.classes)} classes for a network of "
                             f"{detector.num_classes}")
        return detector


def _unfolded(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as the functions take them; JSON has lists in the place of a YOLO's scales."""
    if not isinstance(options.get("scales"), list):
        return dict(options)
    return {**options, "scales": tuple(YOLOScale(*scale) for scale in options["scales"])}


def save_detector(path: str | os.PathLike[str], detector: Detector, description: Description,
                  half: bool = False) -> None:
    """Write a detector's weights, .npz or .safetensors, whole or not at all.

    half: floats as float16, half the bytes; ValueError where one is beyond what that can hold.
    """
    text = json.dumps({"format": FORMAT, **asdict(description)})
    state = {name: np.asarray(value) for name, value in detector.state_dict().items()}
    if half:
        state = {name: _halved(name, value) for name, value in state.items()}
    save({MEMBER: np.frombuffer(text.encode(), np.uint8), **state}, path)


def read_detector(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], Description | None]:
    """The arrays of a file by name, and what they are of, if it says so.

    Raises CheckpointError for a damaged file, or a description that is none; others as `tinycnn.load` does.
    """
    state = dict(load(path))
    said = state.pop(MEMBER, None)
    return state, None if said is None else _described(path, said)


def load_into(detector: Detector, state: Mapping[str, Any], path: str | os.PathLike[str],
              other_classes: bool = False) -> list[str]:
    """Give a detector the arrays of a file.

    other_classes: parameters of another shape than the file's, as those that tell the classes apart are where there are
    others, stay as they are; their names are returned.  Raises CheckpointError where the rest does not fit; the
    detector then is as it was.
    """
    own, kept = detector.state_dict(), []
    if other_classes:
        kept = [name for name, value in own.items() if name in state and np.shape(state[name]) != np.shape(value)]
    try:
        detector.load_state_dict({**state, **{name: own[name] for name in kept}})
    except StateDictError as error:
        raise CheckpointError(f"{os.fspath(path)}: {error.summary(_SHOWN, separator='; ')}") from error
    return kept


def load_backbone(detector: Detector, path: str | os.PathLike[str]) -> None:
    """Let a detector's backbone begin with the weights of a classifier, the same network trained on images by class.

    Raises ValueError for a detector whose network is not one of ours with a head beside it, CheckpointError for a file
    that does not fit; the detector then is as it was.
    """
    found = [module for module in detector.modules() if isinstance(module, Backbone)]
    if len(found) != 1:
        raise ValueError(f"load_backbone: expected a detector with one backbone, {type(detector).__name__} has "
                         f"{len(found)}")
    load_features(found[0], path)


def _halved(name: str, value: np.ndarray) -> np.ndarray:
    if value.dtype.kind != "f":
        return value
    with np.errstate(over="ignore"):
        half = value.astype(HALF)
    if not np.isfinite(half).all():
        raise ValueError(f"save_detector: {name} holds {np.abs(value).max():g}, more than float16 can")
    return half


def _described(path: str | os.PathLike[str], said: np.ndarray) -> Description:
    try:
        found = json.loads(said.tobytes())
        if found.pop("format") != FORMAT:
            raise ValueError("another format")
        return Description(str(found["model"]), {str(name): value for name, value in found["options"].items()},
                           tuple(map(str, found["classes"])), tuple(map(int, found["category_ids"])))
    except (KeyError, TypeError, AttributeError, ValueError) as error:  # ValueError: not UTF-8, not JSON
        raise CheckpointError(f"{Path(path)}: not a description of a detector: {error!r}") from error
