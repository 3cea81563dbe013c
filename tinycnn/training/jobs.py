"""What `tinycnn train` and `tinycnn evaluate` do, without the printing."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import random
from ..data.imagenet import class_names
from ..data.tasks import Task, View, evaluation_folder
from ..models import Backbone
from ..serialize import CheckpointError
from .choices import DataChoice, NetworkChoice
from .classifier import train_classifier
from .described import Described
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

    What the weights' file says, or training wrote beside it (`network.json`), is which classes they know and how images
    are shown to them.  Otherwise classes are ImageNet's for known weights, by number or by name, else the folders'
    names, sorted.  tell: called with the images before the network runs.  Raises ValueError without weights, and what
    reading data and weights raises.
    """
    return next(run_evaluations([network], data, batch_size=batch_size, engine=engine, tell=tell))


def run_evaluations(networks: Iterable[NetworkChoice], data: DataChoice, *, batch_size: int = 1,
                    engine: Engine | None = None, tell: Callable[[Task], Any] = lambda task: None
                    ) -> Iterator[Measures]:
    """The same of several networks, one after the other; each is shown the same images in its own way.

    All are built before the first one runs, so that what is wrong with any of them is raised before.
    """
    prepared = [_prepared(network, data) for network in networks]
    for task, _ in prepared[:1]:
        tell(task)
    for task, model in prepared:
        yield _measured(task, model, batch_size, engine)


def _prepared(network: NetworkChoice, data: DataChoice) -> tuple[Task, Backbone]:
    """Images and the network with its weights."""
    if network.weights is None and not network.pretrained:
        raise ValueError("weights: expected a file (--weights) or the known ones (--pretrained), got neither")
    described = _described(network)
    task = _task(network, data, described)
    if described is not None:
        network = replace(network, options={**described.options, **network.options})
    return task, network.build(len(task.classes), task.view.channels, other_classes=False)


def _measured(task: Task, model: Backbone, batch_size: int, engine: Engine | None) -> Measures:
    batches = task.loader(True, batch_size)
    with evaluation(model):
        if engine is None or engine.compile is None:
            return measure(lambda x: model(x).numpy(), batches)
        return measure(engine.compile(model, batches.example()[0].shape), batches)


def _described(network: NetworkChoice) -> Described | None:
    described = Described.of(network.weights) if network.weights else None
    if described is not None and described.model != network.model:
        raise CheckpointError(f"{network.weights}: the weights are of {described.model}, not of {network.model}")
    return described


def _task(network: NetworkChoice, data: DataChoice, described: Described | None) -> Task:
    if data.of_garments:
        if network.pretrained:
            raise ValueError(f"{network.model}: its known weights have ImageNet's classes, not Fashion-MNIST's")
        task = data.garments(network)
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
