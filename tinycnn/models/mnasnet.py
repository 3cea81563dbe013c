"""MnasNet: Tan, Chen, Pang, Vasudevan, Sandler, Howard, Le, "MnasNet: Platform-aware neural architecture search for
mobile", CVPR 2019, https://arxiv.org/abs/1807.11626; its authors' code is at
https://github.com/tensorflow/tpu/tree/master/models/official/mnasnet.

B1, found without squeeze and excitation, has torchvision's names and its batch normalisation's momentum of 3e-4
(TensorFlow's 0.9997).  A width scales its first layers too; in torchvision's first version they had 32 and 16 channels
at any width, and weights of that version (it is in the file's metadata) fit here at width 1 alone.  A1, with squeeze
and excitation, has timm's names (semnasnet_100) and timm's momentum of 0.1.  Both drop 0.2 before the classifier, as
the authors' code does, and their last convolution has 1280 channels at any width.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from ..nn import ConvBNAct, DepthwiseBNAct, Dropout, Module, ReLU, Sequential, StochasticDepth
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage, pooled, start
from .inverted import LAST, InvertedResidualNet, Row, Style
from .mobile import make_divisible, require_width
from .registry import register_model

STEM = 32  # channels of the first convolution at width 1
MOMENTUM = 3e-4  # of B1's batch normalisation
B1 = (  # as in the authors' code
    Row(1, 3, 16, 1, 1, squeeze=False),
    Row(3, 3, 24, 3, 2, squeeze=False),
    Row(3, 5, 40, 3, 2, squeeze=False),
    Row(6, 5, 80, 3, 2, squeeze=False),
    Row(6, 3, 96, 2, 1, squeeze=False),
    Row(6, 5, 192, 4, 2, squeeze=False),
    Row(6, 3, 320, 1, 1, squeeze=False),
)
A1 = (  # figure 7 (a)
    Row(1, 3, 16, 1, 1, squeeze=False),
    Row(6, 3, 24, 2, 2, squeeze=False),
    Row(3, 5, 40, 3, 2, squeeze=True),
    Row(6, 3, 80, 4, 2, squeeze=False),
    Row(6, 3, 112, 2, 1, squeeze=True),
    Row(6, 5, 160, 3, 2, squeeze=True),
    Row(6, 3, 320, 1, 1, squeeze=False),
)


def scaled(table: tuple[Row, ...], width: float) -> list[Row]:
    """A table's rows at a width: channels rounded to multiples of 8."""
    return [row._replace(out=make_divisible(row.out * width)) for row in table]


# ---------------------------------------------------------------- B1
class InvertedResidual(Module):
    """Figure 7 (b) without its squeeze and excitation: expand, convolve each channel, project; added to the input where
    shapes allow.

    (N, in_channels, H, W) -> (N, row.out, H / stride, W / stride), sizes rounded up.  drop_path: probability of doing
    without.
    """

    def __init__(self, in_channels: int, row: Row, stride: int, drop_path: float) -> None:
        hidden = in_channels * row.expansion
        self.residual = stride == 1 and in_channels == row.out
        self.layers = Sequential(
            *ConvBNAct(in_channels, hidden, 1, momentum=MOMENTUM),
            *DepthwiseBNAct(hidden, row.kernel, stride, momentum=MOMENTUM),
            *ConvBNAct(hidden, row.out, 1, activation=None, momentum=MOMENTUM))
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.layers(x)) if self.residual else self.layers(x)


class MnasNetB1(Backbone):
    """MnasNet B1 of any width; options: see Backbone."""

    default_drop_rate = 0.2
    drops_paths = True
    head_modules = ("layers.14", "layers.15", "layers.16", "classifier")

    def __init__(self, width: float = 1.0, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        stem, (first, *rows) = make_divisible(STEM * width), scaled(B1, width)
        self.layers = Sequential(
            *ConvBNAct(self.in_chans, stem, 3, self.stem_stride, momentum=MOMENTUM),
            *DepthwiseBNAct(stem, first.kernel, momentum=MOMENTUM),
            *ConvBNAct(stem, first.out, 1, activation=None, momentum=MOMENTUM))
        stages = [Stage(f"layers.{i}", stem if i < len(self.layers) - 2 else first.out, self.stem_stride)
                  for i in range(len(self.layers))]
        drop_path = iter(self.drop_path_rates(sum(row.repeats for row in rows)))
        for row in rows:
            before = stages[-1]
            stages.append(Stage(f"layers.{len(self.layers)}", row.out, before.reduction * row.stride))
            self.layers.append(Sequential(*blocks(row, before.channels, drop_path)))
        self.set_stages(stages)
        if not self.features_only:
            for layer in ConvBNAct(rows[-1].out, LAST, 1, momentum=MOMENTUM):
                self.layers.append(layer)
            self.classifier = Sequential(Dropout(self.drop_rate), self.classifier_layer(LAST))
        self.apply(start)

    def forward_head(self, x: Tensor) -> Tensor:
        for layer in [*self.layers][len(self.trunk):]:
            x = layer(x)
        return self.classifier(pooled(x))


def blocks(row: Row, channels: int, drop_path: Iterator[float]) -> Iterator[Module]:
    """A row's blocks, the first with its stride, behind so many channels."""
    for stride in (row.stride, *[1] * (row.repeats - 1)):
        yield InvertedResidual(channels, row, stride, next(drop_path))
        channels = row.out


def mnasnet(width: float = 1.0, **options: Unpack[Options]) -> MnasNetB1:
    """MnasNet B1 of any width above 0.

    Channels are rounded to multiples of 8.  options: see Backbone, drop_rate 0.2.  Raises ValueError for a width that
    is not positive.

    >>> import numpy as np
    >>> mnasnet(0.35, num_classes=10).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """
    require_width("mnasnet", width)
    return MnasNetB1(width, **options)


@register_model
def mnasnet0_5(**options: Unpack[Options]) -> MnasNetB1:
    """MnasNet B1 at half width: 104 M multiply-adds, 2.2 M parameters; options: mnasnet."""
    return mnasnet(0.5, **options)


@register_model
def mnasnet0_75(**options: Unpack[Options]) -> MnasNetB1:
    """MnasNet B1 at three quarters of the width: 215 M multiply-adds, 3.2 M parameters; options: mnasnet."""
    return mnasnet(0.75, **options)


@register_model
def mnasnet1_0(**options: Unpack[Options]) -> MnasNetB1:
    """MnasNet B1: 314 M multiply-adds, 4.4 M parameters; options: mnasnet."""
    return mnasnet(1.0, **options)


@register_model
def mnasnet1_3(**options: Unpack[Options]) -> MnasNetB1:
    """MnasNet B1 at 1.3 times the width: 526 M multiply-adds, 6.3 M parameters; options: mnasnet."""
    return mnasnet(1.3, **options)


# ---------------------------------------------------------------- A1
class MnasNetA1(InvertedResidualNet):
    """MnasNet A1 of any width; options: see Backbone."""

    default_drop_rate = 0.2

    def __init__(self, width: float = 1.0, **options: Unpack[Options]) -> None:
        super().__init__(Style(ReLU), make_divisible(STEM * width), scaled(A1, width), **options)


@register_model
def mnasnet_a1(width: float = 1.0, **options: Unpack[Options]) -> MnasNetA1:
    """MnasNet A1 of any width above 0; at 1.0: 312 M multiply-adds, 3.9 M parameters.

    Channels are rounded to multiples of 8.  options: see Backbone, drop_rate 0.2.  Raises ValueError for a width that
    is not positive.

    >>> import numpy as np
    >>> mnasnet_a1(0.5, num_classes=10).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """
    require_width("mnasnet_a1", width)
    return MnasNetA1(width, **options)
