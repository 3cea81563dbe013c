"""ATSS: Zhang, Chi, Yao, Lei, Li, "Bridging the gap between anchor-based and anchor-free detection via adaptive
training sample selection", CVPR 2020, https://arxiv.org/abs/1912.02424.

The authors' code compares the threshold with the class's probability alone; here it is the score that has to exceed it.
"""
from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import numpy as np

from ...losses.dense import FCOSLoss
from ...models.backbone import Backbone
from ...models.registry import register_model
from ..anchors import square_anchors
from ..boxes import centres_and_sides
from ..coders import SSD_VARIANCES, decode_deltas, decode_distances
from ..heads import DenseHead, group_norm, heads
from ..matching import match_atss
from .maps import feature_backbone, grid_sizes
from .pyramid import LIGHT, BackboneWithFPN, CenternessDetector, Size

ANCHOR = 8  # side of an anchor in strides


@lru_cache(maxsize=16)
def atss_anchors(size: Size, strides: tuple[int, ...]) -> np.ndarray:
    """One square anchor about the middle of each cell: (P, 4)."""
    return square_anchors(grid_sizes(size, strides), strides, ANCHOR)


class ATSS(CenternessDetector):
    """ATSS on any backbone: RetinaNet or FCOS, and the truths choose their anchors themselves.

    backbone: built with features_only; its last map has a stride of at most 32.  num_classes, size, further options:
    `Detector`, `PyramidDetector`.  channels: of the pyramid and the head.  num_convs: of each branch of the head.
    regression_type: "box", deltas of the anchor (RetinaNet), or "point", distances from its middle (FCOS); section 3.3
    finds them alike; at first both say the anchor.  topk: a truth's candidates on each level (algorithm 1: k).
    shared_heads: see `FCOS`.  extra_levels: see `BackboneWithFPN`.

    >>> from tinycnn.models import create_model
    >>> body = create_model("shufflenet_v2_x0_5", features_only=True, out_indices=(2, 3, 4))
    >>> net = ATSS(body, num_classes=3, size=64, channels=16, num_convs=1).eval()
    >>> {name: y.shape for name, y in net(np.zeros((1, 3, 64, 64), np.float32)).items()}
    {'cls_logits': (1, 86, 3), 'bbox_regression': (1, 86, 4), 'bbox_ctrness': (1, 86, 1)}
    """

    def __init__(self, backbone: Backbone, num_classes: int, size: int | Size, channels: int = 256, num_convs: int = 4,
                 regression_type: str = "box", topk: int = 9, shared_heads: bool = True,
                 extra_levels: str | None = "p5", **options: Any) -> None:
        if regression_type not in ("box", "point"):
            raise ValueError(f"ATSS: regression_type must be 'box' or 'point', got {regression_type!r}")
        pyramid = BackboneWithFPN(backbone, channels, extra_levels)
        self.regression_type, self.topk = regression_type, topk
        self.loss = FCOSLoss("giou", weigh_boxes=True, box_weight=2.0)
        boxes: dict[str, Any] = {"activation": "relu", "box_bias": ANCHOR / 2} if regression_type == "point" else {}
        head = heads(lambda levels: DenseHead(channels, num_classes, 1, num_convs, group_norm, scales=levels,
                                              centerness="regression", **boxes), pyramid.strides, shared_heads)
        super().__init__(pyramid, head, num_classes, size, **{"iou_threshold": 0.6, **options})

    @property
    def anchor_boxes(self) -> np.ndarray:
        """Of all levels, for images of `size`: (P, 4), in pixels."""
        return atss_anchors(self.size, self.backbone.strides)

    @property
    def points(self) -> np.ndarray:
        return centres_and_sides(self.anchor_boxes)[0]

    def match(self, boxes: np.ndarray) -> np.ndarray:
        return match_atss(boxes, self.anchor_boxes, self.level_sizes, self.topk)

    def boxes_of(self, codes: Any, places: Any = slice(None)) -> Any:
        anchors = self.anchor_boxes[places]
        if self.regression_type == "box":
            return decode_deltas(codes, anchors, SSD_VARIANCES)
        points, sides = centres_and_sides(anchors)
        return decode_distances(codes, points, sides[..., :1] / ANCHOR)


@partial(register_model, task="detection")
def atss_resnet50_fpn(num_classes: int = 80, size: int | Size = 800, **options: Any) -> ATSS:
    """ATSS on ResNet 50, as in the paper; options: ATSS."""
    return ATSS(feature_backbone("resnet50"), num_classes, size, **options)


@partial(register_model, task="detection")
def atss_fpn(backbone: str = "mobilenet_v2", num_classes: int = 80, size: int | Size = 320, **options: Any) -> ATSS:
    """ATSS on a registered backbone with a light head; options: ATSS."""
    return ATSS(feature_backbone(backbone), num_classes, size, **{**LIGHT, **options})
