"""The geometry of a sliding window: kernel, stride, dilation, padding, and the output size they give.

The only place that computes it: convolution, pooling and their shape contracts all ask here.  Formula: Dumoulin and
Visin, "A guide to convolution arithmetic for deep learning", 2016, relationship 15, with padding per side.
"""
from __future__ import annotations

from typing import NamedTuple

from ..autograd import ATTRIBUTE_TYPES

Pair = tuple[int, int]


class Window(NamedTuple):
    """A window that slides over the two last axes. Plain resolved integers: an op records it as its attribute."""

    kernel: Pair  # (height, width)
    stride: Pair
    dilation: Pair
    pads: tuple[int, int, int, int]  # (top, left, bottom, right)

    @property
    def extent(self) -> Pair:
        """Rows and columns that the dilated kernel spans."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation))  # type: ignore[return-value]

    def padded(self, h: int, w: int) -> Pair:
        """Rows and columns of an (h, w) map with its padding."""
        top, left, bottom, right = self.pads
        return h + top + bottom, w + left + right

    def output(self, h: int, w: int, ceil_mode: bool = False) -> Pair:
        """Rows and columns of the result for an (h, w) map; 0 or less where the window does not fit.

        ceil_mode: count a last window that hangs over the end, if it starts inside the map or its left padding.
        """
        sizes = []
        for size, padded, extent, stride, before in zip(
                (h, w), self.padded(h, w), self.extent, self.stride, self.pads[:2]):
            n = (padded - extent + (stride - 1 if ceil_mode else 0)) // stride + 1
            if ceil_mode and (n - 1) * stride >= size + before:
                n -= 1
            sizes.append(n)
        return sizes[0], sizes[1]

    @property
    def kernel_arguments(self) -> tuple[int, int, int, int, int, int]:
        """(stride h, w, dilation h, w, top, left): what kernels take; the far pads follow from the output's size."""
        return (*self.stride, *self.dilation, *self.pads[:2])


ATTRIBUTE_TYPES["Window"] = Window


def pair(value: int | tuple[int, int] | list[int], name: str, op: str, least: int = 1) -> Pair:
    """An int, or two, as (height, width); ValueError naming the argument where one is below `least`."""
    two = (value, value) if isinstance(value, int) else tuple(value) if isinstance(value, (tuple, list)) else ()
    if len(two) != 2 or any(not isinstance(v, int) or v < least for v in two):
        raise ValueError(f"{op}: {name} must be an integer >= {least}, or two of them, got {value!r}")
    return two


def window(op: str, size: Pair, kernel_size, stride=1, padding=0, dilation=1) -> Window:
    """A Window from the arguments of a layer, for a map of `size` (height, width).

    padding: an int; (height, width); (top, left, bottom, right); "same" (stride 1: the output has the input's size, the
    odd row or column goes after); or "tf_same" (TensorFlow's rule: output = ceil(size / stride), the odd row or column
    goes after).
    """
    kernel = pair(kernel_size, "kernel_size", op)
    strides, dilations = pair(stride, "stride", op), pair(dilation, "dilation", op)
    if padding == "same" and strides != (1, 1):
        raise ValueError(f"{op}: padding='same' needs stride 1, got {stride!r}; padding='tf_same' takes any")
    if isinstance(padding, str):
        if padding not in ("same", "tf_same"):
            raise ValueError(f"{op}: padding must be integers, 'same' or 'tf_same', got {padding!r}")
        (top, bottom), (left, right) = (_same(*axis) for axis in zip(size, kernel, strides, dilations))
        return Window(kernel, strides, dilations, (top, left, bottom, right))
    if isinstance(padding, (tuple, list)) and len(padding) == 4:
        top, left, bottom, right = (pair(p, "padding", op, least=0)[0] for p in padding)
        return Window(kernel, strides, dilations, (top, left, bottom, right))
    ph, pw = pair(padding, "padding", op, least=0)
    return Window(kernel, strides, dilations, (ph, pw, ph, pw))


def _same(size: int, kernel: int, stride: int, dilation: int) -> Pair:
    """Padding before and after that makes ceil(size / stride) outputs."""
    total = max(0, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)
    return total // 2, total - total // 2
