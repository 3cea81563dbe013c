"""train_classifier: a network, a task and a recipe to weights, a log and a result, all in one directory."""
from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..data.loader import Loader
from ..data.tasks import Task
from ..models import Backbone
from ..nn import Module
from ..serialize import save
from .checkpoint import Checkpoint
from .engines import Engine, Tester
from .fit import fit
from .frozen import cached_features, classifier_of, freeze_backbone
from .log import CSVLog, read_log
from .progress import Choice
from .recipe import Recipe, averaged
from .results import RunFiles, circumstances, write_json

Loaders = tuple[Loader, Loader]  # to train on, to test with


def train_classifier(model: Backbone, task: Task, recipe: Recipe, out: str | os.PathLike[str], *,
                     engine: Engine | None = None, resume: bool = False, overwrite: bool = False,
                     freeze: bool = False, cache: bool = False, workers: int = 1,
                     about: Mapping[str, Any] | None = None, progress: Choice = "auto") -> dict[str, Any]:
    """Train a network; returns what it came to, which is also written to `result-DATE.json` in the directory `out`.

    There are too: `log.csv`; `checkpoint.npz`, from which `resume` goes on, with the same result to the bit;
    `weights.npz`; and `network.json`, what the weights are of.  overwrite: in place of the run that `out` holds.

    freeze: train the last layer alone, see `freeze_backbone`; cache: on features that are computed once, which needs a
    recipe without augmentation and MixUp.  workers: threads that make batches ahead.  about: what else is to be kept
    of the run, plain values.  progress: see `fit`.

    Raises FileExistsError where a run is in the way, FloatingPointError at a loss that is not finite, CheckpointError
    for a checkpoint of another run, ValueError for settings that do not go together.
    """
    if cache and (not freeze or recipe.augment != "none" or recipe.mixup):
        raise ValueError("train_classifier: cached features need a frozen backbone, no augmentation and no MixUp, for "
                         f"all epochs see the same ones; got freeze={freeze}, augment={recipe.augment!r}, "
                         f"mixup={recipe.mixup}")
    files, engine = RunFiles(Path(out)), engine or Engine()
    if overwrite and not resume:
        files.clear()
    elif not resume:
        files.require_free()
    if freeze:
        freeze_backbone(model)
    settings = {**recipe.settings(), **(about or {}), "freeze": freeze, "cache": cache}
    loaders = _loaders(task, recipe, workers)
    trained = classifier_of(model) if cache else model
    parts = recipe.make_parts(trained, len(loaders[0]))
    checkpoint = Checkpoint(files.checkpoint, settings, model=model, **parts)
    if resume and checkpoint.exists():
        checkpoint.load()  # before anything is computed or planned from frozen weights
    if cache:
        loaders = _cached(model, task, recipe, engine)
    _run(trained, loaders, recipe, engine, parts, checkpoint, CSVLog(files.log), resume, progress)
    write_json(files.network, {"classes": list(task.classes), "view": vars(task.view), **(about or {})})
    with averaged(parts):
        save(model.state_dict(), files.weights)
    result = _result(model, read_log(files.log), settings, planned=engine.step is not None)
    write_json(files.directory / f"result-{result['date']}.json", result)
    return result


def _loaders(task: Task, recipe: Recipe, workers: int) -> Loaders:
    mix = recipe.make_mix(len(task.classes))
    return (task.train_loader(recipe.batch_size, recipe.augment, recipe.seed, mix, workers),
            task.loader(True, recipe.batch_size, workers))


def _cached(model: Backbone, task: Task, recipe: Recipe, engine: Engine) -> Loaders:
    """The same with features in the place of images, in the same order."""
    x, x_test = [cached_features(model, task.loader(test, recipe.batch_size), engine.compile)
                 for test in (False, True)]
    y, y_test = task.train[1], task.test[1]
    return (Loader(x, y, min(recipe.batch_size, len(y)), shuffle=True, seed=recipe.seed, drop_last=True),
            Loader(x_test, y_test, recipe.batch_size))


def _run(trained: Module, loaders: Loaders, recipe: Recipe, engine: Engine, parts: Mapping[str, Any],
         checkpoint: Checkpoint, log: CSVLog, resume: bool, progress: Choice) -> None:
    train, test = loaders
    step = engine.make_step(trained, recipe.make_loss(), parts["optimizer"], train.example(), recipe.clip)
    tester = Tester(trained, engine)
    fit(step, train, recipe.epochs, evaluate=lambda: tester(test), schedule=parts["schedule"], ema=parts.get("ema"),
        log=log, checkpoint=checkpoint, resume=resume, progress=progress)


def _result(model: Backbone, rows: list[Any], settings: dict[str, Any], planned: bool) -> dict[str, Any]:
    """What the run came to; seconds: of all epochs, the tests after each included."""
    seconds = [float(row["seconds"]) for row in rows]
    return {
        **circumstances(), "steps": "planned" if planned else "eager",
        "parameters": sum(p.size for p in model.parameters()), "settings": settings,
        "accuracy": rows[-1]["accuracy"], "loss": rows[-1]["loss"],
        "seconds": round(sum(seconds), 1), "seconds_per_epoch": round(float(np.median(seconds)), 2),
    }
