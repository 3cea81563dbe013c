"""The detectors, one file for each."""
from .yolo import AnchorYOLO
from .yolo9000 import YOLO9000
from .yolov1 import YOLOv1, yolov1
from .yolov2 import YOLOv2, yolov2
from .yolov3 import YOLOv3, yolov3, yolov3_tiny
from .yolov4 import YOLOv4, yolov4

__all__ = [
    "YOLO9000",
    "AnchorYOLO",
    "YOLOv1",
    "YOLOv2",
    "YOLOv3",
    "YOLOv4",
    "yolov1",
    "yolov2",
    "yolov3",
    "yolov3_tiny",
    "yolov4",
]
