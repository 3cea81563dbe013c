"""Rows of operations on channels, between channels and pixels, and on the size of maps."""
from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from op_rows.frame import Example, case, normal
from tinycnn import functional as F


def grouped_channels(draw: Any) -> Example:
    n, groups, each = draw(st.tuples(*[st.integers(1, 4)] * 3))
    spatial = draw(st.sampled_from([(1, 1), (2, 3), (5, 5)]))
    return Example((normal(draw, n, groups * each, *spatial),), {"groups": groups})


case("channel_shuffle", F.channel_shuffle, grouped_channels, lambda t, x, groups: t.channel_shuffle(x, groups))


def two_branches(draw: Any) -> Example:
    shape = (*draw(st.tuples(*[st.integers(1, 5)] * 2)), *draw(st.sampled_from([(), (1, 1), (2, 3), (5, 7)])))
    return Example((normal(draw, *shape), normal(draw, *shape)))


def torch_concat_shuffle_split(t: Any, a: Any, b: Any) -> Any:
    joined = t.cat([a, b], 1)
    n, c, *rest = joined.shape
    return joined.reshape(n, 2, c // 2, *rest).transpose(1, 2).reshape(joined.shape).chunk(2, 1)


case("concat_shuffle_split", F.concat_shuffle_split, two_branches, torch_concat_shuffle_split)


def scaled(draw: Any) -> Example:
    n, c, h, w = draw(st.tuples(*[st.integers(1, 5)] * 2, *[st.integers(1, 9)] * 2))
    return Example((normal(draw, n, c, h, w), normal(draw, n, c, 1, 1)))


case("scale_channels", F.scale_channels, scaled, lambda t, x, scale: x * scale)


def in_blocks(name: str, of_channels: bool) -> Any:
    """Maps whose channels, or sides, a block divides."""
    def examples(draw: Any) -> Example:
        block, n, c, h, w = draw(st.tuples(*[st.integers(1, 3)] * 5))
        extents = (c * block * block, h, w) if of_channels else (c, h * block, w * block)
        return Example((normal(draw, n, *extents),), {name: block})
    return examples


def torch_space_to_depth(t: Any, x: Any, block: int) -> Any:
    """torch keeps what comes of one channel together: its order of channels, turned."""
    y = t.pixel_unshuffle(x, block)
    n, c, h, w = y.shape
    return y.reshape(n, -1, block * block, h, w).transpose(1, 2).reshape(n, c, h, w)


case("pixel_shuffle", F.pixel_shuffle, in_blocks("upscale_factor", True),
     lambda t, x, upscale_factor: t.pixel_shuffle(x, upscale_factor), composed=True)
case("pixel_unshuffle", F.pixel_unshuffle, in_blocks("downscale_factor", False),
     lambda t, x, downscale_factor: t.pixel_unshuffle(x, downscale_factor), composed=True)
case("space_to_depth", F.space_to_depth, in_blocks("block", False), torch_space_to_depth, composed=True)


def resized(draw: Any) -> Example:
    """To a size or by a factor, up and down; factors whose coordinates are no integers but for rounding."""
    x = normal(draw, *draw(st.tuples(*[st.integers(1, 3)] * 2)), *draw(st.tuples(*[st.integers(1, 9)] * 2)))
    sizes = st.tuples(*[st.integers(1, 20)] * 2)
    factors = st.tuples(*[st.sampled_from([1.0, 2.0, 3.0, 1.7, 2.3])] * 2)
    to = {"size": draw(sizes)} if draw(st.booleans()) else {"scale_factor": draw(factors)}
    mode = draw(st.sampled_from(["nearest", "bilinear"]))
    return Example((x,), {**to, "mode": mode, "align_corners": mode == "bilinear" and draw(st.booleans())})


def torch_interpolate(t: Any, x: Any, mode: str, align_corners: bool, **to: Any) -> Any:
    return t.nn.functional.interpolate(x, mode=mode, align_corners=align_corners if mode == "bilinear" else None, **to)


case("interpolate", F.interpolate, resized, torch_interpolate)
