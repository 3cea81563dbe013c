"""The detectors, one file for each: its class, and the functions by which `models.create_model` knows it."""
from .atss import ATSS
from .efficientdet import EfficientDet
from .fcos import FCOS
from .gfl import GFL
from .nanodet import NanoDet
from .refinedet import RefineDet
from .retinanet import RetinaNet
from .ssd import SSD
from .ssdlite import LiteMaps
from .yolo import AnchorYOLO
from .yolo9000 import YOLO9000
from .yolov1 import YOLOv1
from .yolov2 import YOLOv2
from .yolov3 import YOLOv3
from .yolov4 import YOLOv4

__all__ = [
    "ATSS",
    "FCOS",
    "GFL",
    "SSD",
    "YOLO9000",
    "AnchorYOLO",
    "EfficientDet",
    "LiteMaps",
    "NanoDet",
    "RefineDet",
    "RetinaNet",
    "YOLOv1",
    "YOLOv2",
    "YOLOv3",
    "YOLOv4",
]
