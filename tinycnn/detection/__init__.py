"""Detection: finding objects in images, telling how well that was done, and showing it."""
from . import metrics
from .draw import class_colour, draw_detections

__all__ = ["class_colour", "draw_detections", "metrics"]
