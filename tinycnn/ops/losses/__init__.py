"""Losses as operations, forward beside backward: part of `tinycnn.functional`; `tinycnn.losses` has them as modules."""
from .classification import cross_entropy

__all__ = ["cross_entropy"]
