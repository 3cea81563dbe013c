"""1x1 convolution: a matrix product over all pixels of the batch, without unfolding anything.

The three functions take plain arrays: x (N, C, H, W), w (O, C/groups, 1, 1), b (O,) or None, y (N, O, OH, OW), and
gradients of the same shapes; they fill the array that they are named for.
"""
from __future__ import annotations

import numpy as np

from .._kernels import kernels, scratch
from ..autograd import Shape
from .geometry import Window


def suits(x_shape: Shape, w_shape: Shape, window: Window, groups: int) -> bool:
    """Whether a convolution is a 1x1 without padding, of any stride and number of groups."""
    return window.kernel == (1, 1) and window.pads == (0, 0, 0, 0)


def forward(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, y: np.ndarray, window: Window) -> None:
    """y = w x + b at each pixel."""
    kernel, weights = kernels(x.dtype), w.reshape(w.shape[:2])
    pixels, out = _pixels(_strided(x, window)), _pixels(y)
    groups = x.shape[1] // w.shape[1]
    size = kernel.gemm_scratch(groups, w.shape[0] // groups, out.shape[0] * out.shape[2], w.shape[1])
    kernel.pointwise_forward(pixels, weights, b, out, scratch(size, x.dtype))


def backward_input(gy: np.ndarray, w: np.ndarray, gx: np.ndarray, window: Window) -> None:
    """gx = wᵀ gy at each pixel that the stride meets, else 0."""
    kernel, weights, gradients = kernels(gy.dtype), w.reshape(w.shape[:2]), _pixels(gy)
    groups = gx.shape[1] // w.shape[1]
    size = kernel.gemm_scratch(groups, w.shape[1], gradients.shape[0] * gradients.shape[2], w.shape[0] // groups)
    if window.stride == (1, 1):
        kernel.pointwise_backward_input(gradients, weights, _pixels(gx), scratch(size, gy.dtype))
        return
    part = np.empty((*gx.shape[:2], *gy.shape[2:]), gx.dtype)
    kernel.pointwise_backward_input(gradients, weights, _pixels(part), scratch(size, gy.dtype))
    gx.fill(0)
    gx[:, :, ::window.stride[0], ::window.stride[1]] = part


def backward_weight(x: np.ndarray, gy: np.ndarray, gw: np.ndarray, window: Window) -> None:
    """gw = gy xᵀ, summed over images and pixels."""
    kernel, gradients = kernels(x.dtype), _pixels(gy)
    groups = x.shape[1] // gw.shape[1]
    size = kernel.gemm_scratch(groups, gw.shape[0] // groups, gw.shape[1], gradients.shape[0] * gradients.shape[2])
    kernel.pointwise_backward_weight(_pixels(_strided(x, window)), gradients, gw.reshape(gw.shape[:2]), False,
                                     scratch(size, x.dtype))


def _pixels(array: np.ndarray) -> np.ndarray:
    """(N, C, H, W) as (N, C, H W)."""
    n, c, h, w = array.shape
    return array.reshape(n, c, h * w)


def _strided(x: np.ndarray, window: Window) -> np.ndarray:
    """The pixels that the stride meets."""
    if window.stride == (1, 1):
        return x
    return np.ascontiguousarray(x[:, :, ::window.stride[0], ::window.stride[1]])
