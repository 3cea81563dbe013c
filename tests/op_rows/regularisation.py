"""Rows of what makes training harder."""
from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from op_rows.frame import Example, case, normal, shape
from tinycnn import functional as F
from tinycnn import manual_seed


def dropped(x: Any, p: float, seed: int) -> Any:
    """Dropout with a mask that a call made again meets again."""
    manual_seed(seed)
    return F.dropout(x, p)


case("dropout", dropped, lambda draw: Example((normal(draw, *shape(draw, extent=7)),),
                                              {"p": draw(st.sampled_from([0, 0.2, 0.5, 0.9])), "seed": 3}))
