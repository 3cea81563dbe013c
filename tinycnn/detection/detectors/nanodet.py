"""NanoDet-m: generalized focal loss at 0.95 M parameters, as published at github.com/RangiLyu/nanodet (version 0.x).

ShuffleNetV2, a LitePAN of 96 channels, and for each of three maps a head of two depthwise-separable convolutions, whose
last layer says classes and boxes at once.  LeakyReLU of slope 0.1 stands everywhere.  There is no paper; the losses are
those of Li et al., "Generalized focal loss", NeurIPS 2020, truths are given by ATSS with anchors of 5 strides.

Names of parameters are the published ones.  Published files also hold `head.distribution_project.project`, the numbers
0 to 7, and old ones `head.gfl_reg`, which nothing runs.  They were trained on channels in the order blue, green, red:
turn axis 1 of `backbone.conv1.0.weight` around for the order that tinycnn's images have.
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ... import ops as F
from ...models.backbone import Backbone
from ...models.registry import register_model
from ...models.shufflenetv2 import shufflenet_v2
from ...nn import BatchNorm2d, Conv2d, LeakyReLU, Module, ModuleList, Sequential
from ...tensor import Tensor
from ..heads import start_head
from ..inputs import Inputs
from ..necks import LitePAN, flatten_levels, start_scores
from .gfl import GFL
from .maps import feature_backbone

STRIDES = (8, 16, 32)
CHANNELS, DEPTH = 96, 2  # of the neck and the heads; separable convolutions of each head
SLOPE = 0.1
REG_MAX, ANCHOR_SCALE = 7, 5


class SeparableConv(Module):
    """3x3 of each channel by itself and 1x1 across them, each normalised and activated, named as published."""

    def __init__(self, channels: int) -> None:
        self.depthwise = Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = Conv2d(channels, channels, 1, bias=False)
        self.dwnorm, self.pwnorm = BatchNorm2d(channels), BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.leaky_relu(self.dwnorm(self.depthwise(x)), SLOPE)
        return F.leaky_relu(self.pwnorm(self.pointwise(x)), SLOPE)


class NanoDetHead(Module):
    """Maps -> logits (N, P, num_classes) and distributions (N, P, 4 bins), a head of its own for each map."""

    def __init__(self, channels: int, num_classes: int, bins: int, levels: int) -> None:
        self.num_classes, self.outputs = num_classes, num_classes + 4 * bins
        self.cls_convs = ModuleList(Sequential(*(SeparableConv(channels) for _ in range(DEPTH)))
                                    for _ in range(levels))
        last = [Conv2d(channels, self.outputs, 1) for _ in range(levels)]
        self.gfl_cls = ModuleList(last)
        self.apply(start_head)
        for conv in last:
            start_scores(conv)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        said = [conv(convs(x)) for convs, conv, x in zip(self.cls_convs, self.gfl_cls, maps, strict=True)]
        rows = flatten_levels(said, self.outputs)
        return rows[..., :self.num_classes], rows[..., self.num_classes:]


class NanoDet(GFL):
    """NanoDet on a backbone with three maps, of the reductions 8, 16 and 32; raw and dense: see `GFL`.

    channels: of neck and heads.  options: `Detector`'s.
    """

    default_inputs = Inputs("centre", fill=0.0)

    def __init__(self, backbone: Backbone, num_classes: int = 80, size: int | tuple[int, int] = 320,
                 channels: int = CHANNELS, reg_max: int = REG_MAX, **options: Any) -> None:
        super().__init__(backbone, LitePAN(backbone.channels, channels),
                         NanoDetHead(channels, num_classes, reg_max + 1, len(STRIDES)), num_classes, size, STRIDES,
                         reg_max, ANCHOR_SCALE, **options)


@partial(register_model, task="detection")
def nanodet_m(num_classes: int = 80, size: int | tuple[int, int] = 320, backbone: str | None = None,
              **options: Any) -> NanoDet:
    """NanoDet-m: 0.95 M parameters, 0.34 G multiply-adds at 320; published for 320 and 416.

    backbone: the name of another registered network; None: ShuffleNetV2 with LeakyReLU.  options: `NanoDet`'s.

    >>> import numpy as np
    >>> detector = nanodet_m(size=64)
    >>> [y.shape for y in detector(np.zeros((1, 3, 64, 64), np.float32))]
    [(1, 84, 80), (1, 84, 32)]
    """
    own = shufflenet_v2(1.0, activation=partial(LeakyReLU, SLOPE), features_only=True) if backbone is None else backbone
    return NanoDet(feature_backbone(own, STRIDES), num_classes, size, **options)
