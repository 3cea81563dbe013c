"""Attention: one node where nothing is masked or dropped, else composed from the matrix product and softmax."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._kernels import kernels
from ..autograd import Function, Shape
from .arithmetic import where
from .contracts import as_tensor
from .dropout import dropout
from .linear import matmul, product
from .softmax import softmax


class Attention(Function, op="scaled_dot_product_attention"):
    """softmax(scale q kᵀ) v, with p for the softmax: nothing is masked or dropped."""

    inputs = ("query", "key", "value")
    attributes = ("scale",)
    scale: float

    def shapes(self, query, key, value):
        """(..., L, E), (..., S, E), (..., S, V) to (..., L, V)."""
        return (*query[:-1], value[-1])

    def forward(self, query, key, value):
        query = query * query.dtype.type(self.scale)
        p = product(query, key, transpose_b=True)
        rows = p.reshape(-1, p.shape[-1])
        kernels(p.dtype).softmax_forward(rows, rows)
        self.save(query=query, key=key, value=value, p=p)
        return product(p, value)

    def backward(self, gy):
        """gp = gy vᵀ, gs = p (gp - sum gp p): gq = scale gs k, gk = scale gsᵀ q, gv = pᵀ gy."""
        saved, p = self.saved, self.saved.p
        gs = product(gy, saved.value, transpose_b=True)
        rows = gs.reshape(-1, gs.shape[-1])
        kernels(p.dtype).softmax_backward(p.reshape(rows.shape), rows, rows)
        return (product(gs, saved.key) * p.dtype.type(self.scale), product(gs, saved.query, transpose_a=True),
                product(p, gy, transpose_a=True))


def masked_softmax(scores, mask=None):
    """Softmax along the last axis, over the elements where `mask` holds; 0 elsewhere, and in a row without any.

    scores: (..., S); mask: booleans that broadcast to it, or None for all.  A row without a permitted element has the
    gradient 0.  Raises TypeError for a mask that is not boolean.

    >>> masked_softmax(np.zeros((2, 3), "f"), np.array([[True, True, False], [False, False, False]])).tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    """
    scores = as_tensor(scores)
    if mask is None:
        return softmax(scores, -1)
    allowed = as_tensor(mask).data
    if allowed.dtype.kind != "b":
        raise TypeError(f"masked_softmax: mask must be boolean, got {allowed.dtype}")
    if not _broadcasts(allowed.shape, scores.shape):
        raise ValueError(f"masked_softmax: mask of shape {allowed.shape} does not broadcast to {scores.shape}")
    some = allowed.any(-1, keepdims=True)  # a row of minus infinities would be NaN, and its gradient too
    scores = where(allowed | ~some, scores, np.array(-np.inf, scores.dtype))
    return softmax(scores, -1) * some.astype(scores.dtype)


def _broadcasts(shape: Shape, to: Shape) -> bool:
    return len(shape) <= len(to) and all(n in (1, m) for n, m in zip(reversed(shape), reversed(to)))


def _attention_mask(scores: Any, attn_mask: Any, is_causal: bool) -> tuple[Any, Any]:
    """Scores, with what a floating mask adds, and the booleans that are left to apply."""
    if is_causal:
        if attn_mask is not None:
            raise ValueError("scaled_dot_product_attention: attn_mask must be None where is_causal=True")
        return scores, np.tri(*scores.shape[-2:], dtype=bool)
    if attn_mask is None:
        return scores, None
    mask = as_tensor(attn_mask)
    if not _broadcasts(mask.shape, scores.shape):
        raise ValueError(f"scaled_dot_product_attention: attn_mask of shape {mask.shape} does not broadcast "
                         f"to {scores.shape}")
    if mask.dtype.kind == "b":
        return scores, mask.data
    allowed = mask.data > -np.inf
    return scores + where(allowed, mask, np.zeros((), scores.dtype)), allowed


def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p: float = 0.0, is_causal: bool = False,
                                 scale: float | None = None):
    """softmax(query key^T / sqrt(E)) value: (..., L, E), (..., S, E), (..., S, V) to (..., L, V).

    attn_mask: broadcasts to (..., L, S); booleans, True where the key may be attended to, or numbers that are added to
    the scores.  is_causal: query i attends to keys 0 to i.  A query that may attend to none gets zeros, and no gradient
    flows from it, as in torch.  dropout_p: the share of attention weights dropped, always: pass 0 where not training.
    scale: in place of 1 / sqrt(E).  Raises ValueError naming the argument whose shape does not fit.
    Vaswani et al., "Attention is all you need", NIPS 2017, section 3.2.1.

    >>> q, k, v = np.zeros((1, 4), "f"), np.ones((2, 4), "f"), np.array([[1], [3]], "f")
    >>> scaled_dot_product_attention(q, k, v).tolist()
    [[2.0]]
    """
    op, (query, key, value) = "scaled_dot_product_attention", map(as_tensor, (query, key, value))
    for name, x in (("query", query), ("key", key), ("value", value)):
        if x.ndim < 2 or 0 in x.shape:
            raise ValueError(f"{op}: {name} must have two axes or more, none of extent 0, got the shape {x.shape}")
    if key.shape[-1] != query.shape[-1]:
        raise ValueError(f"{op}: key of shape {key.shape} must end in {query.shape[-1]}, as query {query.shape} does")
    if value.shape[-2] != key.shape[-2]:
        raise ValueError(f"{op}: value of shape {value.shape} must have {key.shape[-2]} rows, as key {key.shape} has")
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    plain = attn_mask is None and not is_causal and dropout_p == 0
    if plain and query.shape[:-2] == key.shape[:-2] == value.shape[:-2]:
        return Attention.apply(query, key, value, scale=float(scale))
    transposed = key.transpose(*range(key.ndim - 2), -1, -2)
    scores, allowed = _attention_mask(matmul(query * scale, transposed), attn_mask, is_causal)
    return matmul(dropout(masked_softmax(scores, allowed), dropout_p), value)
