"""Transforms of whole batches of images, as arrays (N, H, W) or (N, H, W, C).

The random ones draw from the Generator they are given, for each image apart, and return new arrays.  They keep the
element type, so that they run on bytes, a quarter of the memory of floats; `normalize` comes last.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def normalize(images: np.ndarray, mean: float | Sequence[float], std: float | Sequence[float]) -> np.ndarray:
    """What networks take, from bytes: ((pixel / 255) - mean) / std as float32 (N, C, H, W).

    images: uint8 (N, H, W), where C is 1, or (N, H, W, C).  mean, std: of all channels or of each, between 0 and 1.

    >>> normalize(np.full((1, 2, 2), 255, np.uint8), 0.5, 0.25).tolist()
    [[[[2.0, 2.0], [2.0, 2.0]]]]
    """
    _check("normalize", images)
    if images.dtype != np.uint8:
        raise TypeError(f"normalize: images must be uint8, got {images.dtype}")
    channels_last = images[..., None] if images.ndim == 3 else images
    scale = 1 / np.asarray(std, np.float32).reshape(-1, 1, 1)
    x = np.ascontiguousarray(channels_last.transpose(0, 3, 1, 2), np.float32)
    x *= scale / 255
    x -= scale * np.asarray(mean, np.float32).reshape(-1, 1, 1)
    return x


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """Grey images (N, H, W), uint8, resized to (N, size, size) by a triangle filter: bilinear where they grow.

    >>> resize(np.array([[[0, 90]]], np.uint8), 3).tolist()
    [[[0, 45, 90], [0, 45, 90], [0, 45, 90]]]
    """
    if images.ndim != 3 or images.dtype != np.uint8:
        raise ValueError(f"resize: images must be uint8 (N, H, W), got {images.dtype} {images.shape}")
    if size < 1:
        raise ValueError(f"resize: size must be at least 1, got {size}")
    rows, columns = (triangles(extent, size) for extent in images.shape[1:])
    return np.rint(rows @ images.astype(np.float32) @ columns.T).astype(np.uint8)


def triangles(extent: int, size: int) -> np.ndarray:
    """The share (size, extent) that each pixel along an axis has in each of the new ones, by a triangle filter: it is
    as wide as a new pixel where the image shrinks."""
    scale = extent / size
    centres = (np.arange(size)[:, None] + 0.5) * scale - 0.5
    shares = np.maximum(1 - np.abs(centres.clip(0, extent - 1) - np.arange(extent)) / max(scale, 1), 0)
    return (shares / shares.sum(1, keepdims=True)).astype(np.float32)


def random_flip(images: np.ndarray, rng: np.random.Generator, probability: float = 0.5) -> np.ndarray:
    """Images mirrored left to right, each with a probability."""
    _check("random_flip", images)
    flipped = images.copy()
    chosen = rng.random(len(images)) < probability
    flipped[chosen] = images[chosen, :, ::-1]
    return flipped


def random_shift(images: np.ndarray, rng: np.random.Generator, most: int, fill: float = 0) -> np.ndarray:
    """Images moved by up to `most` pixels along each axis, `fill` where they leave room: a crop after padding."""
    _check("random_shift", images)
    if most < 0:
        raise ValueError(f"random_shift: most must not be negative, got {most}")
    height, width = images.shape[1:3]
    pads = ((0, 0), (most, most), (most, most)) + ((0, 0),) * (images.ndim - 3)
    padded = np.pad(images, pads, constant_values=fill)
    top, left = rng.integers(0, 2 * most + 1, (2, len(images)))
    n = np.arange(len(images))[:, None, None]
    return padded[n, (top[:, None] + np.arange(height))[:, :, None], (left[:, None] + np.arange(width))[:, None, :]]


def cutout(images: np.ndarray, rng: np.random.Generator, size: int, fill: float = 0) -> np.ndarray:
    """Images with a square of `size` pixels filled, its centre anywhere within.

    DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", arXiv:1708.04552, 2017.
    """
    _check("cutout", images)
    if size < 1:
        raise ValueError(f"cutout: size must be at least 1, got {size}")
    inside = []
    for extent in images.shape[1:3]:
        start = rng.integers(0, extent, len(images))[:, None] - size // 2
        inside.append((np.arange(extent) >= start) & (np.arange(extent) < start + size))
    cut = images.copy()
    cut[inside[0][:, :, None] & inside[1][:, None, :]] = fill
    return cut


def _check(name: str, images: np.ndarray) -> None:
    if images.ndim not in (3, 4):
        raise ValueError(f"{name}: images must be (N, H, W) or (N, H, W, C), got the shape {images.shape}")
