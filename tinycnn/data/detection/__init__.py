"""Data for detection: annotations in files, checked before anything trains on them, and transforms of both.

The transforms take and return a `Sample`: an image with its boxes; the random ones draw from the Generator they are
given.
"""
from .coco import read_coco
from .coco_write import read_coco_results, write_coco, write_coco_results
from .colour import distort_colour
from .crops import random_expansion, random_patch
from .jitter import random_window, scale_colour
from .letterbox import Placement, letterbox, placed, placement
from .mosaic import mixup, mosaic, multi_scale_size
from .recipes import RECIPES, augment, sample_rng
from .records import DetectionImage, DetectionSet
from .sample import Sample, crop, random_flip, resize
from .voc import read_voc
from .voc_write import write_voc

__all__ = ["RECIPES", "DetectionImage", "DetectionSet", "Placement", "Sample", "augment", "crop", "distort_colour",
           "letterbox", "mixup", "mosaic", "multi_scale_size", "placed", "placement", "random_expansion", "random_flip",
           "random_patch", "random_window", "read_coco", "read_coco_results", "read_voc", "resize", "sample_rng",
           "scale_colour", "write_coco", "write_coco_results", "write_voc"]
