"""The detectors, one file for each."""
from .refinedet import RefineDet, refinedet, refinedet320_vgg16
from .ssd import SSD, ssd300_vgg16
from .ssdlite import ssdlite, ssdlite320_mobilenet_v2, ssdlite320_mobilenet_v3_large

__all__ = [
    "SSD",
    "RefineDet",
    "refinedet",
    "refinedet320_vgg16",
    "ssd300_vgg16",
    "ssdlite",
    "ssdlite320_mobilenet_v2",
    "ssdlite320_mobilenet_v3_large",
]
