"""BiFPN: maps that flow up and down several times, weighed where they meet (Tan et al., "EfficientDet", CVPR 2020).

Names are those of the effdet package (github.com/rwightman/efficientdet-pytorch), whose weights so fit.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import ops as F
from ..nn import BatchNorm2d, Conv2d, Module, ModuleList, Parameter, init
from ..tensor import Tensor
from .necks import Maps, require_maps, to_size_of

FUSIONS = ("fast", "softmax")
LEAST_SUM = 1e-4  # epsilon of fast normalised fusion, section 3.3
EPS, MOMENTUM = 1e-3, 0.01  # of batch normalisation, as the authors'


class Compound(NamedTuple):
    """A row of the paper's table 1, and the depth of its heads."""

    resolution: int
    backbone: str
    channels: int
    cells: int
    head_depth: int


EFFICIENTDET = (  # D0 to D7
    Compound(512, "efficientnet_b0", 64, 3, 3),
    Compound(640, "efficientnet_b1", 88, 4, 3),
    Compound(768, "efficientnet_b2", 112, 5, 3),
    Compound(896, "efficientnet_b3", 160, 6, 4),
    Compound(1024, "efficientnet_b4", 224, 7, 4),
    Compound(1280, "efficientnet_b5", 288, 7, 4),
    Compound(1280, "efficientnet_b6", 384, 8, 5),
    Compound(1536, "efficientnet_b6", 384, 8, 5),
)


class Node(NamedTuple):
    """A place where maps meet: its level, and which of the maps that exist by then it takes."""

    level: int
    inputs: tuple[int, ...]


def bifpn_nodes(levels: int) -> list[Node]:
    """The nodes of a cell (figure 2 (d)); maps 0 to levels - 1 are its inputs, then each node adds one.

    >>> bifpn_nodes(3)[0], bifpn_nodes(3)[2]
    (Node(level=1, inputs=(1, 2)), Node(level=1, inputs=(1, 3, 4)))
    """
    at = [[i] for i in range(levels)]
    nodes: list[Node] = []
    for level in reversed(range(levels - 1)):
        nodes.append(Node(level, (at[level][-1], at[level + 1][-1])))
        at[level].append(levels + len(nodes) - 1)
    for level in range(1, levels):
        nodes.append(Node(level, (*at[level], at[level - 1][-1])))
        at[level].append(levels + len(nodes) - 1)
    return nodes


class _ConvBN(Module):
    """A convolution of 1x1 and its normalisation, named `conv` and `bn`."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool) -> None:
        self.conv = Conv2d(in_channels, out_channels, 1, bias=bias)
        self.bn = BatchNorm2d(out_channels, EPS, MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class SeparableConv2d(Module):
    """3x3 for each channel by itself, 1x1 across them, normalisation; named `conv_dw`, `conv_pw` and `bn`."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = False, norm: bool = True) -> None:
        self.conv_dw = Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False)
        self.conv_pw = Conv2d(in_channels, out_channels, 1, bias=bias)
        self.bn = BatchNorm2d(out_channels, EPS, MOMENTUM) if norm else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_pw(self.conv_dw(x))
        return x if self.bn is None else self.bn(x)


class Resample(Module):
    """A map with the channels and the size of another: 1x1 where the channels differ, then larger or smaller.

    padding: of the pooling of 3x3 with stride 2 that makes it smaller.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool, padding: Any) -> None:
        self.padding = padding
        self.conv = None if in_channels == out_channels else _ConvBN(in_channels, out_channels, bias)

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        x = x if self.conv is None else self.conv(x)
        if like is None or like.shape[2] < x.shape[2] or like.shape[3] < x.shape[3]:
            return F.max_pool2d(x, 3, 2, padding=self.padding)
        return to_size_of(x, like)


class Combine(Module):
    """The weighed sum of a node's inputs: "fast", w_i / (ε + Σ w_j) with w = relu; "softmax", e^w_i / Σ e^w_j."""

    def __init__(self, node: Node, channels: Sequence[int], out_channels: int, fusion: str, bias: bool,
                 padding: Any) -> None:
        self.fusion = fusion
        self.resample = Module()
        for i in node.inputs:
            setattr(self.resample, str(i), Resample(channels[i], out_channels, bias, padding))
        self.edge_weights = Parameter(np.ones(len(node.inputs)))

    def forward(self, *maps: Tensor) -> Tensor:
        like = maps[0]
        weights = self.weights()
        terms = [resample(x, like) * weights[i:i + 1].reshape(1, 1, 1, 1)
                 for i, (resample, x) in enumerate(zip(self.resample.children(), maps))]
        return sum(terms[1:], terms[0])

    def weights(self) -> Tensor:
        """What each input is worth, (inputs,); they add up to 1, or nearly so."""
        if self.fusion == "softmax":
            return F.softmax(self.edge_weights, 0)
        w = F.relu(self.edge_weights)
        return w / (w.sum() + LEAST_SUM)


class _After(Module):
    """What follows a sum: SiLU and a separable convolution, named `conv`."""

    def __init__(self, channels: int, bias: bool) -> None:
        self.conv = SeparableConv2d(channels, channels, bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.silu(x))


class FusionNode(Module):
    """A weighed sum of maps, and what follows it."""

    def __init__(self, node: Node, channels: Sequence[int], out_channels: int, fusion: str, bias: bool,
                 padding: Any) -> None:
        self.combine = Combine(node, channels, out_channels, fusion, bias, padding)
        self.after_combine = _After(out_channels, bias)

    def forward(self, *maps: Tensor) -> Tensor:
        return self.after_combine(self.combine(*maps))


class BiFPNCell(Module):
    """One pass up and down (figure 2 (d)): as many maps as it is given, with out_channels each."""

    def __init__(self, in_channels: Sequence[int], out_channels: int, fusion: str, bias: bool, padding: Any) -> None:
        self.levels, self.nodes = len(in_channels), bifpn_nodes(len(in_channels))
        channels = [*in_channels, *[out_channels] * len(self.nodes)]
        self.fnode = ModuleList(FusionNode(node, channels, out_channels, fusion, bias, padding) for node in self.nodes)

    def forward(self, maps: Maps) -> Maps:
        every = list(maps)
        for node, fuse in zip(self.nodes, self.fnode):
            every.append(fuse(*[every[i] for i in node.inputs]))
        return every[-self.levels:]


class BiFPN(Module):
    """`levels` maps of out_channels from the maps of a backbone, by `cells` passes up and down.

    in_channels: of the backbone's maps; smaller ones are added by 1x1 and pooling of the last.  fusion: "fast" or
    "softmax", how sums are weighed (section 3.3).  bias: of convolutions before a normalisation, and padding: of the
    poolings: False and 1, or True and "tf_same" for weights that come from TensorFlow.  EFFICIENTDET has the table.

    >>> from tinycnn import Tensor
    >>> maps = [Tensor(np.zeros((1, 8, 16, 16), np.float32)), Tensor(np.zeros((1, 16, 8, 8), np.float32))]
    >>> [y.shape for y in BiFPN([8, 16], 12, cells=2, levels=3)(maps)]
    [(1, 12, 16, 16), (1, 12, 8, 8), (1, 12, 4, 4)]
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int, cells: int = 3, levels: int = 5,
                 fusion: str = "fast", bias: bool = False, padding: Any = 1) -> None:
        if fusion not in FUSIONS:
            raise ValueError(f"BiFPN: fusion must be one of {', '.join(FUSIONS)}, got {fusion!r}")
        if not 0 < len(in_channels) <= levels or levels < 2 or cells < 1:
            raise ValueError("BiFPN: expected at least one cell, two levels, and from 1 to levels in_channels; got "
                             f"cells={cells!r}, levels={levels!r} and in_channels={in_channels!r}")
        self.in_channels, self.out_channels = tuple(in_channels), out_channels
        channels = list(in_channels)
        self.resample = Module()
        for level in range(len(channels), levels):
            setattr(self.resample, str(level), Resample(channels[-1], out_channels, bias, padding))
            channels.append(out_channels)
        self.cell = ModuleList()
        for _ in range(cells):
            self.cell.append(BiFPNCell(channels, out_channels, fusion, bias, padding))
            channels = [out_channels] * levels
        self.apply(start_bifpn)

    def forward(self, maps: Maps) -> Maps:
        require_maps(self, maps, self.in_channels)
        maps = list(maps)
        for resample in self.resample.children():
            maps.append(resample(maps[-1]))
        for cell in self.cell:
            maps = cell(maps)
        return maps


def start_bifpn(module: Module) -> None:
    """Convolutions by He's rule from what reaches one output, their biases 0; `neck.apply(start_bifpn)`."""
    if isinstance(module, Conv2d):
        init.kaiming_normal(module.weight, gain=1)
        if module.bias is not None:
            init.constant(module.bias, 0.0)
