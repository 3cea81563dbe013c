"""Small networks learn garments: planned steps on the first images of Fashion-MNIST, from several starts."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .... import random
from ....data.loader import Loader
from ....data.tasks import Task, View, fashion_mnist
from ....data.transforms import resize
from ....engine.compiled import compile
from ....engine.training import compile_training_step
from ....losses import CrossEntropyLoss
from ....nn import Module
from ....training import Recipe, fit
from ....training.engines import Engine, Tester
from ...summaries import evaluating, summary
from ..timing import interleaved
from .trial import Answer, Budget, Say, answered, mean

PLANNED = Engine(compile_training_step, compile)
BATCH, RATE = 32, 0.05  # images a step, and the highest learning rate at so many; others in proportion
OWN = 28  # pixels a side
MEASURE = "accuracy, %"


class Lesson(NamedTuple):
    """A network, and how it is taught.

    sides: of the square images that arrive, drawn for each batch; shown: what they are resized to, 0 for nothing.
    against: the lesson that it is compared with, the first where it is not said.
    """

    build: Callable[[], Module]
    batch: int = BATCH
    sides: tuple[int, ...] = (OWN,)
    tests: tuple[int, ...] = (OWN,)
    shown: int = 0
    against: str | None = None


def lessons_compared(name: str, title: str, lessons: Mapping[str, Lesson], budget: Budget, say: Say) -> Answer:
    """A row for each lesson: accuracies of all runs, for each side, what the network costs and how long it takes."""
    task = fashion_mnist(budget.root)
    task = replace(task, train=_first(task.train, budget.images), test=_first(task.test, budget.tests))
    times = _latencies(lessons, budget)
    rows = []
    for number, (variant, lesson) in enumerate(lessons.items(), 1):
        runs = []
        for seed in range(budget.seeds):
            say(f"{name} {number}/{len(lessons)} {variant}, run {seed + 1}/{budget.seeds}")
            runs.append(taught(lesson, task, budget, seed))
        rows.append({"variant": variant, "against": lesson.against or next(iter(lessons)), "scores": [
            mean(list(run.accuracies.values())) for run in runs], **_by_side(lesson, runs), **_costs(lesson),
            "ms": times[variant], "training_s": mean([run.seconds for run in runs])})
    return answered(name, title, MEASURE, rows)


class Run(NamedTuple):
    """What a run came to: accuracies, %, by the side of the test images; seconds of training."""

    accuracies: dict[int, float]
    seconds: float


def taught(lesson: Lesson, task: Task, budget: Budget, seed: int) -> Run:
    """A network trained from a start that the seed decides."""
    random.manual_seed(seed)
    model = lesson.build()
    batch = min(lesson.batch, len(task.train[1]))
    loader = Loader(*task.train, batch, shuffle=True, seed=seed, drop_last=True,
                    transform=partial(_arriving, task.view, lesson.sides, lesson.shown))
    recipe = Recipe(epochs=budget.epochs, batch_size=batch, lr=RATE * lesson.batch / BATCH, seed=seed)
    parts = recipe.make_parts(model, len(loader))
    step = PLANNED.make_step(model, CrossEntropyLoss(), parts["optimizer"], loader.example(), None)
    began = time.perf_counter()
    fit(step, loader, budget.epochs, schedule=parts["schedule"], progress=False)
    seconds = time.perf_counter() - began
    return Run(dict(_tested(lesson, model, task)), seconds)


def _arriving(view: View, sides: tuple[int, ...], shown: int, images: np.ndarray,
              rng: np.random.Generator) -> np.ndarray:
    """A batch of one of the sides, as the network is shown it."""
    side = int(rng.choice(sides))
    return replace(view, size=shown or side)(images if side == OWN else resize(images, side), rng)


def _tested(lesson: Lesson, model: Module, task: Task) -> Iterator[tuple[int, float]]:
    for side in lesson.tests:
        batches = Loader(*task.test, BATCH, transform=partial(_arriving, task.view, (side,), lesson.shown))
        yield side, 100 * Tester(model, PLANNED)(batches)["accuracy"]


def _first(side: tuple[Any, np.ndarray], count: int) -> tuple[Any, np.ndarray]:
    return side[0][:count], side[1][:count]


def _by_side(lesson: Lesson, runs: list[Run]) -> dict[str, float]:
    if len(lesson.tests) == 1:
        return {}
    return {f"at_{side}_px": mean([run.accuracies[side] for run in runs]) for side in lesson.tests}


def _shape(lesson: Lesson) -> tuple[int, int, int, int]:
    return 1, 1, lesson.shown or OWN, lesson.shown or OWN


def _costs(lesson: Lesson) -> dict[str, int]:
    found = summary(lesson.build(), _shape(lesson))
    return {"parameters": found.params, "multiply_adds": found.macs}


def _latencies(lessons: Mapping[str, Lesson], budget: Budget) -> dict[str, float]:
    """Milliseconds for an image of 28 x 28, the compiled networks in turn."""
    nets = {}
    for name, lesson in lessons.items():
        model, x = lesson.build(), np.zeros(_shape(lesson), np.float32)
        with evaluating(model):
            nets[name] = partial(compile(model, x), x)
    return {name: 1e3 * float(np.median(times)) for name, times in interleaved(nets, budget.seconds).items()}
