"""Necks: what mixes the feature maps of a backbone; lists of maps in and out, the largest map first.

FPN and what it ends in carry torchvision's names, LitePAN those of NanoDet's authors.  BiFPN has a file of its own, and
YOLO's spatial pyramid pooling is `nn.SPP`.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import ops as F
from ..nn import Conv2d, Module, ModuleList, Parameter, Sequential, init
from ..tensor import Tensor

Maps = list[Tensor]


def start_neck(module: Module) -> None:
    """Convolutions uniform by what reaches one output, with gain 1, biases 0; `neck.apply(start_neck)`."""
    if isinstance(module, Conv2d):
        init.kaiming_uniform(module.weight, gain=1)
        if module.bias is not None:
            init.constant(module.bias, 0.0)


def require_maps(neck: Module, maps: Sequence[Tensor], channels: Sequence[int]) -> None:
    """Refuse maps that are not as many, or not as deep, as the neck was made for."""
    got = [m.shape[1] if m.ndim == 4 else None for m in maps]
    if got != list(channels):
        raise ValueError(f"{type(neck).__name__}: expected {len(channels)} maps (N, C, H, W) with "
                         f"{list(channels)} channels, got the shapes {[m.shape for m in maps]}")


def to_size_of(x: Tensor, like: Tensor, mode: str = "nearest") -> Tensor:
    """A map with the rows and columns of another."""
    return x if x.shape[2:] == like.shape[2:] else F.interpolate(x, size=like.shape[2:], mode=mode)


def _blocks(in_channels: Sequence[int], out_channels: int, kernel_size: int, stride: int = 1) -> ModuleList:
    return ModuleList(Sequential(Conv2d(c, out_channels, kernel_size, stride, padding=kernel_size // 2))
                      for c in in_channels)


class LastLevelMaxPool(Module):
    """One more map: every second pixel of the last.  Lin et al., "Feature pyramid networks", CVPR 2017, section 4.1."""

    def forward(self, results: Maps, inputs: Maps) -> Maps:
        return [*results, F.max_pool2d(results[-1], 1, 2)]


class LastLevelP6P7(Module):
    """Two more maps, by convolutions of 3x3 with stride 2; Lin et al., "Focal loss", ICCV 2017, section 4.

    in_channels: of the backbone's last map, from which P6 is made; where it equals out_channels, of the pyramid's.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        self.p6 = Conv2d(in_channels, out_channels, 3, 2, padding=1)
        self.p7 = Conv2d(out_channels, out_channels, 3, 2, padding=1)
        self.use_p5 = in_channels == out_channels
        self.apply(start_neck)

    def forward(self, results: Maps, inputs: Maps) -> Maps:
        p6 = self.p6(results[-1] if self.use_p5 else inputs[-1])
        return [*results, p6, self.p7(F.relu(p6))]


class FeaturePyramidNetwork(Module):
    """FPN: every map by 1x1 to out_channels, plus the next smaller result made larger, then 3x3.

    in_channels_list: channels of the maps; extra_blocks: what adds smaller maps (LastLevelMaxPool, LastLevelP6P7).
    Lin et al., "Feature pyramid networks for object detection", CVPR 2017, section 3.

    >>> import numpy as np
    >>> neck = FeaturePyramidNetwork([8, 16], 4, LastLevelMaxPool())
    >>> maps = [np.zeros((1, 8, 8, 8), np.float32), np.zeros((1, 16, 4, 4), np.float32)]
    >>> [y.shape for y in neck([Tensor(x) for x in maps])]
    [(1, 4, 8, 8), (1, 4, 4, 4), (1, 4, 2, 2)]
    """

    def __init__(self, in_channels_list: Sequence[int], out_channels: int, extra_blocks: Module | None = None) -> None:
        self.in_channels, self.out_channels = tuple(in_channels_list), out_channels
        self.inner_blocks = _blocks(in_channels_list, out_channels, 1)
        self.layer_blocks = _blocks([out_channels] * len(self.in_channels), out_channels, 3)
        self.apply(start_neck)
        self.extra_blocks = extra_blocks

    def forward(self, maps: Maps) -> Maps:
        require_maps(self, maps, self.in_channels)
        results = self.pyramid(maps)
        return results if self.extra_blocks is None else self.extra_blocks(results, maps)

    def pyramid(self, maps: Maps) -> Maps:
        """The results of as many maps."""
        sums = self.top_down([block(x) for block, x in zip(self.inner_blocks, maps)])
        return [block(x) for block, x in zip(self.layer_blocks, sums)]

    def top_down(self, laterals: Maps) -> Maps:
        """Each map plus the sum of all smaller ones."""
        sums = laterals[-1:]
        for x in reversed(laterals[:-1]):
            sums.insert(0, x + to_size_of(sums[0], x))
        return sums


class PAN(FeaturePyramidNetwork):
    """PANet: an FPN, and from its largest map down again: 3x3 with stride 2, plus the next result, then 3x3.

    Arguments: those of `FeaturePyramidNetwork`.  Liu et al., "Path aggregation network for instance segmentation",
    CVPR 2018, section 3.1.  ReLU follows each convolution of the way down.

    >>> import numpy as np
    >>> maps = [Tensor(np.zeros((1, 8, 8, 8), np.float32)), Tensor(np.zeros((1, 16, 4, 4), np.float32))]
    >>> [y.shape for y in PAN([8, 16], 4)(maps)]
    [(1, 4, 8, 8), (1, 4, 4, 4)]
    """

    def __init__(self, in_channels_list: Sequence[int], out_channels: int, extra_blocks: Module | None = None) -> None:
        super().__init__(in_channels_list, out_channels, extra_blocks)
        channels = [out_channels] * (len(self.in_channels) - 1)
        self.down_blocks = _blocks(channels, out_channels, 3, stride=2)
        self.out_blocks = _blocks(channels, out_channels, 3)
        for blocks in (self.down_blocks, self.out_blocks):
            blocks.apply(start_neck)

    def pyramid(self, maps: Maps) -> Maps:
        up = super().pyramid(maps)
        results = up[:1]
        for down, out, x in zip(self.down_blocks, self.out_blocks, up[1:]):
            results.append(F.relu(out(F.relu(down(results[-1])) + x)))
        return results


class _Lateral(Module):
    """A convolution of 1x1, named `conv`."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        self.conv = Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class LitePAN(Module):
    """NanoDet's: a convolution of 1x1 for each map and nothing else; bilinear resizing and sums up, then down again.

    in_channels: of the maps.  After the published configuration of NanoDet-m (github.com/RangiLyu/nanodet), which cuts
    all other convolutions out of Liu et al., "Path aggregation network", CVPR 2018.

    >>> import numpy as np
    >>> maps = [Tensor(np.zeros((1, 8, 8, 8), np.float32)), Tensor(np.zeros((1, 16, 4, 4), np.float32))]
    >>> [y.shape for y in LitePAN([8, 16], 4)(maps)]
    [(1, 4, 8, 8), (1, 4, 4, 4)]
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int) -> None:
        self.in_channels, self.out_channels = tuple(in_channels), out_channels
        self.lateral_convs = ModuleList(_Lateral(c, out_channels) for c in in_channels)
        self.apply(start_neck)

    def forward(self, maps: Maps) -> Maps:
        require_maps(self, maps, self.in_channels)
        sums = [block(x) for block, x in zip(self.lateral_convs, maps)]
        for i in reversed(range(len(sums) - 1)):
            sums[i] = sums[i] + to_size_of(sums[i + 1], sums[i], "bilinear")
        for i in range(1, len(sums)):
            sums[i] = sums[i] + to_size_of(sums[i - 1], sums[i], "bilinear")
        return sums


class PerLevel(ModuleList):
    """A head for each map: maps -> what each head says of its own.

    Raises ValueError where there are more or fewer maps.
    """

    def forward(self, maps: Maps) -> list[Any]:
        if len(maps) != len(self):
            raise ValueError(f"PerLevel: {len(maps)} maps for {len(self)} heads")
        return [head(x) for head, x in zip(self, maps)]


class Scale(Module):
    """x times one trained number: what lets maps of different strides share a head (FCOS, section 3.2)."""

    def __init__(self, value: float = 1.0) -> None:
        self.scale = Parameter(value)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


def flatten_levels(maps: Sequence[Tensor], outputs: int) -> Tensor:
    """Predictions (N, A outputs, H, W) of all maps as one Tensor (N, P, outputs), in the order of `anchors`.

    >>> import numpy as np
    >>> maps = [Tensor(np.zeros((2, 6 * 4, 8, 8), np.float32)), Tensor(np.zeros((2, 6 * 4, 4, 4), np.float32))]
    >>> flatten_levels(maps, 4).shape
    (2, 480, 4)
    """
    rows = []
    for x in maps:
        if x.ndim != 4 or x.shape[1] % outputs:
            raise ValueError(f"flatten_levels: maps must be (N, A {outputs}, H, W), got the shape {x.shape}")
        n, channels, h, w = x.shape
        rows.append(x.transpose(0, 2, 3, 1).reshape(n, h * w * channels // outputs, outputs))
    return F.concat(rows, 1)


def prior_bias(probability: float = 0.01) -> float:
    """The bias from which a sigmoid says this at first: -ln((1 - p) / p); Lin et al., "Focal loss", section 3.3.

    >>> round(prior_bias(), 3)
    -4.595
    """
    if not 0 < probability < 1:
        raise ValueError(f"prior_bias: probability must lie between 0 and 1, got {probability!r}")
    return -math.log((1 - probability) / probability)


def start_scores(conv: Conv2d, probability: float = 0.01) -> None:
    """The bias of a layer whose sigmoids are scores set to `prior_bias`."""
    if conv.bias is not None:
        init.constant(conv.bias, prior_bias(probability))
