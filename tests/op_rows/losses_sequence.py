"""Rows of losses of sequences."""
from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from op_rows.frame import Example, case, normal
from tinycnn import functional as F


def least_frames(labels: np.ndarray) -> int:
    """Frames that a target takes: one for each label, and a blank between equal ones."""
    return len(labels) + int((labels[1:] == labels[:-1]).sum())


def sequences(draw: Any) -> Example:
    """Targets padded or concatenated, of few classes so that labels repeat, some empty; frames that can hold them."""
    n, classes, longest = draw(st.integers(1, 4)), draw(st.integers(2, 5)), draw(st.sampled_from([0, 1, 3, 11]))
    blank = draw(st.integers(0, classes - 1))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.choice([c for c in range(classes) if c != blank], (n, longest))
    lengths = rng.integers(0, longest + 1, n)
    frames = [max(1, least_frames(row[:length])) + draw(st.integers(0, 3)) for row, length in zip(labels, lengths)]
    total = max(frames) + draw(st.integers(0, 2))
    if draw(st.booleans()):
        labels = np.concatenate([row[:length] for row, length in zip(labels, lengths)])
    return Example((normal(draw, total, n, classes, scale=2), labels, np.array(frames), lengths),
                   {"blank": blank, "reduction": draw(st.sampled_from(["mean", "sum", "none"]))})


def of_logits(x: Any, *more: Any, **keywords: Any) -> Any:
    return F.ctc_loss(F.log_softmax(x, 2), *more, **keywords)


case("ctc_loss", of_logits, sequences, lambda t, x, *more, **k: t.nn.functional.ctc_loss(x.log_softmax(2), *more, **k),
     constant=(1, 2, 3), float32=5e-5)
case("ctc_loss_of_anything", F.ctc_loss, sequences, ops=("ctc_loss",), constant=(1, 2, 3), float32=5e-5)
