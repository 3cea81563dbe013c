"""Data for detection: annotations in files, checked before anything trains on them."""
from .coco import read_coco
from .coco_write import read_coco_results, write_coco, write_coco_results
from .records import BadDataError, DetectionImage, DetectionSet, Problem
from .voc import read_voc
from .voc_write import write_voc

__all__ = ["BadDataError", "DetectionImage", "DetectionSet", "Problem", "read_coco", "read_coco_results", "read_voc",
           "write_coco", "write_coco_results", "write_voc"]
