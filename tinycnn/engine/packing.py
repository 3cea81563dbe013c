"""Weights in the order in which the engine's kernels read them."""
from __future__ import annotations

import numpy as np

from .layout import blocks

# Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016, section 4: G of F(2, 3) and F(4, 3).
WINOGRAD = {
    2: np.array([[1, 0, 0], [.5, .5, .5], [.5, -.5, .5], [0, 0, 1]]),
    4: np.array([[1/4, 0, 0], [-1/6, -1/6, -1/6], [-1/6, 1/6, -1/6], [1/24, 1/12, 1/6], [1/24, -1/12, 1/6], [0, 0, 1]]),
}


def vector(values: np.ndarray, width: int) -> np.ndarray:
    """A number per channel, filled up with zeros to whole blocks."""
    filled = np.zeros(blocks(len(values), width) * width)
    filled[:len(values)] = values
    return filled


def pack_panels(weights: np.ndarray, width: int, packed: np.ndarray) -> None:
    """(O, K) as panels of two vectors of outputs, three where one would be left over: [panel][k][vectors].

    packed: zeros, to be written over.
    """
    o, k = weights.shape
    count = blocks(o, width)
    block = at = 0
    while block < count:
        some = count - block if count - block <= 3 else 2
        rows = weights[block * width:(block + some) * width]
        panel = packed[at:at + some * width * k].reshape(k, some * width)
        panel[:, :len(rows)] = rows.T
        block, at = block + some, at + panel.size


def pack_channels(weights: np.ndarray, width: int) -> np.ndarray:
    """(C, taps), C whole blocks, as [block][tap][channel of the block]."""
    return weights.reshape(-1, width, weights.shape[1]).transpose(0, 2, 1).ravel()


def winograd_weights(w: np.ndarray, m: int) -> np.ndarray:
    """(O, C, 3, 3) as U = G w Gᵀ: ((m + 2)², O, C)."""
    g = WINOGRAD[m]
    return np.einsum("ij,ocjk,lk->iloc", g, w.astype(np.float64), g).reshape((m + 2) ** 2, *w.shape[:2])
