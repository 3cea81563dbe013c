"""The detectors, one file for each."""
from .ssd import SSD, ssd300_vgg16
from .ssdlite import ssdlite, ssdlite320_mobilenet_v2, ssdlite320_mobilenet_v3_large

__all__ = ["SSD", "ssd300_vgg16", "ssdlite", "ssdlite320_mobilenet_v2", "ssdlite320_mobilenet_v3_large"]
