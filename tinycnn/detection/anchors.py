"""Where boxes are looked for: points, anchors and default boxes of all maps of a network, as one array.

Rows go map by map, in each map row by row and column by column, and in each cell anchor by anchor; so do the outputs
of a head (N, A K, H, W) once they are (N, H W A, K).  Boxes are xyxy in pixels of the network's input, float32.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

GridSizes = Sequence[tuple[int, int]]  # (H, W) of each map

SSD300_RATIOS = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))
SSD300_SCALES = (0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05)  # of the image's side: those of the authors for COCO
SSD300_STEPS = (8, 16, 32, 64, 100, 300)
RETINANET_SIDES = tuple(tuple(int(side * 2 ** (i / 3)) for i in range(3)) for side in (32, 64, 128, 256, 512))
RPN_SIDES = ((32,), (64,), (128,), (256,), (512,))  # on a feature pyramid
RATIOS = (0.5, 1.0, 2.0)  # height over width


def as_grids(call: str, grid_sizes: GridSizes, **per_map: Sequence[Any]) -> list[tuple[int, int]]:
    """The maps' sizes, if they are sizes and each list has as many entries."""
    grids = [tuple(size) for size in grid_sizes]
    if not grids or any(len(grid) != 2 or not all(isinstance(n, (int, np.integer)) and n > 0 for n in grid)
                        for grid in grids):
        raise ValueError(f"{call}: grid_sizes must be (height, width) of each map, positive integers, got {grid_sizes}")
    for name, values in per_map.items():
        if len(values) != len(grids):
            raise ValueError(f"{call}: {name} has {len(values)} entries for {len(grids)} maps")
    return grids  # type: ignore[return-value]


def cell_places(grid: tuple[int, int], offset: float) -> np.ndarray:
    """Column and row of each cell of an (H, W) map, plus an offset: (H, W, 2)."""
    rows, columns = np.indices(grid)
    return np.stack([columns, rows], -1) + offset


def grid_points(grid_sizes: GridSizes, strides: Sequence[int],
                offset: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Where the cells of each map are in the image, x and y (P, 2), and the strides of their maps (P,).

    offset: 0.5: the centre of the cell (FCOS, GFL, NanoDet); 0: its first corner, as torchvision has it in FCOS.

    >>> points, strides = grid_points([(1, 2), (1, 1)], (8, 16))
    >>> points.tolist(), strides.tolist()
    ([[4.0, 4.0], [12.0, 4.0], [8.0, 8.0]], [8.0, 8.0, 16.0])
    """
    grids = as_grids("grid_points", grid_sizes, strides=strides)
    points = [cell_places(grid, offset).reshape(-1, 2) * stride for grid, stride in zip(grids, strides)]
    counts = [len(of_map) for of_map in points]
    return np.concatenate(points).astype(np.float32), np.repeat(np.array(strides, np.float32), counts)


def square_anchors(grid_sizes: GridSizes, strides: Sequence[int], scale: float = 8, offset: float = 0.5) -> np.ndarray:
    """One square of scale strides about each point of `grid_points`: (P, 4).

    Zhang et al., "Bridging the gap between anchor-based and anchor-free detection via adaptive training sample
    selection", CVPR 2020, section 4.1: the anchors of ATSS, and of GFL.

    >>> square_anchors([(1, 1)], (8,)).tolist()
    [[-28.0, -28.0, 36.0, 36.0]]
    """
    points, stride = grid_points(grid_sizes, strides, offset)
    half = stride[:, None] * np.float32(scale / 2)
    return np.concatenate([points - half, points + half], 1)


def _cell_anchors(sides: Sequence[float], ratios: Sequence[float]) -> np.ndarray:
    """Anchors about (0, 0), with whole corners: the first ratio in every size, then the second ..."""
    side, root = np.array(sides, np.float32), np.sqrt(np.array(ratios, np.float32))[:, None]
    w, h = (1 / root * side).ravel(), (root * side).ravel()
    return np.round(np.stack([-w, -h, w, h], 1) / 2)


def anchor_boxes(grid_sizes: GridSizes, image_size: tuple[int, int], sides: Sequence[Sequence[float]],
                 ratios: Sequence[float] = RATIOS) -> np.ndarray:
    """Anchors of every size and ratio (height over width) about the first corner of each cell: (P, 4), as torchvision.

    image_size: (height, width) of the network's input; the stride is its whole part by the map's size.  sides: for each
    map the square roots of the anchors' areas: RETINANET_SIDES, RPN_SIDES.  Corners are rounded about the cell.

    Ren et al., "Faster R-CNN", NeurIPS 2015, section 3.1; Lin et al., "Focal loss", ICCV 2017, section 4.

    >>> anchor_boxes([(1, 2)], (16, 32), [(8,)], ratios=(1.0,)).tolist()
    [[-4.0, -4.0, 4.0, 4.0], [12.0, -4.0, 20.0, 4.0]]
    """
    grids = as_grids("anchor_boxes", grid_sizes, sides=sides)
    boxes = []
    for grid, of_map in zip(grids, sides):
        stride = [image_size[1] // grid[1], image_size[0] // grid[0]]
        corner = np.tile(cell_places(grid, 0) * stride, 2).reshape(-1, 1, 4)
        boxes.append((corner + _cell_anchors(of_map, ratios)).reshape(-1, 4))
    return np.concatenate(boxes).astype(np.float32)


def ssd_scales(maps: int, smallest: float = 0.2, largest: float = 0.95) -> tuple[float, ...]:
    """Sides of default boxes over the image's side, evenly spaced over the maps, and 1 behind the last of them.

    Liu et al., "SSD", ECCV 2016, equation 4; 0.2 and 0.95 are SSDLite's (Sandler et al., "MobileNetV2", CVPR 2018).

    >>> [round(scale, 2) for scale in ssd_scales(4)]
    [0.2, 0.45, 0.7, 0.95, 1.0]
    """
    if not (isinstance(maps, int) and maps > 0 and 0 < smallest <= largest):
        raise ValueError(f"ssd_scales: expected a positive number of maps and 0 < smallest <= largest, got {maps!r}, "
                         f"{smallest!r} and {largest!r}")
    steps = max(1, maps - 1)
    return (*(smallest + (largest - smallest) * i / steps for i in range(maps)), 1.0)


def _default_sides(scale: float, following: float, ratios: Sequence[float]) -> np.ndarray:
    """(w, h) of a map's default boxes over the image: of ratio 1 twice, then each ratio lying and standing."""
    between = math.sqrt(scale * following)
    sides = [(scale, scale), (between, between)]
    for ratio in ratios:
        root = math.sqrt(ratio)
        sides += [(scale * root, scale / root), (scale / root, scale * root)]
    return np.array(sides).clip(0, 1)


def default_boxes(grid_sizes: GridSizes, image_size: tuple[int, int], ratios: Sequence[Sequence[float]],
                  scales: Sequence[float], steps: Sequence[float] | None = None) -> np.ndarray:
    """SSD's default boxes, 2 + 2 len(ratios) about the centre of each cell: (P, 4), in torchvision's order.

    image_size: (height, width).  ratios: of each map.  scales: side over the image's side, of each map and one more.
    steps: pixels from cell to cell of each map; None: the image's side by the map's.  No side exceeds the image's.

    Liu et al., "SSD: Single shot multibox detector", ECCV 2016, section 2.2.

    >>> boxes = default_boxes([(38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)], (300, 300),
    ...                       SSD300_RATIOS, SSD300_SCALES, SSD300_STEPS)
    >>> boxes.shape
    (8732, 4)
    """
    grids = as_grids("default_boxes", grid_sizes, ratios=ratios, **({} if steps is None else {"steps": steps}))
    if len(scales) != len(grids) + 1:
        raise ValueError(f"default_boxes: scales has {len(scales)} entries, expected {len(grids) + 1}: one for each "
                         "map, and one more")
    extent = np.array(image_size[::-1], np.float64)
    boxes = []
    for i, grid in enumerate(grids):
        pitch = extent / grid[::-1] if steps is None else np.full(2, steps[i])
        centre = (cell_places(grid, 0.5) * pitch)[:, :, None]
        half = _default_sides(scales[i], scales[i + 1], ratios[i]) * extent / 2
        boxes.append(np.concatenate([centre - half, centre + half], -1).reshape(-1, 4))
    return np.concatenate(boxes).astype(np.float32)
