"""Losses as modules: what training makes small."""
from .classification import CrossEntropyLoss

__all__ = ["CrossEntropyLoss"]
