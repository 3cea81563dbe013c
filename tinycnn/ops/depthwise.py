"""Depthwise convolution on plain arrays: one of the ways that Conv2d goes.

Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017, section 3.1.
Arrays are C-contiguous and of one type: x (N, C, H, W), w (C m, 1, kh, kw), b (C m,) or None, y (N, C m, OH, OW).
"""
from __future__ import annotations

import numpy as np

from .._kernels import get_num_threads, kernels, scratch
from ..autograd import Shape
from .geometry import Window

MOST_TAPS = 128  # what the kernels have room for; a kernel of 11 x 11 fits, and so does a stride of 11
MOST_OF_ONE = 20  # channels made of a single one: to make more, a product is quicker


def suits(x: Shape, w: Shape, window: Window, groups: int) -> bool:
    """Whether a convolution is depthwise: every input channel a group of its own; not a first layer of grey images."""
    taps = max(w[2]*w[3], window.stride[0]*window.stride[1])
    return groups == x[1] and w[1] == 1 and taps <= MOST_TAPS and (groups > 1 or w[0] <= MOST_OF_ONE)


def _scratch(x: np.ndarray, y: np.ndarray, window: Window) -> np.ndarray:
    size = kernels(x.dtype).depthwise_scratch(*window.kernel, *x.shape, *y.shape[2:], *window.kernel_arguments)
    return scratch(size*get_num_threads(), x.dtype)


def forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, y: np.ndarray, window: Window) -> None:
    """Fill y."""
    kernels(x.dtype).depthwise_forward(x, w[:, 0], b, y, _scratch(x, y, window), *window.kernel_arguments)


def backward_input(gy: np.ndarray, w: np.ndarray, gx: np.ndarray, window: Window) -> None:
    """Fill gx."""
    kernels(gy.dtype).depthwise_backward_input(gy, w[:, 0], gx, _scratch(gx, gy, window), *window.kernel_arguments)


def backward_weight(x: np.ndarray, gy: np.ndarray, gw: np.ndarray, window: Window) -> None:
    """Fill gw."""
    kernels(x.dtype).depthwise_backward_weight(x, gy, gw[:, 0], _scratch(x, gy, window), *window.kernel_arguments)
