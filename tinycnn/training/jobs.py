"""What `tinycnn train` and `tinycnn evaluate` do, without the printing."""
from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import random
from ..data.imagenet import class_names
from ..data.tasks import Task, View, evaluation_folder
from ..serialize import CheckpointError
from .choices import DataChoice, NetworkChoice
from .classifier import train_classifier
from .engines import Engine
from .evaluate import Measures, evaluation, measure
from .progress import Choice
from .recipe import Recipe
from .results import RunFiles


def run_training(network: NetworkChoice, data: DataChoice, recipe: Recipe, out: str | os.PathLike[str], *,
                 engine: Engine | None = None, resume: bool = False, overwrite: bool = False, freeze: bool = False,
                 cache: bool = False, workers: int = 1, progress: Choice = "auto",
                 tell: Callable[[Task], Any] = lambda task: None) -> dict[str, Any]:
    """Train a network on images; what it came to.

    tell: called with the images when they have been looked through, before anything is trained.  The other arguments
    are those of `train_classifier`.  Raises what reading the data, building the network and training raise; for bad
    data and wrong weights before anything is trained or written.
    """
    if not (resume or overwrite):
        RunFiles(Path(out)).require_free()
    random.manual_seed(recipe.seed)
    task = data.training_task(network, recipe.seed, workers)
    tell(task)
    model = network.build(len(task.classes), task.view.channels, other_classes=True)
    about = {"model": network.model, "options": network.options, "weights": network.weights,
             "pretrained": network.pretrained, "data": data.data, "images": len(task.train[1]),
             "test_images": len(task.test[1]), "size": task.view.size, "channels": task.view.channels}
    return train_classifier(model, task, recipe, out, engine=engine, resume=resume, overwrite=overwrite, freeze=freeze,
                            cache=cache, workers=workers, about=about, progress=progress)


def run_evaluation(network: NetworkChoice, data: DataChoice, *, batch_size: int = 1, engine: Engine | None = None,
                   tell: Callable[[Task], Any] = lambda task: None) -> Measures:
    """Test a network with its weights on Fashion-MNIST's test images, or on all photos of a folder by class; timed.

    What training wrote beside the weights (`network.json`) says which classes they know and how images are shown to
    them.  Otherwise classes are ImageNet's for known weights, by number or by name, else the folders' names, sorted.
    tell: called with the images before the network runs.  Raises ValueError without weights, and what reading data and
    weights raises.
    """
    if network.weights is None and not network.pretrained:
        raise ValueError("weights: expected a file (--weights) or the known ones (--pretrained), got neither")
    described = _described(network)
    task = _task(network, data, described)
    tell(task)
    if described is not None:
        network = replace(network, options={**described.options, **network.options})
    model = network.build(len(task.classes), task.view.channels, other_classes=False)
    batches = task.loader(True, batch_size)
    with evaluation(model):
        if engine is None or engine.compile is None:
            return measure(lambda x: model(x).numpy(), batches)
        return measure(engine.compile(model, batches.example()[0].shape), batches)


@dataclass(frozen=True)
class _Described:
    """What training wrote beside the weights."""

    model: str
    options: dict[str, Any]
    classes: list[str]
    view: View

    @classmethod
    def read(cls, path: Path) -> _Described:
        """Raises CheckpointError for a file that says something else."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            shown: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value
                                     for name, value in found["view"].items()}
            return cls(str(found["model"]), dict(found["options"]), [str(name) for name in found["classes"]],
                       View(**shown))
        except (KeyError, TypeError, AttributeError, ValueError) as error:  # ValueError: not UTF-8, not JSON
            raise CheckpointError(f"{path}: not a description of a network: {error!r}") from error


def _described(network: NetworkChoice) -> _Described | None:
    path = RunFiles(Path(network.weights).parent).network if network.weights else None
    if path is None or not path.is_file():
        return None
    described = _Described.read(path)
    if described.model != network.model:
        raise CheckpointError(f"{path}: the weights beside it are of {described.model}, not of {network.model}")
    return described


def _task(network: NetworkChoice, data: DataChoice, described: _Described | None) -> Task:
    if data.is_fashion_mnist:
        if network.pretrained:
            raise ValueError(f"{network.model}: its known weights have ImageNet's classes, not Fashion-MNIST's")
        task = data.fashion_mnist(network)
        return replace(task, view=_resized(described.view, data.size)) if described else task
    view = _resized(described.view, data.size) if described else network.photo_view(data.size)
    classes: Sequence[str] | None = described.classes if described else None
    if network.pretrained:
        classes = _imagenet_folders(Path(data.data))
    return evaluation_folder(data.data, view, classes, data.skip_bad, data.min_side).limited(data.limit)


def _resized(view: View, size: int | None) -> View:
    return replace(view, size=size, resize=round(view.resize * size / view.size)) if size else view


def _imagenet_folders(root: Path) -> Sequence[str]:
    """What folders of ImageNet's classes are called here: their numbers, or else their names."""
    names = class_names()
    folders = [entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    return [str(i) for i in range(len(names))] if all(name.isdecimal() for name in folders) else names
