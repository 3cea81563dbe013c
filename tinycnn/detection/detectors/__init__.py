"""The detectors, one file for each; `models.create_model` knows them by name."""
from .atss import ATSS
from .efficientdet import EfficientDet, efficientdet
from .fcos import FCOS
from .gfl import GFL, gfl
from .nanodet import NanoDet, nanodet_m
from .refinedet import RefineDet, refinedet, refinedet320_vgg16
from .retinanet import RetinaNet
from .ssd import SSD, ssd300_vgg16
from .ssdlite import ssdlite, ssdlite320_mobilenet_v2, ssdlite320_mobilenet_v3_large
from .yolo import AnchorYOLO
from .yolo9000 import YOLO9000
from .yolov1 import YOLOv1, yolov1
from .yolov2 import YOLOv2, yolov2
from .yolov3 import YOLOv3, yolov3, yolov3_tiny
from .yolov4 import YOLOv4, yolov4

__all__ = [
    "ATSS",
    "FCOS",
    "GFL",
    "SSD",
    "YOLO9000",
    "AnchorYOLO",
    "EfficientDet",
    "NanoDet",
    "RefineDet",
    "RetinaNet",
    "YOLOv1",
    "YOLOv2",
    "YOLOv3",
    "YOLOv4",
    "efficientdet",
    "gfl",
    "nanodet_m",
    "refinedet",
    "refinedet320_vgg16",
    "ssd300_vgg16",
    "ssdlite",
    "ssdlite320_mobilenet_v2",
    "ssdlite320_mobilenet_v3_large",
    "yolov1",
    "yolov2",
    "yolov3",
    "yolov3_tiny",
    "yolov4",
]
