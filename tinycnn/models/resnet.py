"""ResNet: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016,
https://arxiv.org/abs/1512.03385; and ResNeXt: Xie, Girshick, Dollar, Tu, He, "Aggregated residual transformations for
deep neural networks", CVPR 2017, https://arxiv.org/abs/1611.05431.  Names of parameters as in torchvision.

The paper's bottleneck blocks have their stride in the first 1x1 convolution; torchvision's, and those here, in the 3x3,
which costs ResNet 50 4.1 instead of 3.8 G multiply-adds and makes it better; `stride_in="1x1"` has it as in the paper.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Unpack

from .. import ops as F
from ..nn import BatchNorm2d, Conv2d, ConvBNAct, Dropout, MaxPool2d, Module, Sequential, StochasticDepth
from ..tensor import Tensor
from .backbone import Backbone, Options, Stage, pooled, start_convolutions
from .registry import register_model

WIDTHS = (64, 128, 256, 512)  # of the blocks of layer1 to layer4
Attention = Callable[[int], Module]  # from a number of channels, a module that weighs them


class Residual(Module):
    """Figure 2: a branch, and x itself or a shortcut added to it, then ReLU: (N, in, H, W) -> (N, out, H', W').

    downsample: the shortcut where the shape changes, None where it does not.  drop_path: probability of doing without
    the branch.  attention: makes what weighs the branch's channels, of which there are `out`.
    """

    expansion: ClassVar[int]  # output channels over the width
    strides_in: ClassVar[tuple[str, ...]] = ("3x3",)  # which convolutions may have the stride, the usual one first

    def __init__(self, out: int, downsample: Module | None, drop_path: float, attention: Attention | None) -> None:
        self.se = None if attention is None else attention(out)
        self.downsample, self.drop_path = downsample, StochasticDepth(drop_path, "row")

    def forward(self, x: Tensor) -> Tensor:
        y = self.branch(x) if self.se is None else self.se(self.branch(x))
        return F.relu(self.drop_path(y) + (x if self.downsample is None else self.downsample(x)))

    def branch(self, x: Tensor) -> Tensor:
        """The residual function."""
        raise NotImplementedError(f"{type(self).__name__}: branch is not defined")


class BasicBlock(Residual):
    """Figure 5, left: two convolutions of 3x3, the first with the stride."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1, downsample: Module | None = None,
                 drop_path: float = 0.0, attention: Attention | None = None) -> None:
        self.conv1 = Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = BatchNorm2d(width)
        self.conv2 = Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = BatchNorm2d(width)
        super().__init__(width, downsample, drop_path, attention)

    def branch(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(y))


class Bottleneck(Residual):
    """Figure 5, right: to few channels by 1x1, a convolution of 3x3 with the stride, back to many by 1x1.

    groups, width_per_group: of the 3x3, as ResNeXt has them (figure 3 (c)); it has their product of channels for each
    64 of the width.  stride_in: "3x3", or "1x1" for the first convolution.
    """

    expansion = 4
    strides_in = ("3x3", "1x1")

    def __init__(self, in_channels: int, width: int, stride: int = 1, downsample: Module | None = None,
                 drop_path: float = 0.0, attention: Attention | None = None, groups: int = 1,
                 width_per_group: int = 64, stride_in: str = "3x3") -> None:
        out, width = width * self.expansion, width * width_per_group // 64 * groups
        strides = (stride, 1) if stride_in == "1x1" else (1, stride)
        self.conv1 = Conv2d(in_channels, width, 1, strides[0], bias=False)
        self.bn1 = BatchNorm2d(width)
        self.conv2 = Conv2d(width, width, 3, strides[1], padding=1, groups=groups, bias=False)
        self.bn2 = BatchNorm2d(width)
        self.conv3 = Conv2d(width, out, 1, bias=False)
        self.bn3 = BatchNorm2d(out)
        super().__init__(out, downsample, drop_path, attention)

    def branch(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return self.bn3(self.conv3(y))


class ZeroPadding(Module):
    """Shortcut A (section 3.3): every stride-th pixel, and zeros for the channels that are missing; no parameters."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        self.missing, self.stride = out_channels - in_channels, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(F.max_pool2d(x, 1, self.stride), (0, 0, 0, 0, 0, self.missing))


def projection(in_channels: int, out_channels: int, stride: int) -> Module:
    """Shortcut B: a convolution of 1x1."""
    return ConvBNAct(in_channels, out_channels, 1, stride, activation=None)


TABLE: dict[int, tuple[Any, tuple[int, ...]]] = {  # table 1: class of block, blocks in layer1 to layer4
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}
GROUPS_32X4 = {"groups": 32, "width_per_group": 4}
SHORTCUTS: dict[str, Any] = {"A": ZeroPadding, "B": projection}


class ResNetOptions(Options, total=False):
    """What ResNet takes besides."""

    shortcut: str
    stride_in: str


class ResNet(Backbone):
    """ResNet; block: BasicBlock or Bottleneck; repeats, widths: blocks in layer1 to layer4, and their widths.

    shortcut: where the shape changes, "B", a convolution of 1x1, or "A", zeros for new channels.  stride_in: which
    convolution of a block has the stride, "3x3", or of bottlenecks "1x1".  of_blocks: what each block takes besides.
    options: see Backbone.  Raises ValueError for another shortcut or stride_in.

    >>> import numpy as np
    >>> net = ResNet(*TABLE[18], shortcut="A", num_classes=10).eval()
    >>> net(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """

    drops_paths = True
    head_modules = ("fc",)

    def __init__(self, block: type[Any], repeats: tuple[int, ...], widths: tuple[int, ...] = WIDTHS,
                 shortcut: str = "B", stride_in: str = "3x3", of_blocks: Mapping[str, Any] = MappingProxyType({}),
                 **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self._require(shortcut in SHORTCUTS, "shortcut", f"one of {', '.join(SHORTCUTS)}", shortcut)
        self._require(stride_in in block.strides_in, "stride_in", f"one of {', '.join(block.strides_in)}", stride_in)
        if stride_in != block.strides_in[0]:
            of_blocks = {**of_blocks, "stride_in": stride_in}
        stem = widths[0]
        self.conv1 = Conv2d(self.in_chans, stem, 7, self.stem_stride, padding=3, bias=False)
        self.bn1 = BatchNorm2d(stem)
        self.maxpool = MaxPool2d(3, stride=2, padding=1)
        stages = [Stage("stem", stem, self.stem_stride), Stage("maxpool", stem, 2 * self.stem_stride)]
        drop_path = iter(self.drop_path_rates(sum(repeats)))
        for i, (width, count) in enumerate(zip(widths, repeats, strict=True)):
            channels, out, stride = stages[-1].channels, width * block.expansion, 2 if i else 1
            unchanged = stride == 1 and channels == out
            downsample = None if unchanged else SHORTCUTS[shortcut](channels, out, stride)
            blocks = [block(channels, width, stride, downsample, next(drop_path), **of_blocks),
                      *[block(out, width, drop_path=next(drop_path), **of_blocks) for _ in range(count - 1)]]
            stages.append(Stage(f"layer{i + 1}", out, stages[-1].reduction * stride))
            setattr(self, stages[-1].name, Sequential(*blocks))
        self.set_stages(stages)
        if not self.features_only:
            self.dropout = Dropout(self.drop_rate)
            self.fc = self.classifier_layer(stages[-1].channels)
        self.apply(start_convolutions)

    def stem(self, x: Tensor) -> Tensor:
        """(N, in_chans, H, W) -> (N, widths[0], H / 2, W / 2), sizes rounded up."""
        return F.relu(self.bn1(self.conv1(x)))

    def forward_head(self, x: Tensor) -> Tensor:
        return self.fc(self.dropout(pooled(x)))


@register_model
def resnet18(**options: Unpack[ResNetOptions]) -> ResNet:
    """ResNet of 18 layers: 1.8 G multiply-adds, 11.7 M parameters; options: ResNet."""
    return ResNet(*TABLE[18], **options)


@register_model
def resnet34(**options: Unpack[ResNetOptions]) -> ResNet:
    """ResNet of 34 layers: 3.7 G multiply-adds (the paper: 3.6), 21.8 M parameters; options: ResNet."""
    return ResNet(*TABLE[34], **options)


@register_model
def resnet50(**options: Unpack[ResNetOptions]) -> ResNet:
    """ResNet of 50 layers: 4.1 G multiply-adds (the paper: 3.8), 25.6 M parameters; options: ResNet."""
    return ResNet(*TABLE[50], **options)


@register_model
def resnet101(**options: Unpack[ResNetOptions]) -> ResNet:
    """ResNet of 101 layers: 7.8 G multiply-adds (the paper: 7.6), 44.5 M parameters; options: ResNet."""
    return ResNet(*TABLE[101], **options)


@register_model
def resnet152(**options: Unpack[ResNetOptions]) -> ResNet:
    """ResNet of 152 layers: 11.5 G multiply-adds (the paper: 11.3), 60.2 M parameters; options: ResNet."""
    return ResNet(*TABLE[152], **options)


@register_model
def resnext50_32x4d(**options: Unpack[ResNetOptions]) -> ResNet:
    """ResNeXt of 50 layers, 32 groups 4 wide: 4.2 G multiply-adds, 25.0 M parameters; options: ResNet."""
    return ResNet(*TABLE[50], of_blocks=GROUPS_32X4, **options)
