"""How well objects are found: average precision as COCO and VOC define it, and per class."""
from .coco import CocoEvaluator, CocoResult, coco_map
from .curves import compute_ap, eleven_point_ap
from .per_class import ClassMetrics, ap_per_class, get_batch_statistics
from .voc import VocResult, average_precision

__all__ = ["ClassMetrics", "CocoEvaluator", "CocoResult", "VocResult", "ap_per_class", "average_precision", "coco_map",
           "compute_ap", "eleven_point_ap", "get_batch_statistics"]
