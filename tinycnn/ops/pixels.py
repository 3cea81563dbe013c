"""Pixels of a block as channels of one pixel, and back: each moves elements, and is the gradient of its inverse."""
from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..autograd import Function


class _Blocks(Function):
    """What operations share that move the pixels of a block to channels, or channels to pixels of a block."""

    contiguous = False
    unfolded: ClassVar[tuple[int, ...]]  # axes of (n, c, h, by, w, bx) as (n, channels..., h, w)

    def to_channels(self, x: np.ndarray, block: int) -> np.ndarray:
        """(N, C, H b, W b) to (N, C b b, H, W)."""
        n, c, h, w = x.shape
        parts = x.reshape(n, c, h//block, block, w//block, block).transpose(self.unfolded)
        return parts.reshape(n, c*block*block, h//block, w//block)

    def to_pixels(self, x: np.ndarray, block: int) -> np.ndarray:
        """The way back."""
        n, c, h, w = x.shape
        extents = (n, c//block**2, h, block, w, block)
        parts = x.reshape([extents[i] for i in self.unfolded]).transpose(np.argsort(self.unfolded))
        return parts.reshape(n, c//block**2, h*block, w*block)

    def require(self, x, block: int, divides: bool) -> None:
        """Refuse what is no map, or does not divide."""
        if len(x) != 4 or 0 in x:
            raise ValueError(f"{self.op}: x must have the axes (N, C, H, W), none of extent 0, got {x}")
        if block < 1 or not divides:
            raise ValueError(f"{self.op}: {self.attributes[0]}={block} does not fit x of shape {x}")


class PixelUnshuffle(_Blocks, op="pixel_unshuffle"):
    """Pixel (by, bx) of a block of channel c becomes channel (c b + by) b + bx."""

    attributes = ("downscale_factor",)
    unfolded = (0, 1, 3, 5, 2, 4)
    downscale_factor: int

    def shapes(self, x):
        """(N, C b b, H / b, W / b)."""
        b = self.downscale_factor
        self.require(x, b, b > 0 and len(x) == 4 and x[2] % b == 0 and x[3] % b == 0)
        return x[0], x[1]*b*b, x[2]//b, x[3]//b

    def forward(self, x):
        return self.to_channels(x, self.downscale_factor)

    def backward(self, gy):
        return self.to_pixels(gy, self.downscale_factor)


class PixelShuffle(_Blocks, op="pixel_shuffle"):
    """Channel (c b + by) b + bx becomes pixel (by, bx) of a block of channel c."""

    attributes = ("upscale_factor",)
    unfolded = PixelUnshuffle.unfolded
    upscale_factor: int

    def shapes(self, x):
        """(N, C / (b b), H b, W b)."""
        b = self.upscale_factor
        self.require(x, b, b > 0 and len(x) == 4 and x[1] % (b*b) == 0)
        return x[0], x[1]//(b*b), x[2]*b, x[3]*b

    def forward(self, x):
        return self.to_pixels(x, self.upscale_factor)

    def backward(self, gy):
        return self.to_channels(gy, self.upscale_factor)


class SpaceToDepth(_Blocks, op="space_to_depth"):
    """Pixel (by, bx) of a block of channel c becomes channel (by b + bx) C + c."""

    attributes = ("block",)
    unfolded = (0, 3, 5, 1, 2, 4)
    block: int

    def shapes(self, x):
        """(N, C b b, H / b, W / b)."""
        b = self.block
        self.require(x, b, b > 0 and len(x) == 4 and x[2] % b == 0 and x[3] % b == 0)
        return x[0], x[1]*b*b, x[2]//b, x[3]//b

    def forward(self, x):
        return self.to_channels(x, self.block)

    def backward(self, gy):
        return self.to_pixels(gy, self.block)


def pixel_shuffle(x, upscale_factor: int):
    """x (N, C r r, H, W) as (N, C, H r, W r): channel (c r + i) r + j gives the pixels (h r + i, w r + j) of channel c.

    Raises ValueError where r r does not divide the channels.  Shi et al., "Real-time single image and video
    super-resolution using an efficient sub-pixel convolutional neural network", CVPR 2016, equation 4.

    >>> import numpy as np
    >>> pixel_shuffle(np.arange(4, dtype="f").reshape(1, 4, 1, 1), 2).tolist()
    [[[[0.0, 1.0], [2.0, 3.0]]]]
    """
    return PixelShuffle.apply(x, upscale_factor=int(upscale_factor))


def pixel_unshuffle(x, downscale_factor: int):
    """x (N, C, H r, W r) as (N, C r r, H, W): undoes `pixel_shuffle`.

    Raises ValueError where r does not divide a side.

    >>> import numpy as np
    >>> pixel_unshuffle(np.arange(4, dtype="f").reshape(1, 1, 2, 2), 2).numpy().ravel().tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    return PixelUnshuffle.apply(x, downscale_factor=int(downscale_factor))


def space_to_depth(x, block: int):
    """x (N, C, H b, W b) as (N, C b b, H, W), a block of pixels stacked: the passthrough of YOLOv2.

    Channel (i b + j) C + c holds the pixels (h b + i, w b + j) of channel c: all channels of the upper left pixels come
    first (as TensorFlow orders them; `pixel_unshuffle` keeps what comes of one channel together).  The layer "reorg" of
    Darknet, which YOLOv2's published weights expect, does this to the same memory read as (N, C / (b b), H b b, W b b),
    and reads what it gives as (N, C b b, H, W) again: space_to_depth(x.reshape(N, C / (b b), H b b, W b b),
    b).reshape(N, C b b, H, W), which mixes pixels that are not neighbours.
    Raises ValueError where b does not divide a side.  Redmon and Farhadi, "YOLO9000", CVPR 2017, section 2.

    >>> import numpy as np
    >>> x = np.arange(8, dtype="f").reshape(1, 2, 2, 2)
    >>> space_to_depth(x, 2).numpy().ravel().tolist()
    [0.0, 4.0, 1.0, 5.0, 2.0, 6.0, 3.0, 7.0]
    """
    return SpaceToDepth.apply(x, block=int(block))
