"""Steps of optimisers over the parameters of mobilenet_v2: 158 arrays, 3.5 million elements."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tinycnn import Tensor, models, optim

from .frame import Engines, group


@dataclass
class Update:
    """A task of its own sort: something is done to parameters that have gradients, by each engine to its own."""

    name: str
    ours: Callable[[list[Tensor]], Callable[[], Any]]
    theirs: Callable[[list[torch.Tensor]], Callable[[], Any]]
    shapes: list[tuple[int, ...]]
    modes = ("step",)

    @property
    def elements(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes)

    @property
    def size(self) -> str:
        return f"{len(self.shapes)} parameters"

    def engines(self, mode: str) -> Engines:
        """Both engines, checked against each other after a call."""
        rng = np.random.default_rng(0)
        ours, theirs = [], []
        for shape in self.shapes:
            p, g = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
            ours.append(Tensor(p.copy(), requires_grad=True))
            theirs.append(torch.tensor(p, requires_grad=True))
            ours[-1].grad, theirs[-1].grad = g, torch.tensor(g)
        engines = {"tinycnn": self.ours(ours), "torch": self.theirs(theirs)}
        for run in engines.values():
            run()
        for p, q in zip(ours, theirs):
            np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-4, atol=1e-6)
        return engines


SETTINGS = {
    "SGD": {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4},
    "RMSprop": {"lr": 1e-3, "momentum": 0.9},
    "Adam": {"lr": 1e-3},
    "AdamW": {"lr": 1e-3},
    "RAdam": {"lr": 1e-3},
}
FUSED = ("SGD", "Adam", "AdamW")  # torch's own single kernel for a step, which must be asked for


@group("optimisers")
def optimisers() -> Iterator[Update]:
    shapes = [p.shape for p in models.create_model("mobilenet_v2").parameters()]
    for name, settings in SETTINGS.items():
        for more in ({}, {"fused": True}) if name in FUSED else ({},):
            yield Update(f"{name}{' (torch: fused)' if more else ''}",
                         lambda ps, name=name, settings=settings: getattr(optim, name)(ps, **settings).step,
                         lambda ps, name=name, settings=settings, more=more: getattr(torch.optim, name)(
                             ps, **settings, **more).step, shapes)
    yield Update("clip_grad_norm_", lambda ps: lambda: optim.clip_grad_norm_(ps, 1.0),
                 lambda ps: lambda: torch.nn.utils.clip_grad_norm_(ps, 1.0), shapes)
