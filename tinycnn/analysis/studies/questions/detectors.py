"""Parts of detectors, compared on scenes of garments: COCO's AP50 after a short training, several runs of each."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from .... import random
from ....data.detection_tasks import DetectionTask, scenes
from ....detection import Description, Detector
from ....detection.detectors.efficientdet import efficientdet
from ....detection.detectors.fcos import fcos_fpn
from ....engine.compiled import compile
from ....training import DetectionLoader, DetectionRecipe, train_detector
from ....training.evaluate import evaluation
from ...summaries import evaluating, summary
from ..timing import interleaved
from .learning import PLANNED
from .trial import Answer, Budget, Say, answered, mean

BACKBONE = "shufflenet_v2_x0_5"
CHANNELS, DEPTH, CELLS = 48, 2, 2  # of pyramids and heads; convolutions of a head; passes of a BiFPN
BATCH, RATE = 16, 2e-3
Build = Callable[[], Detector]


def heads(budget: Budget, say: Say) -> Answer:
    """One head for all levels of FCOS (Tian et al., ICCV 2019, section 3.2), or one for each."""
    own: dict[str, Any] = {"num_classes": 10, "size": budget.side, "channels": CHANNELS, "num_convs": DEPTH}
    return detectors_compared("heads", "One head for all levels, or one for each?", {
        name: partial(fcos_fpn, BACKBONE, shared_heads=shared, **own)
        for name, shared in (("shared", True), ("one for each level", False))}, budget, say)


def fusion(budget: Budget, say: Say) -> Answer:
    """Fast normalised fusion against softmax in EfficientDet's BiFPN (Tan et al., CVPR 2020, section 3.3)."""
    own: dict[str, Any] = {"num_classes": 10, "size": budget.side, "channels": CHANNELS, "cells": CELLS,
                           "head_depth": DEPTH}
    return detectors_compared("fusion", "Maps weighed by fast normalised fusion, or by softmax?", {
        name: partial(efficientdet, 0, BACKBONE, fusion=name, **own) for name in ("fast", "softmax")}, budget, say)


def detectors_compared(name: str, title: str, variants: Mapping[str, Build], budget: Budget, say: Say) -> Answer:
    """A row for each detector: AP50 of all runs, AP, the loss on test scenes, cost, latency, seconds of training.

    The backbone starts from nothing, and the seconds include a test after the last epoch.
    """
    task = scenes(budget.side, (budget.scenes, budget.scene_tests), root=budget.root)
    times, rows = _latencies(variants, budget), []
    for number, (variant, build) in enumerate(variants.items(), 1):
        runs = []
        for seed in range(budget.scene_seeds):
            say(f"{name} {number}/{len(variants)} {variant}, run {seed + 1}/{budget.scene_seeds}")
            runs.append(_trained(build, task, budget, seed))
        cost = summary(build(), _shape(budget))
        rows.append({"variant": variant, "against": next(iter(variants)), "scores": [100 * run["AP50"] for run in runs],
                     **{key: mean([run[own] for run in runs]) for key, own in (
                         ("AP_0_to_1", "AP"), ("test_loss", "test_loss"), ("training_s", "seconds"))},
                     "parameters": cost.params, "multiply_adds": cost.macs, "ms": times[variant]})
    return answered(name, title, "AP50, %", rows)


def _trained(build: Build, task: DetectionTask, budget: Budget, seed: int) -> dict[str, Any]:
    """The result of a run from a start that the seed decides, with the loss on the images to test with."""
    random.manual_seed(seed)
    detector = build()
    recipe = DetectionRecipe(epochs=budget.scene_epochs, batch_size=BATCH, lr=RATE, seed=seed, augment="flip",
                             test_every=budget.scene_epochs)
    about = Description("of a study", {}, task.classes, task.category_ids)
    with TemporaryDirectory() as directory:
        result = train_detector(detector, task, recipe, directory, description=about, engine=PLANNED, progress=False)
    return {**result, "test_loss": _test_loss(detector, task, recipe)}


def _test_loss(detector: Detector, task: DetectionTask, recipe: DetectionRecipe) -> float:
    plain = DetectionRecipe(batch_size=recipe.batch_size, augment="none")
    with evaluation(detector):
        return mean([sum(float(part.item()) for part in detector.criterion(detector(x), dense).values())
                     for x, dense in DetectionLoader(detector, task.test, plain).batches(0)])


def _shape(budget: Budget) -> tuple[int, int, int, int]:
    return 1, 3, budget.side, budget.side


def _latencies(variants: Mapping[str, Build], budget: Budget) -> dict[str, float]:
    """Milliseconds for an image without what follows the network, compiled, in turn."""
    nets, x = {}, np.zeros(_shape(budget), np.float32)
    for name, build in variants.items():
        detector = build()
        with evaluating(detector):
            nets[name] = partial(compile(detector, x), x)
    return {name: 1e3 * float(np.median(times)) for name, times in interleaved(nets, budget.seconds).items()}
