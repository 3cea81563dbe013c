"""The detectors, one file for each."""
from .yolo import AnchorYOLO
from .yolov1 import YOLOv1, yolov1
from .yolov2 import YOLOv2, yolov2
from .yolov3 import YOLOv3, yolov3, yolov3_tiny
from .yolov4 import YOLOv4, yolov4

__all__ = [
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
from .ssd import SSD, ssd300_vgg16
from .ssdlite import ssdlite, ssdlite320_mobilenet_v2, ssdlite320_mobilenet_v3_large

__all__ = ["SSD", "ssd300_vgg16", "ssdlite", "ssdlite320_mobilenet_v2", "ssdlite320_mobilenet_v3_large"]
"""The detectors, a file each."""
from .efficientdet import EfficientDet, efficientdet
from .gfl import GFL, gfl
from .nanodet import NanoDet, nanodet_m

__all__ = ["GFL", "EfficientDet", "NanoDet", "efficientdet", "gfl", "nanodet_m"]
"""The detectors, one file each; `models.create_model` knows them by name."""
from .atss import ATSS
from .fcos import FCOS
from .retinanet import RetinaNet

__all__ = ["ATSS", "FCOS", "RetinaNet"]
