"""How the kernels of depthwise convolutions cut a plane into bands, and what room their frames take."""
from __future__ import annotations

from typing import Any, NamedTuple

BAND = 1 << 15  # elements of a frame: two of them and what they are made of stay in the second-level cache


class Frames(NamedTuple):
    """Elements that the frames of z, of gy and of gz take, for the largest band."""

    z: int
    gy: int
    gz: int


def seen(n: int, stride: int, k: int, dilation: int) -> int:
    """Rows, or columns, that n outputs see."""
    return (n - 1) * stride + (k - 1) * dilation + 1


def band_rows(f: Any, width: int) -> int:
    """Output rows of a band whose frame of z is about BAND elements."""
    row = seen(f.ow, f.sw, f.kw, f.dw) * width
    return min(f.oh, max(1, (BAND // row - (f.kh - 1) * f.dh - 1) // f.sh + 1))


def forward_frame(f: Any, width: int) -> int:
    """Elements of the frame of z."""
    return seen(min(f.rows, f.oh), f.sh, f.kh, f.dh) * seen(f.ow, f.sw, f.kw, f.dw) * width


def backward_frames(f: Any, width: int) -> Frames:
    """The frames of the way back, as depthwise_back.pxi has them.

    f: the fields of the operation.
    """
    left = max((f.kw - 1) * f.dw - f.left, 0) // f.sw
    columns = left + max(f.ow, (f.wd - 1 + f.left) // f.sw + 1)
    gy = gz = 0
    for row in range(0, f.oh, f.rows):
        end = min(row + f.rows, f.oh)
        first, stop = min(row * f.sh, f.h), f.h if end == f.oh else min(end * f.sh, f.h)
        low = min(row, -(((f.kh - 1) * f.dh - f.top - first) // f.sh))
        high = max(end - 1, (stop - 1 + f.top) // f.sh)
        gy, gz = max(gy, high - low + 1), max(gz, stop - first)
    return Frames(forward_frame(f, width), gy * columns * width, gz * f.wd * width)
