"""The detectors, a file each."""
from .efficientdet import EfficientDet, efficientdet
from .gfl import GFL, gfl
from .nanodet import NanoDet, nanodet_m

__all__ = ["GFL", "EfficientDet", "NanoDet", "efficientdet", "gfl", "nanodet_m"]
