"""3x3 convolution of stride 1 by Winograd's F(2x2, 3x3), on plain arrays: one of the ways that Conv2d goes.

Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016, section 4.  Arrays are C-contiguous and
of one type: x (N, C, H, W), w (O, C, 3, 3), b (O,) or None, y (N, O, OH, OW).
"""
from __future__ import annotations

import numpy as np

from .._kernels import get_num_threads, kernels, scratch
from ..autograd import Shape
from .geometry import Window
from .im2col import backward_weight

__all__ = ["backward_input", "backward_weight", "forward", "suits"]

ROOM = 1 << 18     # elements of transformed inputs and products made at a time: half of a second-level cache in float32
FEWEST_TILES = 40  # with fewer, transforming the weights costs more than it saves
FEWEST_CHANNELS = 16


def suits(x: Shape, w: Shape, window: Window, groups: int) -> bool:
    """Whether a convolution is 3x3, of stride 1, undilated, and large enough for the transforms to pay."""
    oh, ow = window.output(x[2], x[3])
    tiles = x[0]*((oh + 1)//2)*((ow + 1)//2)
    return (window[:3] == ((3, 3), (1, 1), (1, 1)) and groups == 1
            and tiles >= FEWEST_TILES and min(w[:2]) >= FEWEST_CHANNELS)


def forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, y: np.ndarray, window: Window) -> None:
    """Fill y."""
    _convolve(x, w, b, y, *window.pads[:2], rotated=False)


def backward_input(gy: np.ndarray, w: np.ndarray, gx: np.ndarray, window: Window) -> None:
    """Fill gx: the convolution of gy with the kernels turned by 180 degrees and their channels swapped."""
    _convolve(gy, w, None, gx, 2 - window.pads[0], 2 - window.pads[1], rotated=True)


def _convolve(x, w, b, y, top: int, left: int, rotated: bool) -> None:
    """y (padding top, left), some rows of tiles at a time; rotated: w is that of the convolution being undone."""
    (n, c), (_, o, oh, ow), kernel = x.shape[:2], y.shape, kernels(x.dtype)
    th, tw = (oh + 1)//2, (ow + 1)//2
    rows = min(n*th, -(-max(ROOM//(16*(c + o)), 64)//tw))
    sizes = [16*c*o, 16*c*rows*tw, 16*o*rows*tw,
             max(kernel.gemm_scratch(16, o, rows*tw, c), kernel.winograd_scratch(tw)*get_num_threads())]
    u, v, m, rest = np.split(scratch(sum(sizes), x.dtype), np.cumsum(sizes)[:-1])
    u = u.reshape(16, *w.shape[:2])
    kernel.winograd_weight(w, u, rotated)
    for first in range(0, n*th, rows):
        tiles = min(rows, n*th - first)*tw
        vs, ms = v[:16*c*tiles].reshape(16, c, tiles), m[:16*o*tiles].reshape(16, o, tiles)
        kernel.winograd_input(x, vs, rest, first, th, tw, top, left)
        kernel.gemm(u, vs, ms, rotated, False, rest)
        kernel.winograd_output(ms, b, y, first)
