"""What NetAdapt trains: the network that it begins with, every proposal for a moment, the last one for long."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ... import random
from ...data.tasks import Task
from ...training.choices import NetworkChoice
from ...training.classifier import train_classifier
from ...training.engines import Engine, Tester
from ...training.fit import fit
from ...training.progress import Choice
from ...training.recipe import Recipe
from ...training.results import RunFiles

BATCH = 128  # images a step
KNOWING = 0.5  # share of a recipe's own learning rate with which a network is trained that knows much already
HELD_OUT = 0.1  # share of the images to train on that proposals are compared by


def searching(task: Task, seed: int) -> Task:
    """A task whose images to test with are held out of those to train on: the real ones must not choose a network.

    NetAdapt, section 4, does so with 10,000 of ImageNet's.
    """
    images, labels = task.train
    order = np.random.default_rng(seed).permutation(len(labels))
    held, rest = np.split(order, [max(round(HELD_OUT * len(labels)), 1)])
    return replace(task, train=(images[rest], labels[rest]), test=(images[held], labels[held]))


@dataclass(frozen=True)
class Tuner:
    """Trains networks of one sort, of any widths; network: the sort, without weights."""

    network: NetworkChoice
    task: Task  # all images
    search: Task  # those that a search may see
    engine: Engine
    seed: int = 0
    progress: Choice = "auto"

    def build(self, state: Mapping[str, Any] | None, widths: list[int] | None) -> Any:
        """A network of these widths, the usual ones where None, with the weights of a state dict."""
        options = self.network.options if widths is None else {**self.network.options, "widths": widths}
        model = replace(self.network, options=options).build(len(self.task.classes), self.task.view.channels, False)
        if state is not None:
            model.load_state_dict(state)
        return model

    def train(self, model: Any, epochs: int, out: Path, search: bool) -> dict[str, Any]:
        """Whole epochs, on all images or on those of the search, from where `out` was left; what it came to."""
        recipe = self._recipe(epochs, BATCH, 1 if search else KNOWING)
        random.manual_seed(self.seed)
        about = {"model": self.network.model, "options": self.network.options}
        return train_classifier(model, self.search if search else self.task, recipe, out, engine=self.engine,
                                resume=RunFiles(out).checkpoint.exists(), about=about, progress=self.progress)

    def short(self, model: Any, steps: int, seed: tuple[int, ...]) -> float:
        """Some steps on images that the seed chooses; then the accuracy on those that were held out."""
        rng = np.random.default_rng([self.seed, *seed])
        random.manual_seed(int(rng.integers(1 << 31)))
        images, labels = self.search.train
        batch = min(BATCH, len(labels))
        chosen = rng.choice(len(labels), steps * batch, replace=steps * batch > len(labels))
        some = replace(self.search, train=(images[chosen], labels[chosen]))
        recipe = self._recipe(1, batch, KNOWING)
        loader = some.train_loader(batch, recipe.augment, recipe.seed)
        parts = recipe.make_parts(model, len(loader))
        step = self.engine.make_step(model, recipe.make_loss(), parts["optimizer"], loader.example(), recipe.clip)
        fit(step, loader, recipe.epochs, schedule=parts["schedule"], progress=False)
        return self.accuracy(model)

    def _recipe(self, epochs: int, batch: int, share: float) -> Recipe:
        """AdamW, which in some dozens of steps repairs what SGD with momentum would make worse; share: of its rate."""
        recipe = Recipe(epochs=epochs, batch_size=batch, optimizer="adamw", seed=self.seed)
        return replace(recipe, lr=share * recipe.settings()["lr"])

    def accuracy(self, model: Any) -> float:
        """On the images that were held out."""
        return Tester(model, self.engine)(self.search.loader(True, BATCH))["accuracy"]
