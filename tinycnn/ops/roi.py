"""Regions of interest: boxes of any size on a feature map, each pooled to a grid of one size.

Boxes (K, 5) are rows of (image, x1, y1, x2, y2), in pixels of the picture; spatial_scale brings them to the map's.
No coordinate reaches a kernel as an address: here they become bounds inside the map, and the kernels check those.
"""
from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .._kernels import get_num_threads, kernels, scratch
from ..autograd import Function, Shape
from ..tensor import Tensor
from .geometry import Pair, pair

FARTHEST = 1 << 22  # pixels from the origin: what lies beyond is moved there; float32 still has half pixels there
MOST_SAMPLES = 1 << 10  # of a bin along one axis: more say nothing new, and take their time


class _RoI(Function):
    """What pooling of regions shares: the contract, the coordinates, and no gradient for boxes."""

    inputs = ("input", "boxes")
    indices = ("boxes",)
    attributes: ClassVar[tuple[str, ...]] = ("output_size", "spatial_scale")
    output_size: Pair
    spatial_scale: float

    def shapes(self, input, boxes):
        """input (N, C, H, W), boxes (K, 5), to (K, C, *output_size); K may be 0."""
        if len(input) != 4 or 0 in input:
            raise ValueError(f"{self.op}: input must have the axes (N, C, H, W), none of extent 0, got {input}")
        if len(boxes) != 2 or boxes[1] != 5:
            raise ValueError(f"{self.op}: boxes must have the shape (K, 5), an image and four corners, got {boxes}")
        return boxes[0], self.channels(input[1]), *self.output_size

    def channels(self, given: int) -> int:
        """Channels of the output."""
        return given

    def forward(self, input, boxes):
        y = self.empty(input.dtype)
        images = _images(self.op, boxes[:, 0], len(input))
        corners, sound = _corners(boxes, input.dtype.type(self.spatial_scale), input.dtype)
        self.save(input=input, y=y, where=(images, *self.axes(corners, sound, input.shape)) if len(boxes) else None)
        if len(boxes):
            self.run(input, y, *self.saved.where)
        return y

    def backward(self, gy):
        gx = np.empty_like(self.saved.input)
        if self.saved.where is None:
            gx.fill(0)
        else:
            self.run_back(gy, gx, *self.saved.where)
        return gx, None

    def axes(self, corners: np.ndarray, sound: np.ndarray, shape: Shape) -> tuple[np.ndarray, ...]:
        """What the kernels take to find rows and columns of bins."""
        raise NotImplementedError

    def run(self, x: np.ndarray, y: np.ndarray, *where: np.ndarray) -> None:
        """Fill y."""
        raise NotImplementedError

    def run_back(self, gy: np.ndarray, gx: np.ndarray, *where: np.ndarray) -> None:
        """Fill gx."""
        raise NotImplementedError


def _images(op: str, numbers: np.ndarray, count: int) -> np.ndarray:
    """The first column of boxes as indices; ValueError where one names no image."""
    whole = (numbers >= 0) & (numbers < count) & (numbers == np.floor(numbers))
    if not whole.all():
        k = int(np.argmin(whole))
        raise ValueError(f"{op}: boxes[{k}] begins with {numbers[k]!s}, expected the number of one of {count} images")
    return numbers.astype(np.intp)


def _corners(boxes: np.ndarray, scale: np.floating, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Corners (4, K) on the map, no farther than FARTHEST, and which boxes hold no NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        corners = boxes[:, 1:].astype(dtype).T * scale
    sound = ~np.isnan(corners).any(0)
    return np.clip(np.where(sound, corners, 0), -FARTHEST, FARTHEST), sound


def _round(x: np.ndarray) -> np.ndarray:
    """To the nearest integer, halves away from 0 as C does; numpy would take the even one."""
    whole = np.trunc(x)
    return (whole + np.sign(x)*(np.abs(x - whole) >= 0.5)).astype(np.intp)


def _bounds(start: np.ndarray, length: np.ndarray, sound: np.ndarray, bins: int, size: int,
            dtype: np.dtype) -> np.ndarray:
    """[start, stop) of the bins of an axis (K, bins, 2) inside the map: floor and ceiling of equal parts."""
    part = length.astype(dtype)/dtype.type(bins)
    i = np.arange(bins, dtype=dtype)
    first, last = np.floor(i*part[:, None]), np.ceil((i + 1)*part[:, None])
    bounds = np.stack([first, last], 2).astype(np.intp) + start[:, None, None]
    return np.ascontiguousarray(np.clip(bounds, 0, size)*sound[:, None, None])


class RoIPool(_RoI, op="roi_pool"):
    """The largest element of each bin."""

    def axes(self, corners, sound, shape):
        """Whole pixels, the last one included."""
        x1, y1, x2, y2 = _round(corners)
        return (_bounds(y1, np.maximum(y2 - y1 + 1, 1), sound, self.output_size[0], shape[2], corners.dtype),
                _bounds(x1, np.maximum(x2 - x1 + 1, 1), sound, self.output_size[1], shape[3], corners.dtype))

    def run(self, x, y, *where):
        kernels(x.dtype).roi_pool_forward(x, y, scratch(x.shape[3]*get_num_threads(), x.dtype), *where)

    def run_back(self, gy, gx, *where):
        kernels(gy.dtype).roi_pool_backward(self.saved.input, self.saved.y, gy, gx, *where)


class PSRoIPool(_RoI, op="ps_roi_pool"):
    """The mean of each bin, from a channel of its own."""

    def channels(self, given):
        bins = self.output_size[0]*self.output_size[1]
        if given % bins:
            raise ValueError(f"ps_roi_pool: the {given} channels of input are no multiple of the {bins} bins of "
                             f"output_size {self.output_size}")
        return given//bins

    def axes(self, corners, sound, shape):
        """Whole pixels, the last one excluded, and the map's last row and column as well: torchvision's rule."""
        x1, y1, x2, y2 = _round(corners)
        return (_bounds(y1, np.maximum(y2 - y1, 1), sound, self.output_size[0], shape[2] - 1, corners.dtype),
                _bounds(x1, np.maximum(x2 - x1, 1), sound, self.output_size[1], shape[3] - 1, corners.dtype))

    def run(self, x, y, *where):
        kernels(x.dtype).ps_roi_pool_forward(x, y, *where)

    def run_back(self, gy, gx, *where):
        kernels(gy.dtype).ps_roi_pool_backward(gy, gx, *where)


class RoIAlign(_RoI, op="roi_align"):
    """The mean of bilinear samples of each bin."""

    attributes = ("output_size", "spatial_scale", "sampling_ratio", "aligned")
    sampling_ratio: int
    aligned: bool

    def axes(self, corners, sound, shape):
        """The weight that the bins of each box give to rows and to columns, and the bounds of those that have one."""
        x1, y1, x2, y2 = corners - corners.dtype.type(0.5) if self.aligned else corners
        return (*self._weights(y1, y2, sound, self.output_size[0], shape[2]),
                *self._weights(x1, x2, sound, self.output_size[1], shape[3]))

    def _weights(self, start: np.ndarray, end: np.ndarray, sound: np.ndarray, bins: int,
                 size: int) -> tuple[np.ndarray, np.ndarray]:
        length = end - start if self.aligned else np.maximum(end - start, 1)
        start = np.where(sound, start, -FARTHEST)  # outside of every map
        weights = np.empty((len(start), bins, size), start.dtype)
        bounds = np.empty((len(start), bins, 2), np.intp)
        kernels(start.dtype).roi_align_axis(np.ascontiguousarray(start), np.ascontiguousarray(length), weights, bounds,
                                            self.sampling_ratio)
        return weights, bounds

    def run(self, x, y, *where):
        kernels(x.dtype).roi_align_forward(x, y, scratch(x.shape[3]*get_num_threads(), x.dtype), *where)

    def run_back(self, gy, gx, *where):
        kernels(gy.dtype).roi_align_backward(gy, gx, scratch(gx.shape[3]*get_num_threads(), gy.dtype), *where)


def _boxes(op: str, boxes: Any) -> Any:
    """A list with the (L, 4) corners of each image, as (K, 5) with the image's number in front."""
    if not isinstance(boxes, (list, tuple)):
        return boxes.detach() if isinstance(boxes, Tensor) else boxes
    arrays = [b.data if isinstance(b, Tensor) else np.asarray(b) for b in boxes]
    for i, b in enumerate(arrays):
        if b.ndim != 2 or b.shape[1] != 4:
            raise ValueError(f"{op}: boxes[{i}] must have the shape (L, 4), got {b.shape}")
    rows = [np.column_stack([np.full(len(b), i, np.float64), b]) for i, b in enumerate(arrays)]
    return np.concatenate(rows) if rows else np.zeros((0, 5))


def _common(op: str, output_size: Any, spatial_scale: float) -> dict[str, Any]:
    """The attributes that all have."""
    scale = float(spatial_scale)
    if not 0 < scale < float("inf"):
        raise ValueError(f"{op}: spatial_scale must be a positive number, got {spatial_scale!r}")
    return {"output_size": pair(output_size, "output_size", op), "spatial_scale": scale}


def roi_pool(input, boxes, output_size, spatial_scale: float = 1.0):
    """Each box of input (N, C, H, W) cut into output_size bins, and the largest element of each: (K, C, *output_size).

    boxes: (K, 5), rows of (image, x1, y1, x2, y2), or a list with the (L, 4) boxes of each image; without boxes the
    result has no elements (and gx is 0).  output_size: an int or (height, width).  spatial_scale: size of the map over
    size of the picture.

    Corners are rounded to whole pixels, both of which belong to the box; bins run from the floor to the ceiling of
    equal parts, and may overlap.  A bin outside the map, or of a box with NaN in it, gives 0 and takes no gradient; an
    infinite corner lies far outside.  gx: gy goes to the first of the largest elements of its bin; boxes get none.
    Values as torchvision's, but that a NaN of the input wins.  Raises ValueError for other shapes, and for a box whose
    first number is not the number of an image.

    Girshick, "Fast R-CNN", ICCV 2015, section 2.1.

    >>> import numpy as np
    >>> x = np.arange(16, dtype="float32").reshape(1, 1, 4, 4)
    >>> roi_pool(x, np.array([[0, 0, 0, 2, 2]]), 2).tolist()
    [[[[5.0, 6.0], [9.0, 10.0]]]]
    """
    return RoIPool.apply(input, _boxes("roi_pool", boxes), **_common("roi_pool", output_size, spatial_scale))


def ps_roi_pool(input, boxes, output_size, spatial_scale: float = 1.0):
    """Position-sensitive: bin (i, j) of channel c is the mean over channel (c oh + i) ow + j of input there.

    input: (N, C oh ow, H, W); the result: (K, C, oh, ow).  boxes, output_size, spatial_scale: as for `roi_pool`.
    Corners are rounded to whole pixels, of which the second does not belong to the box; nor are the last row and the
    last column of the map ever read.  Both is torchvision's rule, and its values.  A bin without elements gives 0.
    gx: each element of a bin takes gy / their number.  Raises ValueError as `roi_pool`, and for channels that are no
    multiple of oh ow.

    Dai, Li, He and Sun, "R-FCN", NeurIPS 2016, equation 1.

    >>> import numpy as np
    >>> x = np.arange(4, dtype="float32").reshape(1, 4, 1, 1) * np.ones((5, 5), "float32")
    >>> ps_roi_pool(x, np.array([[0, 0, 0, 4, 4]]), 2).tolist()
    [[[[0.0, 1.0], [2.0, 3.0]]]]
    """
    return PSRoIPool.apply(input, _boxes("ps_roi_pool", boxes), **_common("ps_roi_pool", output_size, spatial_scale))


def roi_align(input, boxes, output_size, spatial_scale: float = 1.0, sampling_ratio: int = -1, aligned: bool = False):
    """Each box of input (N, C, H, W) cut into output_size bins, and the mean of bilinear samples in each.

    boxes, output_size, spatial_scale: as for `roi_pool`; nothing is rounded.  sampling_ratio: samples of a bin on an
    axis; -1: as many as bring them no more than a pixel apart.  aligned: pixels have their centre at half a pixel, as
    boxes do (False, the first version, is half a pixel off, and takes boxes as at least one pixel wide).  A sample more
    than one pixel outside counts as 0.  A box with NaN in it gives 0; an infinite corner lies far outside.
    gx: what a sample weighs comes back by the same weights; boxes get no gradient.  Raises ValueError as `roi_pool`.

    He, Gkioxari, Dollar and Girshick, "Mask R-CNN", ICCV 2017, section 3.

    >>> import numpy as np
    >>> x = np.arange(16, dtype="float32").reshape(1, 1, 4, 4)
    >>> roi_align(x, [np.array([[0.5, 0.5, 2.5, 2.5]])], 2, aligned=True).tolist()
    [[[[2.5, 3.5], [6.5, 7.5]]]]
    """
    if not isinstance(sampling_ratio, int) or sampling_ratio > MOST_SAMPLES:
        raise ValueError(f"roi_align: sampling_ratio must be an integer up to {MOST_SAMPLES}, got {sampling_ratio!r}")
    return RoIAlign.apply(input, _boxes("roi_align", boxes), **_common("roi_align", output_size, spatial_scale),
                          sampling_ratio=sampling_ratio, aligned=bool(aligned))
