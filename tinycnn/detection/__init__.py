"""Detection: finding objects in images, and telling how well that was done."""
from . import metrics

__all__ = ["metrics"]
