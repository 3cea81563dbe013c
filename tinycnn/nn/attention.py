"""Attention with learned scores."""
from __future__ import annotations

from typing import Any

from .. import ops as F
from .layers import Linear, _positive
from .module import Module


class AdditiveAttention(Module):
    """Where a decoder's state looks among an encoder's: weights softmax(v . tanh(W q + U k)), context their sum of k.

    forward(query, keys, mask): query (N, query_size), or (N, L, query_size) for L of them; keys (N, S, key_size); mask
    (N, S), booleans, True where a key may be looked at, or None for all.  Returns the context, (N, key_size) or
    (N, L, key_size), and the weights, (N, S) or (N, L, S).  A row whose keys are all masked has weights and context 0.

    Parameters: query.weight (hidden_size, query_size), key.weight (hidden_size, key_size), score.weight (1,
    hidden_size).  Raises ValueError where shapes do not fit.
    Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and translate", ICLR 2015,
    section 3.1 and appendix A.1.2.

    >>> import numpy as np
    >>> context, weights = AdditiveAttention(4, 6, 8)(np.ones((2, 4), np.float32), np.ones((2, 5, 6), np.float32))
    >>> context.shape, weights.shape
    ((2, 6), (2, 5))
    """

    shown = ("query_size", "key_size", "hidden_size")

    def __init__(self, query_size: int, key_size: int, hidden_size: int) -> None:
        _positive("AdditiveAttention", query_size=query_size, key_size=key_size, hidden_size=hidden_size)
        self.query_size, self.key_size, self.hidden_size = query_size, key_size, hidden_size
        self.query = Linear(query_size, hidden_size, bias=False)
        self.key = Linear(key_size, hidden_size, bias=False)
        self.score = Linear(hidden_size, 1, bias=False)

    def forward(self, query: Any, keys: Any, mask: Any = None) -> Any:
        self._require(query, keys, mask)
        n, s = keys.shape[:2]
        queries = self.query(query).reshape(n, -1, 1, self.hidden_size)
        meeting = F.tanh(queries + self.key(keys).unsqueeze(1))  # (N, L, S, hidden_size)
        scores = self.score(meeting).reshape(n, -1, s)
        weights = F.masked_softmax(scores, None if mask is None else mask.reshape(n, 1, s))
        context = F.matmul(weights, keys)
        return (context[:, 0], weights[:, 0]) if len(query.shape) == 2 else (context, weights)

    def _require(self, query: Any, keys: Any, mask: Any) -> None:
        if len(keys.shape) != 3 or keys.shape[2] != self.key_size or 0 in keys.shape:
            raise ValueError(f"AdditiveAttention: keys must be (N, S, {self.key_size}), none of them 0, "
                             f"got the shape {keys.shape}")
        n, s = keys.shape[:2]
        if len(query.shape) not in (2, 3) or (query.shape[0], query.shape[-1]) != (n, self.query_size):
            raise ValueError(f"AdditiveAttention: query must be ({n}, {self.query_size}) or "
                             f"({n}, L, {self.query_size}), got the shape {query.shape}")
        if mask is not None and mask.shape != (n, s):
            raise ValueError(f"AdditiveAttention: mask must be {(n, s)}, got the shape {mask.shape}")
