"""Rows of operations on channels."""
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
