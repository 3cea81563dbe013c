"""LSTM and GRU, a step and a sequence, and attention."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from tinycnn import functional as F
from tinycnn import nn

from .frame import Side, Task, group, normal

SEQUENCES = ((1, 1, 64, 64), (1, 16, 256, 256), (26, 1, 512, 256), (26, 16, 512, 256))  # T, N, features, hidden: CRNN's


def module(kind: str, features: int, hidden: int, **more: Any) -> tuple:
    """(ours, theirs): functions that make the same module, in each engine."""
    theirs = getattr(torch.nn, kind)(features, hidden, **more)

    def make_ours() -> Side:
        ours = getattr(nn, kind)(features, hidden, **more)
        ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
        return Side(ours, list(ours.parameters()))

    return make_ours, lambda: Side(theirs, list(theirs.parameters()))


@group("recurrent")
def recurrent() -> Iterator[Task]:
    for kind in ("LSTM", "GRU"):
        for steps, n, features, hidden in SEQUENCES:
            for both in (False, True) if steps > 1 else (False,):
                yield Task(f"{kind}{' bidirectional' if both else ''} to {hidden}",
                           *module(kind, features, hidden, bidirectional=both), [normal(steps, n, features)], made=True)


@group("attention")
def attention() -> Iterator[Task]:
    for shape in ((1, 4, 49, 24), (8, 6, 196, 64)):
        q, k, v = (normal(*shape, seed=i) for i in range(3))
        yield Task("scaled_dot_product_attention", lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
                   torch.nn.functional.scaled_dot_product_attention, [q, k, v], (0, 1, 2))
