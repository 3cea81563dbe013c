"""Layers that change the size of maps, or cut regions out of them; the mathematics is in `tinycnn.functional`."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .. import ops as F
from ..ops.geometry import pair
from .layers import Affine, _positive
from .module import Module


class ConvTranspose2d(Affine):
    """Transposed convolution: (N, in_channels, H, W) -> (N, out_channels, H', W'), larger by the stride.

    H' = (H - 1) stride - 2 padding + dilation (kernel_size - 1) + 1 + output_padding, each an int, or (height, width).
    Parameters: weight (in_channels, out_channels / groups, kernel height, width), bias (out_channels).

    Raises ValueError where groups does not divide the channels, or a size is not positive.

    >>> ConvTranspose2d(8, 4, 2, stride=2)(np.zeros((1, 8, 16, 16), np.float32)).shape
    (1, 4, 32, 32)
    """

    shown = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "output_padding", "groups", "dilation")

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                 output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1) -> None:
        layer = "ConvTranspose2d"
        _positive(layer, in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"{layer}: groups={groups} must divide in_channels={in_channels} "
                             f"and out_channels={out_channels}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = pair(kernel_size, "kernel_size", layer)
        self.stride, self.dilation = pair(stride, "stride", layer), pair(dilation, "dilation", layer)
        self.padding = pair(padding, "padding", layer, least=0)
        self.output_padding = pair(output_padding, "output_padding", layer, least=0)
        self._make((in_channels, out_channels // groups, *self.kernel_size), out_channels, bias)

    def forward(self, x: Any) -> Any:
        return F.conv_transpose2d(x, self.weight, self.bias, self.stride, self.padding, self.output_padding,
                                  self.groups, self.dilation)


class AdaptiveMaxPool2d(Module):
    """Maxima over a grid of cells, whatever the size of the map: (N, C, H, W) -> (N, C, *output_size)."""

    shown = ("output_size",)

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        return F.adaptive_max_pool2d(x, self.output_size)


class SpatialPyramidPooling(Module):
    """Maxima over grids of 1, 4, 9 and 36 cells as one vector: (N, C, H, W) -> (N, 50 C), for any H and W.

    bins: cells along a side, for each level.  Levels follow each other; in one, the cells of a channel do.

    He, Zhang, Ren and Sun, "Spatial pyramid pooling in deep convolutional networks for visual recognition", ECCV 2014,
    section 2.2.  Raises ValueError for no level, or one below 1.

    >>> [SpatialPyramidPooling((1, 2))(np.zeros((1, 8, n, 9), np.float32)).shape for n in (5, 13)]
    [(1, 40), (1, 40)]
    """

    shown = ("bins",)

    def __init__(self, bins: Sequence[int] = (1, 2, 3, 6)) -> None:
        if not bins:
            raise ValueError("SpatialPyramidPooling: bins is empty, expected the cells along a side of each level")
        for n in bins:
            _positive("SpatialPyramidPooling", bins=n)
        self.bins = tuple(bins)

    def forward(self, x: Any) -> Any:
        return F.concat([F.adaptive_max_pool2d(x, n).flatten(1) for n in self.bins])


class SPP(Module):
    """The map and its maxima over growing windows, joined: (N, C, H, W) -> (N, C (1 + len(kernel_sizes)), H, W).

    kernel_sizes: odd, so that padding keeps the size at stride 1.  input_first: x comes before the maxima; in the
    networks of Darknet it comes last: SPP((13, 9, 5), input_first=False).

    Bochkovskiy, Wang and Liao, "YOLOv4: optimal speed and accuracy of object detection", 2020, section 3.4.  Raises
    ValueError for no kernel, or an even one.

    >>> SPP()(np.zeros((1, 8, 13, 13), np.float32)).shape
    (1, 32, 13, 13)
    """

    shown = ("kernel_sizes", "input_first")

    def __init__(self, kernel_sizes: Sequence[int] = (5, 9, 13), input_first: bool = True) -> None:
        if not kernel_sizes or any(not isinstance(k, int) or k < 1 or k % 2 == 0 for k in kernel_sizes):
            raise ValueError(f"SPP: kernel_sizes must be odd integers >= 1, got {kernel_sizes!r}")
        self.kernel_sizes, self.input_first = tuple(kernel_sizes), input_first

    def forward(self, x: Any) -> Any:
        pools = [F.max_pool2d(x, k, stride=1, padding=k // 2) for k in self.kernel_sizes]
        return F.concat([x, *pools] if self.input_first else [*pools, x])


# ---------------------------------------------------------------- regions
class RoIPool(Module):
    """The largest element of each bin of boxes: (N, C, H, W), (K, 5) -> (K, C, *output_size); see `roi_pool`."""

    shown: ClassVar[tuple[str, ...]] = ("output_size", "spatial_scale")
    function: ClassVar[Any] = staticmethod(F.roi_pool)

    def __init__(self, output_size: Any, spatial_scale: float) -> None:
        self.output_size, self.spatial_scale = pair(output_size, "output_size", type(self).__name__), spatial_scale

    def forward(self, input: Any, boxes: Any) -> Any:
        return type(self).function(input, boxes, self.output_size, self.spatial_scale)


class PSRoIPool(RoIPool):
    """Means of bins, each from its own channel: (N, C oh ow, H, W), (K, 5) -> (K, C, oh, ow); see `ps_roi_pool`."""

    function = staticmethod(F.ps_roi_pool)


class RoIAlign(RoIPool):
    """The mean of bilinear samples of each bin: (N, C, H, W), (K, 5) -> (K, C, *output_size); see `roi_align`."""

    shown = (*RoIPool.shown, "sampling_ratio", "aligned")

    def __init__(self, output_size: Any, spatial_scale: float, sampling_ratio: int = -1, aligned: bool = False) -> None:
        super().__init__(output_size, spatial_scale)
        self.sampling_ratio, self.aligned = sampling_ratio, aligned

    def forward(self, input: Any, boxes: Any) -> Any:
        return F.roi_align(input, boxes, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)


# ---------------------------------------------------------------- structure
class Upsample(Module):
    """Maps made larger (or smaller) to a size, or by a factor: (N, C, H, W) -> (N, C, H', W'); see `interpolate`.

    >>> Upsample(scale_factor=2, mode="bilinear")(np.zeros((1, 8, 16, 16), np.float32)).shape
    (1, 8, 32, 32)
    """

    shown = ("size", "scale_factor", "mode", "align_corners")

    def __init__(self, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
                 align_corners: bool | None = None) -> None:
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, bool(align_corners)

    def forward(self, x: Any) -> Any:
        return F.interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners)


class PixelShuffle(Module):
    """(N, C r r, H, W) -> (N, C, H r, W r), r being upscale_factor; see `pixel_shuffle`."""

    shown = ("upscale_factor",)

    def __init__(self, upscale_factor: int) -> None:
        _positive("PixelShuffle", upscale_factor=upscale_factor)
        self.upscale_factor = upscale_factor

    def forward(self, x: Any) -> Any:
        return F.pixel_shuffle(x, self.upscale_factor)


class PixelUnshuffle(Module):
    """(N, C, H r, W r) -> (N, C r r, H, W), r being downscale_factor; see `pixel_unshuffle`."""

    shown = ("downscale_factor",)

    def __init__(self, downscale_factor: int) -> None:
        _positive("PixelUnshuffle", downscale_factor=downscale_factor)
        self.downscale_factor = downscale_factor

    def forward(self, x: Any) -> Any:
        return F.pixel_unshuffle(x, self.downscale_factor)


class SpaceToDepth(Module):
    """(N, C, H b, W b) -> (N, b b C, H, W), the passthrough of YOLOv2; the order of channels: see `space_to_depth`."""

    shown = ("block",)

    def __init__(self, block: int) -> None:
        _positive("SpaceToDepth", block=block)
        self.block = block

    def forward(self, x: Any) -> Any:
        return F.space_to_depth(x, self.block)


class ConcatShuffleSplit(Module):
    """Two maps (N, C, H, W) joined, shuffled in two groups, and cut in two again; see `concat_shuffle_split`."""

    def forward(self, a: Any, b: Any) -> Any:
        return F.concat_shuffle_split(a, b)


class Pad2d(Module):
    """What layers share that pad the two last axes; padding: an int, or (left, right, top, bottom)."""

    shown = ("padding",)
    mode: ClassVar[str]

    def __init__(self, padding: Any) -> None:
        sides = (padding,)*4 if isinstance(padding, int) else tuple(padding)
        if len(sides) != 4 or any(not isinstance(p, (int, np.integer)) or p < 0 for p in sides):
            raise ValueError(f"{type(self).__name__}: padding must be one or four integers >= 0, got {padding!r}")
        self.padding = sides

    def forward(self, x: Any) -> Any:
        return F.pad(x, self.padding, type(self).mode)


class ZeroPad2d(Pad2d):
    """Zeros around maps; padding: an int, or (left, right, top, bottom)."""

    mode = "constant"


class ReflectionPad2d(Pad2d):
    """Maps mirrored at their outermost pixels; padding: an int, or (left, right, top, bottom), less than the map."""

    mode = "reflect"


class ReplicationPad2d(Pad2d):
    """The outermost pixels of maps again and again; padding: an int, or (left, right, top, bottom)."""

    mode = "replicate"
