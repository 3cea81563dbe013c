"""Backbone: what classification networks share, so that a network's file holds its blocks and its table alone."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, TypedDict

from .. import ops as F
from ..nn import Conv2d, Identity, Linear, Module, init
from ..tensor import Tensor


class Stage(NamedTuple):
    """A step of a network's trunk."""

    name: str  # path of the attribute that computes it
    channels: int  # of the feature map that it gives
    reduction: int  # side of the image over side of that map


class Options(TypedDict, total=False):
    """What every network takes; `Backbone` says what each of them does."""

    num_classes: int
    in_chans: int
    features_only: bool
    out_indices: Sequence[int] | None
    drop_rate: float | None
    drop_path_rate: float | None
    stem_stride: int | None


class Backbone(Module):
    """A trunk of stages, then a head that makes logits of the last feature map.

    num_classes: logits per image; 0: none, the result is what the classifier would be given, (N, features).  in_chans:
    channels of the image.  features_only: there is no head, and the result is a list of feature maps: the last one at
    each reduction of the trunk, which `channels` and `reduction` describe.  out_indices: of these, the ones that are
    wanted (0 is the largest map); what lies behind the last of them is not built.  drop_rate: probability of dropout
    before the classifier; None: the network's own.  drop_path_rate: probability with which the last residual branch is
    dropped in training, growing from 0 in the first (Huang et al., "Deep networks with stochastic depth", ECCV 2016,
    section 3); None: the network's own.  stem_stride: of the first convolution, None: the network's own; 1 suits images
    of 28 to 64 pixels, where 2 leaves too few.

    Raises ValueError for what is out of range, and for an option that the network has no use for.

    A network's class ends its trunk with `set_stages` and gives `forward_head`; `head_modules` names the modules
    that only the head runs, its classifier last.  `auxiliary` names the classifiers of maps in the middle, by the
    stages that give these: in training, the result then is a list, the logits and theirs, those of the last such stage
    first, for `losses.AuxiliaryLoss`.

    >>> from tinycnn import models
    >>> import numpy as np
    >>> net = models.create_model("shufflenet_v2_x0_5", features_only=True, out_indices=(2, 3))
    >>> net.channels, net.reduction
    ([48, 96], [8, 16])
    >>> [y.shape for y in net(np.zeros((1, 3, 64, 64), np.float32))]
    [(1, 48, 8, 8), (1, 96, 4, 4)]
    """

    default_drop_rate = 0.0  # before the classifier
    default_drop_path_rate = 0.0  # of the last residual branch
    drops_paths: ClassVar[bool] = False  # whether it has residual branches that can be dropped
    stem_strides: ClassVar[tuple[int, ...]] = (2, 1)  # what stem_stride may be, the usual one first
    head_modules: tuple[str, ...]
    classifiers: tuple[str, ...] = ()  # modules whose shape num_classes decides; none: the last of the head alone
    auxiliary: Mapping[str, str] = MappingProxyType({})
    trunk: tuple[Stage, ...]

    def __init__(self, num_classes: int = 1000, in_chans: int = 3, features_only: bool = False,
                 out_indices: Sequence[int] | None = None, drop_rate: float | None = None,
                 drop_path_rate: float | None = None, stem_stride: int | None = None) -> None:
        drop_rate = self.default_drop_rate if drop_rate is None else drop_rate
        drop_path_rate = self.default_drop_path_rate if drop_path_rate is None else drop_path_rate
        stem_stride = self.stem_strides[0] if stem_stride is None else stem_stride
        for name, count, least in (("num_classes", num_classes, 0), ("in_chans", in_chans, 1)):
            self._require(isinstance(count, int) and count >= least, name, f"an integer >= {least}", count)
        for name, rate in (("drop_rate", drop_rate), ("drop_path_rate", drop_path_rate)):
            self._require(0 <= rate < 1, name, "at least 0 and less than 1", rate)
        self._require(self.drops_paths or not drop_path_rate, "drop_path_rate", "0, for want of residual branches",
                      drop_path_rate)
        self._require(stem_stride in self.stem_strides, "stem_stride", f"one of {self.stem_strides}", stem_stride)
        self._require(features_only or out_indices is None, "out_indices", "None without features_only", out_indices)
        self.num_classes, self.in_chans, self.features_only = num_classes, in_chans, features_only
        self.out_indices, self.drop_rate, self.drop_path_rate = out_indices, drop_rate, drop_path_rate
        self.stem_stride = stem_stride

    def _require(self, holds: bool, name: str, expected: str, got: Any) -> None:
        if not holds:
            raise ValueError(f"{type(self).__name__}: {name} must be {expected}, got {got!r}")

    def set_stages(self, stages: Iterable[Stage]) -> None:
        """Say what the trunk consists of, once it is built; what out_indices leaves behind the last map goes."""
        self.trunk = tuple(stages)
        every = {stage.reduction: stage for stage in self.trunk}
        indices = range(len(every)) if self.out_indices is None else self.out_indices
        known = len(indices) > 0 and all(i in range(len(every)) for i in indices) and sorted(set(indices)) == [*indices]
        self._require(known, "out_indices", f"rising numbers from 0 to {len(every) - 1}", self.out_indices)
        self.taps = tuple([*every.values()][i] for i in indices)
        if self.features_only:
            end = self.trunk.index(self.taps[-1]) + 1
            for stage in reversed(self.trunk[end:]):
                parent, _, name = stage.name.rpartition(".")
                owner = attrgetter(parent)(self) if parent else self
                if name in vars(owner):  # a module; a method stays
                    delattr(owner, name)
            self.trunk = self.trunk[:end]

    @property
    def channels(self) -> list[int]:
        """Channels of each feature map that features_only gives."""
        return [stage.channels for stage in self.taps]

    @property
    def reduction(self) -> list[int]:
        """Side of the image over side of each feature map that features_only gives."""
        return [stage.reduction for stage in self.taps]

    def drop_path_rates(self, count: int) -> list[float]:
        """For each of so many residual branches, the probability with which it is dropped."""
        return [self.drop_path_rate * i / count for i in range(count)]

    def classifier_layer(self, features: int) -> Module:
        """The layer that makes logits of a vector of features."""
        return Linear(features, self.num_classes) if self.num_classes else Identity()

    def forward(self, x: Tensor) -> Any:
        """x (N, in_chans, H, W) -> logits (N, num_classes); pooled features or a list of maps if asked for.

        In training, auxiliary classifiers make it a list of logits.
        """
        if x.ndim != 4 or x.shape[1] != self.in_chans:
            raise ValueError(f"{type(self).__name__}: x must be a batch of images (N, {self.in_chans}, H, W), "
                             f"got the shape {x.shape}")
        maps, others = [], []
        for stage in self.trunk:
            x = attrgetter(stage.name)(self)(x)
            if self.features_only and stage in self.taps:
                maps.append(x)
            if self.training and stage.name in self.auxiliary:
                others.append(attrgetter(self.auxiliary[stage.name])(self)(x))
        if self.features_only:
            return maps
        logits = self.forward_head(x)
        return [logits, *reversed(others)] if others else logits

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
