"""The detectors, one file for each."""
from .yolov1 import YOLOv1

__all__ = ["YOLOv1"]
