"""Rows of regions of interest.

torchvision's compiled kernels seldom load beside the torch of the tests.  So the oracle is what torch has: within the
map the bins of whole pixels are those of adaptive pooling, and torchvision has RoI align written in torch as well.
"""
from __future__ import annotations

import sys
from typing import Any

import numpy as np
from hypothesis import strategies as st
from torchvision_oracle import import_torchvision

from op_rows.frame import Example, case
from op_rows.pooling import distinct
from tinycnn import functional as F

SCALES = st.sampled_from([1.0, 0.5, 0.25, 2.0])


def random(draw: Any) -> np.random.Generator:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


def anywhere(draw: Any, h: int, w: int, scale: float) -> np.ndarray:
    """Boxes of two images, some reaching over the map or lying beside it, some turned round."""
    rng, k = random(draw), draw(st.integers(1, 4))
    return np.column_stack([rng.integers(0, 2, k), rng.uniform(-0.5, 1.5, (k, 4))*[w, h, w, h]/scale])


def whole(draw: Any, h: int, w: int, scale: float) -> np.ndarray:
    """Boxes of whole pixels on the map, the second corner beyond the first and before the last row and column."""
    rng, k = random(draw), draw(st.integers(1, 4))
    first = rng.integers(0, [w - 2, h - 2], (k, 2))
    second = rng.integers(first + 1, [w - 1, h - 1], (k, 2))
    return np.column_stack([rng.integers(0, 2, k), first/scale, second/scale])


def inside(draw: Any, h: int, w: int, scale: float) -> np.ndarray:
    """Boxes on the map, with room for the pixel that a box has at least."""
    rng, k = random(draw), draw(st.integers(1, 4))
    corners = np.sort(rng.uniform(0, 1, (k, 2, 2)), 1).reshape(k, 4)*[w - 1, h - 1, w - 1, h - 1]
    return np.column_stack([rng.integers(0, 2, k), corners/scale])


def regions(draw: Any, boxes: Any, per_bin: bool = False, **more: Any) -> Example:
    grid, scale = draw(st.tuples(*[st.integers(1, 3 if per_bin else 5)]*2)), draw(SCALES)
    c, (h, w) = draw(st.integers(1, 2)), draw(st.tuples(*[st.integers(3, 8) | st.just(8 if per_bin else 19)]*2))
    x = distinct(draw, 2, c*(grid[0]*grid[1] if per_bin else 1), h, w)
    return Example((x, boxes(draw, h, w, scale)),
                   {"output_size": grid, "spatial_scale": scale, **{k: draw(v) for k, v in more.items()}})


def cut(t: Any, input: Any, boxes: Any, scale: float, last: int) -> list[Any]:
    """What lies in each box of whole pixels."""
    return [input[int(n), :, int(y1):int(y2) + last, int(x1):int(x2) + last]
            for n, x1, y1, x2, y2 in (boxes*t.tensor([1, *[scale]*4], dtype=boxes.dtype)).round().tolist()]


def torch_roi_pool(t: Any, input: Any, boxes: Any, output_size: Any, spatial_scale: float) -> Any:
    pool = t.nn.functional.adaptive_max_pool2d
    return t.stack([pool(x, output_size) for x in cut(t, input, boxes, spatial_scale, 1)])


def torch_ps_roi_pool(t: Any, input: Any, boxes: Any, output_size: Any, spatial_scale: float) -> Any:
    (oh, ow), pool = output_size, t.nn.functional.adaptive_avg_pool2d
    means = t.stack([pool(x, output_size) for x in cut(t, input, boxes, spatial_scale, 0)])
    of_bins = means.reshape(len(means), -1, oh, ow, oh, ow)
    return t.stack([t.stack([of_bins[:, :, i, j, i, j] for j in range(ow)], -1) for i in range(oh)], -2)


def torch_roi_align(t: Any, input: Any, boxes: Any, output_size: Any, spatial_scale: float, sampling_ratio: int,
                    aligned: bool) -> Any:
    import_torchvision()
    plain = sys.modules["torchvision.ops.roi_align"]._roi_align.__wrapped__
    return plain(input, boxes, spatial_scale, *output_size, sampling_ratio, aligned)


SAMPLES = {"sampling_ratio": st.sampled_from([-1, 0, 1, 2, 3]), "aligned": st.booleans()}
case("roi_pool", F.roi_pool, lambda draw: regions(draw, anywhere), constant=(1,))
case("roi_pool whole", F.roi_pool, lambda draw: regions(draw, whole), torch_roi_pool, ops=("roi_pool",), constant=(1,))
case("ps_roi_pool", F.ps_roi_pool, lambda draw: regions(draw, anywhere, True), constant=(1,))
case("ps_roi_pool whole", F.ps_roi_pool, lambda draw: regions(draw, whole, True), torch_ps_roi_pool,
     ops=("ps_roi_pool",), constant=(1,))
case("roi_align", F.roi_align, lambda draw: regions(draw, anywhere, **SAMPLES), constant=(1,))
case("roi_align inside", F.roi_align, lambda draw: regions(draw, inside, **SAMPLES), torch_roi_align,
     ops=("roi_align",), constant=(1,))
