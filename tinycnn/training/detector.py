"""train_detector: a detector, a task and a recipe to weights, a log and a result, all in one directory."""
from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..data.detection_tasks import DetectionTask
from ..detection import Description, Detector, save_detector
from .checkpoint import Checkpoint
from .detection_loader import DetectionLoader
from .detection_recipe import DetectionRecipe
from .detector_tester import DetectorTester
from .engines import Engine
from .fit import fit
from .log import CSVLog, read_log
from .progress import Choice
from .recipe import averaged
from .results import RunFiles, circumstances, write_json

BEST = "best.npz"
MEASURES = ("AP", "AP50", "AP75")


class Losses:
    """A step of training that keeps what the parts of the loss come to: `step(x, dense)` gives their sum.

    make: what makes the step, given the loss.  The detector has the size of each batch while it is worked on.
    """

    def __init__(self, detector: Detector, make: Any) -> None:
        self.detector, self.sums, self.count = detector, dict[str, float](), 0
        self.step = make(detector.criterion)

    def __call__(self, x: np.ndarray, dense: Any) -> float:
        self.detector.size = (x.shape[2], x.shape[3])
        value = float(self.step(x, dense))
        for name, part in self.step.losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + part
        self.count += 1
        return value

    def means(self) -> dict[str, float]:
        """The mean of each part since this was asked last."""
        means = {name: total / max(1, self.count) for name, total in self.sums.items()}
        self.sums, self.count = dict.fromkeys(self.sums, 0.0), 0
        return means


class Best:
    """The weights that tested best so far, kept in a file; a part of the checkpoint."""

    def __init__(self, path: Path, detector: Detector, description: Description) -> None:
        self.path, self.detector, self.description = path, detector, description
        self.measure = -math.inf

    def offer(self, measure: float) -> None:
        """Keep the weights as they are now, if they are better than those before."""
        if measure > self.measure:
            save_detector(self.path, self.detector, self.description)
            self.measure = measure

    def state_dict(self) -> dict[str, Any]:
        """The measure of the kept ones."""
        return {"measure": self.measure}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        self.measure = float(state["measure"])


def train_detector(detector: Detector, task: DetectionTask, recipe: DetectionRecipe, out: str | os.PathLike[str], *,
                   description: Description, engine: Engine | None = None, resume: bool = False,
                   overwrite: bool = False, workers: int = 1, about: Mapping[str, Any] | None = None,
                   progress: Choice = "auto") -> dict[str, Any]:
    """Train a detector; returns what it came to, which is also written to `result-DATE.json` in the directory `out`.

    There are too: `log.csv`: the losses and COCO's AP, AP50 and AP75 on the images to test with; `checkpoint.npz`, from
    which `resume` goes on, with the same result to the bit; `weights.npz`, for `detection.Finder`, and `best.npz`, the
    same of the epoch that tested best.  overwrite: in place of the run that `out` holds.

    description: what the detector was built of.  workers: threads that make batches ahead.  about: what else is to be
    kept of the run, plain values.  progress: see `fit`.  Raises FileExistsError where a run is in the way,
    FloatingPointError at a loss that is not finite, CheckpointError for a checkpoint of another run, ValueError for a
    task of other classes than the detector's.
    """
    if len(task.classes) != detector.num_classes:
        raise ValueError(f"train_detector: a detector of {detector.num_classes} classes for images with "
                         f"{len(task.classes)}")
    files, engine = RunFiles(Path(out)), engine or Engine()
    best = Best(files.directory / BEST, detector, description)
    if overwrite and not resume:
        files.clear()
        best.path.unlink(missing_ok=True)
    elif not resume:
        files.require_free()
    files.directory.mkdir(parents=True, exist_ok=True)
    size, train = detector.size, DetectionLoader(detector, task.train, recipe, workers)
    parts = recipe.make_parts(detector, len(train))
    settings = {**recipe.settings(), **(about or {}), "classes": list(task.classes)}
    checkpoint = Checkpoint(files.checkpoint, settings, model=detector, best=best, **parts)
    try:
        _run(detector, task, train, recipe, engine, parts, best, checkpoint, CSVLog(files.log), resume, workers,
             progress)
    finally:
        detector.size = size
    with averaged(parts):
        save_detector(files.weights, detector, description)
    result = _result(detector, read_log(files.log), settings, best, planned=engine.step is not None)
    write_json(files.directory / f"result-{result['date']}.json", result)
    return result


def _run(detector: Detector, task: DetectionTask, train: DetectionLoader, recipe: DetectionRecipe, engine: Engine,
         parts: Mapping[str, Any], best: Best, checkpoint: Checkpoint, log: CSVLog, resume: bool, workers: int,
         progress: Choice) -> None:
    step = Losses(detector, lambda loss: engine.make_step(detector, loss, parts["optimizer"], train.example(),
                                                          recipe.clip))
    tester = DetectorTester(detector, task.test, engine, workers)

    def evaluate() -> dict[str, float]:
        measures = dict.fromkeys(MEASURES, math.nan)
        if train.epoch % recipe.test_every == 0 or train.epoch == recipe.epochs:
            stats = tester().stats
            measures = {name: stats[name] for name in MEASURES}
            best.offer(measures["AP"])
        return {**step.means(), **measures}

    fit(step, train, recipe.epochs, evaluate=evaluate, schedule=parts["schedule"], ema=parts.get("ema"), log=log,
        checkpoint=checkpoint, resume=resume, progress=progress)


def _result(detector: Detector, rows: list[Any], settings: dict[str, Any], best: Best,
            planned: bool) -> dict[str, Any]:
    """What the run came to; seconds: of all epochs, the tests after each included."""
    seconds = [float(row["seconds"]) for row in rows]
    return {
        **circumstances(), "steps": "planned" if planned else "eager",
        "parameters": sum(p.size for p in detector.parameters()), "settings": settings,
        **{name: rows[-1][name] for name in MEASURES}, "best_AP": best.measure, "loss": rows[-1]["loss"],
        "seconds": round(sum(seconds), 1), "seconds_per_epoch": round(float(np.median(seconds)), 2),
    }
