"""Backbone: what classification networks share, so that a network's file holds its blocks and its table alone."""
from __future__ import annotations

from operator import attrgetter
from typing import Any, NamedTuple

from .. import ops as F
from ..nn import Conv2d, Identity, Linear, Module, init
from ..tensor import Tensor


class Stage(NamedTuple):
    """A step of a network's trunk."""

    name: str  # path of the attribute that computes it
    channels: int  # of the feature map that it gives
    reduction: int  # side of the image over side of that map


class Backbone(Module):
    """A trunk of stages, then a head that makes logits of the last feature map.

    num_classes: logits per image; 0: none, the result is what the classifier would be given, (N, features).  in_chans:
    channels of the image.  features_only: there is no head, and the result is a list of feature maps: the last one at
    each reduction of the trunk, which `channels` and `reductions` describe.

    A network's class sets `stages` and gives `forward_head`; `head` names the modules that only the head runs, its
    classifier last.

    >>> from tinycnn import models
    >>> import numpy as np
    >>> net = models.create_model("shufflenet_v2_x0_5", features_only=True)
    >>> net.channels, net.reductions
    ([24, 24, 48, 96, 192], [2, 4, 8, 16, 32])
    >>> [y.shape[2:] for y in net(np.zeros((1, 3, 64, 64), np.float32))]
    [(32, 32), (16, 16), (8, 8), (4, 4), (2, 2)]
    """

    head: tuple[str, ...]
    stages: tuple[Stage, ...]

    def __init__(self, num_classes: int, in_chans: int, features_only: bool) -> None:
        for name, value, least in (("num_classes", num_classes, 0), ("in_chans", in_chans, 1)):
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{type(self).__name__}: {name} must be an integer >= {least}, got {value!r}")
        self.num_classes, self.in_chans, self.features_only = num_classes, in_chans, features_only

    @property
    def taps(self) -> tuple[Stage, ...]:
        """The last stage at each reduction."""
        return tuple({stage.reduction: stage for stage in self.stages}.values())

    @property
    def channels(self) -> list[int]:
        """Channels of each feature map that features_only gives."""
        return [stage.channels for stage in self.taps]

    @property
    def reductions(self) -> list[int]:
        """Side of the image over side of each feature map that features_only gives."""
        return [stage.reduction for stage in self.taps]

    def classifier_layer(self, features: int) -> Module:
        """The layer that makes logits of a vector of features."""
        return Linear(features, self.num_classes) if self.num_classes else Identity()

    def forward(self, x: Tensor) -> Any:
        """x (N, in_chans, H, W) -> logits (N, num_classes); pooled features or a list of maps if asked for."""
        if x.ndim != 4 or x.shape[1] != self.in_chans:
            raise ValueError(f"{type(self).__name__}: x must be a batch of images (N, {self.in_chans}, H, W), "
                             f"got the shape {x.shape}")
        taps, maps = self.taps, []
        for stage in self.stages:
            x = attrgetter(stage.name)(self)(x)
            if self.features_only and stage in taps:
                maps.append(x)
        return maps if self.features_only else self.forward_head(x)

    def forward_head(self, x: Tensor) -> Tensor:
        """Logits, or the features they are made of, from the trunk's last feature map."""
        raise NotImplementedError(f"{type(self).__name__}: forward_head is not defined")


def pooled(x: Tensor) -> Tensor:
    """The mean of each channel: (N, C, H, W) -> (N, C)."""
    return F.global_avg_pool2d(x).flatten(1)


def start_convolutions(module: Module) -> None:
    """Convolutions by He's rule from what one input reaches, their biases 0; `model.apply(start_convolutions)`."""
    if isinstance(module, Conv2d):
        init.kaiming_normal(module.weight, "fan_out", groups=module.groups)
        if module.bias is not None:
            init.constant(module.bias, 0.0)


def start(module: Module) -> None:
    """Convolutions as `start_convolutions` has them, classifiers small; `model.apply(start)`."""
    start_convolutions(module)
    if isinstance(module, Linear) and module.bias is not None:
        init.normal(module.weight, 0.01)
        init.constant(module.bias, 0.0)
