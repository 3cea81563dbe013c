"""BN-Inception: Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal
covariate shift", ICML 2015, https://arxiv.org/abs/1502.03167, figure 5; and SE-BN-Inception: Hu, Shen, Sun, "Squeeze-
and-excitation networks", CVPR 2018, https://arxiv.org/abs/1709.01507.

As in the published Caffe model, and pytorchcv, convolutions have a bias in front of the normalisation, the network
ends in a mean over the map, and modules 4c and 4d have 608 channels, 4e 1056: the sums of their branches.  Names of
parameters are those of GoogLeNet.  Poolings round sizes up; where one halves the map beside convolutions, it does so
for odd sizes too.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Unpack

from ..nn import Dropout, MaxPool2d, Module, SEInception, SqueezeExcitationFC, init
from ..tensor import Tensor
from .backbone import Options, pooled
from .branches import (
    AVERAGE,
    LARGEST,
    Conv,
    InceptionBackbone,
    InceptionOptions,
    Mixed,
    Part,
    Pool,
    Step,
    Style,
    branches,
    start,
)
from .mobile import require_width
from .registry import register_model


class Module5(NamedTuple):
    """A row of figure 5: the filters of an Inception module that keeps the size of the map."""

    single: int  # 1x1
    reduce3: int
    conv3: int
    reduce_double: int
    double: int  # each of two convolutions of 3x3
    project: int  # behind the pooling
    pool: Pool = AVERAGE

    def mixed(self) -> Mixed:
        """The module."""
        return Mixed(branches(
            [Conv(self.single)], [Conv(self.reduce3), Conv(self.conv3, 3)],
            [Conv(self.reduce_double), Conv(self.double, 3), Conv(self.double, 3)], [self.pool, Conv(self.project)]))


class Halving5(NamedTuple):
    """A row of figure 5: the filters of one that halves the map; the pooling passes all channels through."""

    reduce3: int
    conv3: int
    reduce_double: int
    double: int

    def mixed(self) -> Mixed:
        """The module."""
        return Mixed(branches(
            [Conv(self.reduce3), Conv(self.conv3, 3, 2)],
            [Conv(self.reduce_double), Conv(self.double, 3), Conv(self.double, 3, 2)], [HALVED_BESIDE]))


HALVED = Pool(MaxPool2d, stride=2, padding=0, more={"ceil_mode": True})
HALVED_BESIDE = Pool(MaxPool2d, stride=2, padding=(0, 0, 1, 1), more={"ceil_mode": True})  # as padded convolutions do
TABLE: dict[str, Module5 | Halving5] = {
    "inception3a": Module5(64, 64, 64, 64, 96, 32),
    "inception3b": Module5(64, 64, 96, 64, 96, 64),
    "inception3c": Halving5(128, 160, 64, 96),
    "inception4a": Module5(224, 64, 96, 96, 128, 128),
    "inception4b": Module5(192, 96, 128, 96, 128, 128),
    "inception4c": Module5(160, 128, 160, 128, 160, 128),
    "inception4d": Module5(96, 128, 192, 160, 192, 128),
    "inception4e": Halving5(128, 192, 192, 256),
    "inception5a": Module5(352, 192, 320, 160, 224, 128),
    "inception5b": Module5(352, 192, 320, 192, 224, 128, LARGEST),
}


class Excited(NamedTuple):
    """A module of a table with squeeze and excitation behind it."""

    step: Step

    def build(self, in_channels: int, style: Style) -> tuple[Module, int]:
        """See Step."""
        module, channels = self.step.build(in_channels, style)
        return SEInception(module, channels), channels


class BNInception(InceptionBackbone):
    """BN-Inception; options: see Backbone.

    width: numbers of filters over those of the paper, above 0.  excited: whether squeeze and excitation follows each
    Inception module (Hu et al., figure 2), of a sixteenth of its channels.

    >>> import numpy as np
    >>> BNInception(width=0.25, num_classes=10).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """

    head_modules = ("fc",)

    def __init__(self, width: float = 1.0, excited: bool = False, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        require_width("BNInception", width)
        self.style = Style(width, bias=True, eps=1e-5)
        channels = self.set_trunk(self._table(excited))
        if not self.features_only:
            self.dropout = Dropout(self.drop_rate)
            self.fc = self.classifier_layer(channels)
        self.apply(start)
        self.apply(start_excitation)

    def _table(self, excited: bool) -> Iterator[Part]:
        yield Part("conv1", Conv(64, 7, self.stem_stride), self.stem_stride)
        yield Part("maxpool1", HALVED, 2)
        yield Part("conv2", Conv(64))
        yield Part("conv3", Conv(192, 3))
        yield Part("maxpool2", HALVED, 2)
        for name, row in TABLE.items():
            mixed = row.mixed()
            yield Part(name, Excited(mixed) if excited else mixed, 2 if isinstance(row, Halving5) else 1)

    def forward_head(self, x: Tensor) -> Tensor:
        return self.fc(self.dropout(pooled(x)))


def start_excitation(module: Module) -> None:
    """Squeeze and excitation by He's rule, as convolutions."""
    if isinstance(module, SqueezeExcitationFC):
        for name, parameter in module.named_parameters():
            if name.endswith("weight"):
                init.kaiming_normal(parameter)


@register_model
def bn_inception(**options: Unpack[InceptionOptions]) -> BNInception:
    """BN-Inception: 2.0 G multiply-adds, 11.3 M parameters; options: BNInception."""
    return BNInception(**options)


@register_model
def se_bn_inception(**options: Unpack[InceptionOptions]) -> BNInception:
    """SE-BN-Inception: 2.0 G multiply-adds, 11.9 M parameters; options: BNInception."""
    return BNInception(excited=True, **options)
