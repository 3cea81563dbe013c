"""Recipe: how long, how fast and with what a network is trained."""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import optim
from ..data.loader import Mix
from ..data.mixup import mixed_one_hot, mixup
from ..losses import AuxiliaryLoss, CrossEntropyLoss
from ..nn import Module
from ..nn.norm import BatchNorm

MOMENTUM = 0.9
QUICKEST, LAST_SHARE = 0.1, 0.02  # momentum of running statistics; of the steps, what they are to be of


@dataclass(frozen=True)
class Family:
    """An optimiser and the settings that it is begun with."""

    build: Callable[..., optim.Optimizer]
    lr: float
    weight_decay: float
    settings: dict[str, Any]


OPTIMIZERS = {
    "sgd": Family(optim.SGD, 0.1, 2e-4, {"momentum": MOMENTUM, "nesterov": True}),
    "adamw": Family(optim.AdamW, 1e-3, 5e-2, {}),
    "rmsprop": Family(optim.RMSpropTF, 1e-2, 1e-5, {"momentum": MOMENTUM}),
}
SCHEDULES = ("cosine", "constant")


@dataclass(frozen=True)
class Course:
    """What recipes for all kinds of networks have in common.

    epochs: passes over the images.  batch_size: images a step.  optimizer: "sgd" (Nesterov momentum 0.9), "adamw" or
    "rmsprop" (TensorFlow's form); lr, its highest learning rate, and weight_decay: the optimiser's own where None.
    schedule: "cosine" to 0 or "constant", after a share `warmup` of all steps in which the rate rises.  ema: decay of
    the weights' running mean, which is then what is tested and kept, 0 for none.  clip: longest gradient.

    Raises ValueError for a value that makes no sense.
    """

    families: ClassVar[Mapping[str, Family]] = OPTIMIZERS
    epochs: int = 6
    batch_size: int = 128
    optimizer: str = "sgd"
    lr: float | None = None
    weight_decay: float | None = None
    schedule: str = "cosine"
    warmup: float = 0.1
    ema: float = 0.0
    clip: float | None = None
    augment: str = "flip"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("optimizer", self.families), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{type(self).__name__}: {name} must be one of {', '.join(known)}, "
                                 f"got {getattr(self, name)!r}")
        for name in ("epochs", "batch_size"):
            self._require(name, 1, math.inf)
        for name, most in (("warmup", 1), ("seed", math.inf), ("ema", np.nextafter(1, 0))):
            self._require(name, 0, most)
        for name in ("lr", "clip"):
            self._require(name, np.nextafter(0, 1), math.inf)

    def _require(self, name: str, least: float, most: float) -> None:
        value = getattr(self, name)
        if value is not None and not least <= value <= most:
            raise ValueError(f"{type(self).__name__}: {name} is out of range: {value!r}")

    def settings(self) -> dict[str, Any]:
        """All values, as a checkpoint keeps them; those of the optimiser in the place of None."""
        family = self.families[self.optimizer]
        return {**dataclasses.asdict(self), "lr": family.lr if self.lr is None else self.lr,
                "weight_decay": family.weight_decay if self.weight_decay is None else self.weight_decay}

    def make_optimizer(self, parameters: Iterable[Any]) -> optim.Optimizer:
        """The optimiser of these parameters."""
        family, settings = self.families[self.optimizer], self.settings()
        return family.build(parameters, lr=settings["lr"], weight_decay=settings["weight_decay"], **family.settings)

    def make_schedule(self, optimizer: optim.Optimizer, steps: int) -> Any:
        """The learning rate over so many steps."""
        warmup = min(int(self.warmup * steps), steps)
        if self.schedule == "cosine":
            return optim.CosineSchedule(optimizer, steps, warmup_steps=warmup)
        return optim.Warmup(optim.ExponentialLR(optimizer, 1.0), max(warmup, 1), start_factor=1 / max(warmup, 1))

    def make_parts(self, trained: Module, batches: int) -> dict[str, Any]:
        """What moves the weights, in epochs of so many batches, by the names that the checkpoint has for it; running
        statistics are made to keep up with them (`quicken_statistics`)."""
        quicken_statistics(trained, self.epochs * batches)
        optimizer = self.make_optimizer([p for p in trained.parameters() if p.requires_grad])
        parts = {"optimizer": optimizer, "schedule": self.make_schedule(optimizer, self.epochs * batches)}
        if self.ema:
            parts["ema"] = optim.ExponentialMovingAverage(trained, self.ema, warmup=True)
        return parts


def quicken_statistics(model: Module, steps: int) -> None:
    """Let no batch normalisation average over more than the last fiftieth of so many steps; less, if it does so anyway.

    MnasNet's momentum of 3e-4 is made for ImageNet's hundreds of thousands of steps: after some thousand, its running
    statistics are of weights that are long gone, and the network is no better than chance.  With weight decay d a step
    of rate r turns the weights by some sqrt(2 r d) (Wan et al., "Spherical motion dynamics", NeurIPS 2021): in 100
    steps at 0.1 and 5e-4 by a tenth, in each of the layers.
    """
    least = min(QUICKEST, 1 / (LAST_SHARE * max(steps, 1)))
    for module in model.modules():
        if isinstance(module, BatchNorm) and module.momentum is not None:
            module.momentum = max(module.momentum, least)


def averaged(parts: Mapping[str, Any]) -> AbstractContextManager[Any]:
    """In which the network has the weights that count; parts: those of `make_parts`."""
    return parts["ema"].averaged() if "ema" in parts else nullcontext()


@dataclass(frozen=True)
class Recipe(Course):
    """All on which the course of a classifier's training depends besides network and data: see `Course`.

    label_smoothing: share of the target that is spread over all classes.  mixup: alpha of MixUp, 0 for none.  augment:
    see `data.tasks.AUGMENTATIONS`.
    """

    label_smoothing: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require("label_smoothing", 0, np.nextafter(1, 0))
        self._require("mixup", 0, math.inf)

    def make_loss(self) -> AuxiliaryLoss:
        """The loss of a batch's logits and its classes, or the shares of all classes."""
        return AuxiliaryLoss(CrossEntropyLoss(label_smoothing=self.label_smoothing))

    def make_mix(self, num_classes: int) -> Mix | None:
        """What mixes a batch, and turns its classes (N,) into shares (N, num_classes)."""
        if not self.mixup:
            return None

        def mix(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            mixed = mixup(x, y, self.mixup, rng)
            return mixed.x, mixed_one_hot(mixed.a, mixed.b, mixed.lam, num_classes)
        return mix

