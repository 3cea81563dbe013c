"""By what a network is trained and tested: the tape, or plans that the caller hands in."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..data.loader import Loader
from ..nn import Module
from ..optim import ClipNorm
from .evaluate import evaluation, share_right
from .steps import eager_step


class Engine(NamedTuple):
    """step: `tinycnn.compile_training_step`; compile: `tinycnn.compile`; the tape does the work of one that is None.

    They are handed in, for training knows nothing of the engine.
    """

    step: Callable[..., Any] | None = None
    compile: Callable[..., Any] | None = None

    def make_step(self, model: Module, loss: Any, optimizer: Any, example: Any, clip: float | None) -> Any:
        """What `fit` calls with each batch; example: one of them.  clip: the longest gradient."""
        if self.step is None:
            return eager_step(model, loss, optimizer, clip)
        return self.step(model, loss, optimizer, example, clip=None if clip is None else ClipNorm(clip))


class Tester:
    """Tests a network time and again: planned once, and given its new weights each time."""

    def __init__(self, model: Module, engine: Engine) -> None:
        self.model, self.compile = model, engine.compile
        self.net: Any = None

    def __call__(self, batches: Loader) -> dict[str, float]:
        """The accuracy of the network as it is now."""
        with evaluation(self.model):
            if self.compile is None:
                return {"accuracy": share_right(self.model, batches)}
            if self.net is None:
                self.net = self.compile(self.model, batches.example()[0].shape)
            else:
                self.net.refresh()
            return {"accuracy": share_right(self.net, batches)}
