"""Rows of what makes training harder."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from op_rows.frame import Example, case, normal, shape
from tinycnn import functional as F
from tinycnn import manual_seed


def repeatable(call: Callable[..., Any]) -> Callable[..., Any]:
    """With a mask that a call made again meets again."""
    def seeded(x: Any, seed: int, **keywords: Any) -> Any:
        manual_seed(seed)
        return call(x, **keywords)
    return seeded


def thinned(draw: Any) -> Example:
    return Example((normal(draw, *shape(draw, extent=7)),), {"p": draw(st.sampled_from([0, 0.2, 0.5, 0.9])), "seed": 3})


def thinned_maps(draw: Any) -> Example:
    """Planes shorter and longer than the 64 elements whose random counters are computed together."""
    x = normal(draw, 1, draw(st.sampled_from([1, 5, 40])), *draw(st.sampled_from([(1, 2), (5, 13)])))
    return Example((x,), {"p": draw(st.sampled_from([0, 0.2, 0.9])), "seed": 5})


case("dropout", repeatable(F.dropout), thinned)
case("drop_connect", repeatable(F.drop_connect), thinned, ops=("dropout",))
case("dropout2d", repeatable(F.dropout2d), thinned_maps, ops=("dropout_rows",))
case("drop_path", repeatable(F.drop_path), thinned, ops=("dropout_rows",))
case("stochastic_depth", repeatable(F.stochastic_depth),
     lambda draw: (lambda e: Example(e.inputs, {**e.keywords, "mode": draw(st.sampled_from(["row", "batch"]))}))(
         thinned(draw)), ops=("dropout_rows",))
