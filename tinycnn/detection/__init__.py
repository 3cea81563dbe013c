"""Detection: boxes, their codes, anchors, assignment, necks, what makes detections of a network's output,
how good they are, and how they look in the picture.
"""
from . import detectors, metrics
from .anchors import anchor_boxes, default_boxes, grid_points, square_anchors, ssd_scales
from .bifpn import EFFICIENTDET, BiFPN
from .boxes import box_convert, clip_boxes_to_image, remove_small_boxes
from .coders import (
    SSD_VARIANCES,
    decode_deltas,
    decode_distances,
    decode_grid,
    decode_logistic,
    encode_deltas,
    encode_distances,
    encode_grid,
    encode_logistic,
)
from .detector import Detector
from .draw import class_colour, draw_detections
from .files import Description, load_backbone, load_into, read_detector, save_detector
from .finder import Finder
from .heads import DenseHead, SeparateHeads
from .inputs import Inputs
from .map_sizes import map_sizes
from .matching import match_atss, match_boxes
from .names import class_names
from .necks import (
    PAN,
    FeaturePyramidNetwork,
    LastLevelMaxPool,
    LastLevelP6P7,
    LitePAN,
    PerLevel,
    Scale,
    flatten_levels,
    prior_bias,
)
from .points import centerness, fcos_ranges, match_points
from .postprocess import (
    Candidates,
    Detections,
    class_candidates,
    level_candidates,
    logit_candidates,
    multiclass_nms,
    suppress,
)
from .suppression import batched_nms, diou_nms, nms, soft_nms
from .targets import BACKGROUND, IGNORED, batch_targets, dense_targets, pad_truths, sample_matches
from .yolo_anchors import PUBLISHED, YOLOScale, kmeans_anchors, yolo_priors
from .yolo_cells import yolo_targets, yolo_v1_targets

__all__ = [
    "BACKGROUND",
    "EFFICIENTDET",
    "IGNORED",
    "PAN",
    "PUBLISHED",
    "SSD_VARIANCES",
    "BiFPN",
    "Candidates",
    "DenseHead",
    "Description",
    "Detections",
    "Detector",
    "FeaturePyramidNetwork",
    "Finder",
    "Inputs",
    "LastLevelMaxPool",
    "LastLevelP6P7",
    "LitePAN",
    "PerLevel",
    "Scale",
    "SeparateHeads",
    "YOLOScale",
    "anchor_boxes",
    "batch_targets",
    "batched_nms",
    "box_convert",
    "centerness",
    "class_candidates",
    "class_colour",
    "class_names",
    "clip_boxes_to_image",
    "decode_deltas",
    "decode_distances",
    "decode_grid",
    "decode_logistic",
    "default_boxes",
    "dense_targets",
    "detectors",
    "diou_nms",
    "draw_detections",
    "encode_deltas",
    "encode_distances",
    "encode_grid",
    "encode_logistic",
    "fcos_ranges",
    "flatten_levels",
    "grid_points",
    "kmeans_anchors",
    "level_candidates",
    "load_backbone",
    "load_into",
    "logit_candidates",
    "map_sizes",
    "match_atss",
    "match_boxes",
    "match_points",
    "metrics",
    "multiclass_nms",
    "nms",
    "pad_truths",
    "prior_bias",
    "read_detector",
    "remove_small_boxes",
    "sample_matches",
    "save_detector",
    "soft_nms",
    "square_anchors",
    "ssd_scales",
    "suppress",
    "yolo_priors",
    "yolo_targets",
    "yolo_v1_targets",
]
