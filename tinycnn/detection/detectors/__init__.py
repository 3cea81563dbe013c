"""The detectors, one file for each."""
from .yolo import AnchorYOLO
from .yolov2 import YOLOv2, yolov2
from .yolov3 import YOLOv3, yolov3, yolov3_tiny

__all__ = [
    "AnchorYOLO",
    "YOLOv2",
    "YOLOv3",
    "yolov2",
    "yolov3",
    "yolov3_tiny",
]
