"""A frozen backbone: only a network's last layer is trained, on features that can be computed once and for all."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..models import Backbone
from ..nn import Flatten, Module, Sequential

_CLOSE = 1e-4  # of two ways to compute the same logits in float32, relative to the largest


def freeze_backbone(model: Backbone) -> Module:
    """Let nothing but the last layer of a network train, the last one of `model.head_modules`; returns that layer.

    All the others neither move nor draw: they behave as in use, normalisation by running statistics and dropout too,
    also under `fit`.  Raises ValueError for a network without a classifier.
    """
    if model.features_only or not model.num_classes:
        raise ValueError(f"freeze_backbone: this {type(model).__name__} has no classifier that could train")
    head: Module = attrgetter(model.head_modules[-1])(model)
    model.eval().requires_grad_(False)
    model.training = True  # the network's own mode: `fit` then leaves those of its parts as they are
    return head.train().requires_grad_()


class Features(Module):
    """What the last layer of a network is given: (N, C, H, W) -> (N, features), or what shape it takes."""

    def __init__(self, model: Backbone) -> None:
        self.model = model

    def forward(self, x: Any) -> Any:
        """The features of images, by the network in its present mode."""
        path, _, name = self.model.head_modules[-1].rpartition(".")
        parent = attrgetter(path)(self.model) if path else self.model
        head, tap = getattr(parent, name), _Tap()
        setattr(parent, name, tap)
        try:
            self.model(x)
        finally:
            setattr(parent, name, head)
        return tap.seen


class _Tap(Module):
    """Gives its input on, and remembers it."""

    seen: Any = None

    def forward(self, x: Any) -> Any:
        self.seen = x
        return x


def classifier_of(model: Backbone) -> Sequential:
    """The last layer of a network and what follows it: features, as `Features` gives them, -> logits.

    The layers are the network's own: what trains here trains there.
    """
    path, _, name = model.head_modules[-1].rpartition(".")
    parent = attrgetter(path)(model) if path else model
    if not isinstance(parent, Sequential):
        return Sequential(getattr(parent, name))
    children = dict(parent.named_children())
    following = list(children)[list(children).index(name):]
    return Sequential(*[children[child] for child in following], Flatten())


def cached_features(model: Backbone, batches: Iterable[tuple[np.ndarray, np.ndarray]],
                    compile: Callable[..., Callable[[np.ndarray], np.ndarray]] | None = None) -> np.ndarray:
    """Features (n, ...) of all images, float32; the backbone should be frozen, see `freeze_backbone`.

    compile: what makes a plan of a Module in evaluation mode, `tinycnn.compile`; without it the network runs eagerly.

    Raises ValueError where the network's logits are not its classifier's of these features, or there are no images.
    """
    modes = [(module, module.training) for module in model.modules()]
    features, found, run = Features(model).eval(), [], None
    try:
        with no_grad():
            for x, _ in batches:
                if run is None:
                    _check(model, features, x[:1])
                    run = compile(features, x) if compile else lambda x: features(x).numpy()
                found.append(run(x))
    finally:
        for module, training in modes:
            module.training = training
    if not found:
        raise ValueError("cached_features: batches is empty")
    return np.concatenate(found)


def _check(model: Backbone, features: Features, x: np.ndarray) -> None:
    want, got = model(x).numpy(), classifier_of(model)(features(x)).numpy()
    if got.shape != want.shape or np.abs(got - want).max() > _CLOSE * max(np.abs(want).max(), 1.0):
        raise ValueError(f"cached_features: the classifier of this {type(model).__name__} does not give the network's "
                         "logits of its features: train without cached features")
