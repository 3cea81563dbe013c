"""Xception: Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017,
https://arxiv.org/abs/1610.02357.  Names of parameters as in timm's legacy_xception.

Images are of 299 x 299 pixels.  As in timm and the author's Keras code, the first two convolutions are not padded, and
normalisation follows a separable convolution as a whole, with timm's eps of 1e-5 and momentum of 0.1 (Keras: 1e-3 and
0.01).  Dropout of 0.5 before the classifier is the paper's (section 4.3; timm and Keras have none).
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from .. import ops as F
from ..nn import BatchNorm2d, Conv2d, Dropout, MaxPool2d, Module, ReLU, Sequential, StochasticDepth
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage, pooled, start
from .mobile import require_width
from .registry import register_model

STEM = (32, 64)  # channels of the first two convolutions
MIDDLE = 8  # blocks that keep size and channels
BLOCKS = (  # figure 5: channels of each separable convolution, stride of the max-pooling behind them
    ((128, 128), 2), ((256, 256), 2), ((728, 728), 2),
    *[((728, 728, 728), 1)] * MIDDLE,
    ((728, 1024), 2),
)
LAST = (1536, 2048)  # channels of the last two separable convolutions


class SeparableConv2d(Module):
    """Convolve each channel by 3x3, then mix them: (N, in_channels, H, W) -> (N, out_channels, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        self.conv1 = Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False)
        self.pointwise = Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.conv1(x))


class Block(Module):
    """Figure 5: separable convolutions with an activation in front of each, and x, or a 1x1 of it, added.

    (N, in_channels, H, W) -> (N, channels[-1], H / stride, W / stride), sizes rounded up.  activated: whether x has
    been already, so that the first activation is missing.  drop_path: probability of doing without the convolutions.
    """

    def __init__(self, in_channels: int, channels: tuple[int, ...], stride: int, activated: bool,
                 drop_path: float) -> None:
        self.skip: Module | None = None
        if stride != 1 or channels[-1] != in_channels:
            self.skip = Conv2d(in_channels, channels[-1], 1, stride, bias=False)
            self.skipbn = BatchNorm2d(channels[-1])
        layers = [layer for pair in zip((in_channels, *channels), channels) for layer in activated_convolution(*pair)]
        pooling = [MaxPool2d(3, stride, padding=1)] if stride != 1 else []
        self.rep = Sequential(*layers[activated:], *pooling)
        self.drop_path = StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor) -> Tensor:
        return self.drop_path(self.rep(x)) + (x if self.skip is None else self.skipbn(self.skip(x)))


def activated_convolution(in_channels: int, out_channels: int) -> Iterator[Module]:
    """An activation, a separable convolution and its normalisation."""
    yield ReLU()
    yield SeparableConv2d(in_channels, out_channels)
    yield BatchNorm2d(out_channels)


class XceptionOptions(Options, total=False):
    """What Xception takes besides."""

    width: float


class Xception(Backbone):
    """Xception; width: channels over those of the paper; ValueError if it is not positive.  options: see Backbone.

    Feature maps but the first and the last are not activated.

    >>> net = Xception(features_only=True)
    >>> net.channels, net.reduction
    ([64, 128, 256, 728, 2048], [2, 4, 8, 16, 32])
    """

    default_drop_rate = 0.5
    drops_paths = True
    head_modules = ("fc",)

    def __init__(self, width: float = 1.0, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        require_width("Xception", width)
        first, second = scaled(STEM, width)
        self.conv1 = Conv2d(self.in_chans, first, 3, self.stem_stride, bias=False)
        self.bn1 = BatchNorm2d(first)
        self.conv2 = Conv2d(first, second, 3, bias=False)
        self.bn2 = BatchNorm2d(second)
        stages = [Stage("stem", second, self.stem_stride)]
        rates = self.drop_path_rates(len(BLOCKS))
        for i, ((channels, stride), drop_path) in enumerate(zip(BLOCKS, rates, strict=True)):
            before, channels = stages[-1], scaled(channels, width)
            stages.append(Stage(f"block{i + 1}", channels[-1], before.reduction * stride))
            setattr(self, stages[-1].name, Block(before.channels, channels, stride, i == 0, drop_path))
        for number, out in enumerate(scaled(LAST, width), 3):
            before = stages[-1]
            for kind, layer in (("conv", SeparableConv2d(before.channels, out)), ("bn", BatchNorm2d(out)),
                                ("act", ReLU())):
                stages.append(Stage(f"{kind}{number}", out, before.reduction))
                setattr(self, stages[-1].name, layer)
        self.set_stages(stages)
        if not self.features_only:
            self.dropout, self.fc = Dropout(self.drop_rate), self.classifier_layer(stages[-1].channels)
        self.apply(start)

    def stem(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) -> (N, 64, (H - 5) / 2, (W - 5) / 2), sizes rounded up."""
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))

    def forward_head(self, x: Tensor) -> Tensor:
        return self.fc(self.dropout(pooled(x)))


def scaled(channels: tuple[int, ...], width: float) -> tuple[int, ...]:
    """Numbers of channels at a width."""
    return tuple([max(1, int(n * width)) for n in channels])


@register_model
def xception(**options: Unpack[XceptionOptions]) -> Xception:
    """Xception: 8.4 G multiply-adds at 299 x 299, 22.9 M parameters; options: Xception."""
    return Xception(**options)
