"""The four guidelines of Ma et al., "ShuffleNet V2", ECCV 2018, section 2, each at equal multiply-adds.

Networks are the paper's: blocks repeated ten times on maps of 56 x 56, without bias and normalisation, which inference
folds anyway.  Its numbers of channels do not fill registers of 8 or 16 floats (36 channels may take the time of 40 or
48), so what is measured is partly that; `aligned=True` takes channels that do, on maps of 14 x 14 with several times as
many.
"""
from __future__ import annotations

from ... import ops as F
from ...nn import Conv2d, Module, ModuleList, ReLU, Sequential
from ...tensor import Tensor
from .experiment import (
    DEEP,
    FULL,
    QUICKER,
    SMALL,
    SOURCE,
    Experiment,
    Size,
    Variant,
    grouped_memory_access,
    least_memory_access,
    square_maps,
    stacked,
)

WIDTHS = {"1:1": (128, 128), "1:2": (90, 180), "1:6": (52, 312), "1:12": (36, 432)}  # table 1, c1 and c2 on its GPU
ALIGNED_WIDTHS = {"1:1": (384, 384), "1:2": (272, 544), "1:5.8": (160, 928), "1:11.7": (112, 1312)}
GROUPS = {1: 128, 2: 180, 4: 256, 8: 360}  # table 2, channels in all, on its GPU
ALIGNED_GROUPS = {1: 768, 2: 1088, 4: 1536, 8: 2176}
FRAGMENTS = {"1-fragment": (128, 1, False), "2-fragment-series": (90, 2, False), "4-fragment-series": (64, 4, False),
             "2-fragment-parallel": (90, 2, True), "4-fragment-parallel": (64, 4, True)}  # table 3: channels, how many
ALIGNED_FRAGMENTS = {"1-fragment": (384, 1, False), "2-fragment-series": (272, 2, False),
                     "4-fragment-series": (192, 4, False), "2-fragment-parallel": (272, 2, True),
                     "4-fragment-parallel": (192, 4, True)}
BOTTLENECK, EXPANSION = 64, 4  # table 4, the middle one of its widths; He et al., "Deep residual learning", 2016
PARTS = {"ReLU + shortcut": (True, True), "no ReLU": (False, True), "no shortcut": (True, False),
         "neither": (False, False)}


def pointwise(c1: int, c2: int, groups: int = 1) -> Conv2d:
    """A convolution of 1x1 without bias."""
    return Conv2d(c1, c2, 1, groups=groups, bias=False)


def size_of(quick: bool, aligned: bool) -> Size:
    """Maps and blocks of an experiment."""
    return SMALL if quick else DEEP if aligned else FULL


# ---------------------------------------------------------------- G1
def there_and_back(c1: int, c2: int) -> Module:
    """A block of G1."""
    return Sequential(pointwise(c1, c2), pointwise(c2, c1))


def g1(quick: bool = False, aligned: bool = False) -> Experiment:
    """G1, equal widths need the least memory access: blocks of two convolutions of 1x1, c1 to c2 and back."""
    size = size_of(quick, aligned)
    positions = size.side**2
    variants = [Variant(f"c1:c2 = {name}, {c1}:{c2}", stacked(size, there_and_back, c1, c2), square_maps(c1, size),
                        2 * size.blocks * least_memory_access(positions, positions * c1 * c2))
                for name, (c1, c2) in (ALIGNED_WIDTHS if aligned else WIDTHS).items()]
    return Experiment("g1", "G1: equal channel widths minimise memory access", SOURCE, size, variants,
                      "bound 2 sqrt(hwB) + B/(hw)")


# ---------------------------------------------------------------- G2
def g2(quick: bool = False, aligned: bool = False) -> Experiment:
    """G2, more groups need more memory access: ten convolutions of 1x1, wider the more groups they have."""
    size = size_of(quick, aligned)
    positions = size.side**2
    variants = [Variant(f"{groups} group{'s' * (groups > 1)}, {c} channels", stacked(size, pointwise, c, c, groups),
                        square_maps(c, size),
                        size.blocks * grouped_memory_access(positions, positions * c * c / groups, c, groups))
                for groups, c in (ALIGNED_GROUPS if aligned else GROUPS).items()]
    return Experiment("g2", "G2: group convolution costs memory access", SOURCE, size, variants,
                      "hw c1 + Bg/c1 + B/(hw)")


# ---------------------------------------------------------------- G3
class Parallel(Module):
    """Convolutions of 1x1 side by side, and the sum of what they give."""

    def __init__(self, channels: int, count: int) -> None:
        self.branches = ModuleList(pointwise(channels, channels) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        maps = [branch(x) for branch in self.branches]
        return sum(maps[1:], maps[0])


def fragments(channels: int, count: int, parallel: bool) -> Module:
    """A block of G3."""
    if parallel:
        return Parallel(channels, count)
    return Sequential(*[pointwise(channels, channels) for _ in range(count)])


def g3(quick: bool = False, aligned: bool = False) -> Experiment:
    """G3, fragments cost parallelism: blocks of one convolution of 1x1, or of two or four narrower ones.

    Parallel ones are added up; the compiled plan adds while it writes products.
    """
    size = size_of(quick, aligned)
    variants = [Variant(f"{name}, {c} channels", stacked(size, fragments, c, count, parallel), square_maps(c, size))
                for name, (c, count, parallel) in (ALIGNED_FRAGMENTS if aligned else FRAGMENTS).items()]
    return Experiment("g3", "G3: fragmentation reduces parallelism", SOURCE, size, variants)


# ---------------------------------------------------------------- G4
class Bottleneck(Module):
    """1x1, 3x3, 1x1, with or without ReLU after each, and the block's input added before the last."""

    def __init__(self, outside: int, inside: int, relu: bool, shortcut: bool) -> None:
        def activated(conv: Conv2d) -> Module:
            return Sequential(conv, ReLU()) if relu else conv
        self.reduce = activated(pointwise(outside, inside))
        self.conv = activated(Conv2d(inside, inside, 3, padding=1, bias=False))
        self.expand, self.relu, self.shortcut = pointwise(inside, outside), relu, shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(self.conv(self.reduce(x)))
        y = y + x if self.shortcut else y
        return F.relu(y) if self.relu else y


def g4(quick: bool = False, aligned: bool = False) -> Experiment:
    """G4, element-wise operations take time: ResNet's bottleneck with and without its ReLUs and its shortcut.

    A compiled plan has no such operations left: it computes ReLU and shortcut in registers, on the products that it is
    about to write, and so should show next to nothing of what the paper found (about 20 %); only the map that a
    shortcut adds is read once more.  The tape runs each operation by itself, as the paper's frameworks did: measure
    it too (`--eager`).  The channels fill registers already, so `aligned` changes nothing.
    """
    size, outside = size_of(quick, False), EXPANSION * BOTTLENECK
    variants = [Variant(name, stacked(size, Bottleneck, outside, BOTTLENECK, relu, shortcut),
                        square_maps(outside, size), expected=QUICKER) for name, (relu, shortcut) in PARTS.items()]
    return Experiment("g4", "G4: element-wise operations are not negligible", SOURCE, size, variants)
