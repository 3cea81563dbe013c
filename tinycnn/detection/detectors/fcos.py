"""FCOS: Tian, Shen, Chen, He, "FCOS: fully convolutional one-stage object detection", ICCV 2019,
https://arxiv.org/abs/1904.01355; second version: "FCOS: a simple and strong anchor-free object detector", TPAMI 2020,
https://arxiv.org/abs/2006.09214.  Names of parameters, losses and results as in torchvision.

torchvision's has the second version's rules, but its points are the cells' first corners, no level has a scale of its
own, and the truth's share of the loss is not weighed.  The authors' code weighs the loss of boxes by centre-ness.
"""
from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import numpy as np

from ...losses.dense import FCOSLoss
from ...models.backbone import Backbone
from ...models.registry import register_model
from ..anchors import anchor_boxes, grid_points
from ..boxes import centres_and_sides
from ..coders import decode_distances
from ..heads import DenseHead, group_norm, heads
from ..points import fcos_ranges, match_points
from .maps import feature_backbone, grid_sizes
from .pyramid import LIGHT, BackboneWithFPN, CenternessDetector, Size

VERSIONS: dict[str, dict[str, Any]] = {
    "v1": {"norm_reg_targets": False, "center_sampling_radius": None, "centerness_on_reg": False,
           "iou_loss_type": "iou", "sqrt_score": False},
    "v2": {"norm_reg_targets": True, "center_sampling_radius": 1.5, "centerness_on_reg": True,
           "iou_loss_type": "giou", "sqrt_score": True}}


@lru_cache(maxsize=16)
def fcos_points(size: Size, strides: tuple[int, ...], centred: bool) -> tuple[np.ndarray, np.ndarray]:
    """Points (P, 2) of all levels and the strides of their levels (P,).

    centred: in the middle of their cells (the paper); else where torchvision has them.
    """
    grids = grid_sizes(size, strides)
    points, of_points = grid_points(grids, strides)
    if not centred:
        points = centres_and_sides(anchor_boxes(grids, size, [(stride,) for stride in strides], (1.0,)))[0]
    return points, of_points


class FCOS(CenternessDetector):
    """FCOS on any backbone; the defaults are those of the second version, `VERSIONS` has both.

    backbone: built with features_only; its last map has a stride of at most 32.  num_classes, size, further options:
    `Detector`, `PyramidDetector`.  channels: of the pyramid and the head.  num_convs: of each branch of the head.

    norm_reg_targets: distances are told in strides, and ReLU keeps them positive; else in pixels, by e^x.
    center_sampling_radius: in strides, a point answers for a truth only if it is so near to its centre; None: from
    anywhere within.  centerness_on_reg: centre-ness is said by the branch of boxes; else by that of classes.
    iou_loss_type: "giou", or "iou" for -ln IoU.  weigh_boxes: see `FCOSLoss`.  scale_levels: a trained number for each
    level multiplies what its boxes are made of.  shared_heads: one head for all levels; else each has its own.
    centred: see `fcos_points`.  extra_levels: see `BackboneWithFPN`.

    >>> from tinycnn.models import create_model
    >>> body = create_model("shufflenet_v2_x0_5", features_only=True, out_indices=(2, 3, 4))
    >>> net = FCOS(body, num_classes=3, size=64, channels=16, num_convs=1).eval()
    >>> {name: y.shape for name, y in net(np.zeros((1, 3, 64, 64), np.float32)).items()}
    {'cls_logits': (1, 86, 3), 'bbox_regression': (1, 86, 4), 'bbox_ctrness': (1, 86, 1)}
    """

    def __init__(self, backbone: Backbone, num_classes: int, size: int | Size, channels: int = 256, num_convs: int = 4,
                 norm_reg_targets: bool = True, center_sampling_radius: float | None = 1.5,
                 centerness_on_reg: bool = True, iou_loss_type: str = "giou", weigh_boxes: bool = False,
                 scale_levels: bool = True, shared_heads: bool = True, centred: bool = True,
                 extra_levels: str | None = "p5", **options: Any) -> None:
        pyramid = BackboneWithFPN(backbone, channels, extra_levels)
        self.norm_reg_targets, self.center_sampling_radius = norm_reg_targets, center_sampling_radius
        self.centred, self.loss = centred, FCOSLoss(iou_loss_type, weigh_boxes)
        head = heads(lambda levels: DenseHead(
            channels, num_classes, 1, num_convs, group_norm, scales=levels if scale_levels else 0,
            centerness="regression" if centerness_on_reg else "classification",
            activation="relu" if norm_reg_targets else "exp"), pyramid.strides, shared_heads)
        super().__init__(pyramid, head, num_classes, size, **{"iou_threshold": 0.6, **options})

    @property
    def points(self) -> np.ndarray:
        return self._points()[0]

    def _points(self) -> tuple[np.ndarray, np.ndarray]:
        return fcos_points(self.size, self.backbone.strides, self.centred)

    def match(self, boxes: np.ndarray) -> np.ndarray:
        points, strides = self._points()
        radius = self.center_sampling_radius
        return match_points(boxes, points, fcos_ranges(strides), None if radius is None else radius * strides)

    def boxes_of(self, codes: Any, places: Any = slice(None)) -> Any:
        points, strides = self._points()
        return decode_distances(codes, points[places], strides[places, None] if self.norm_reg_targets else 1.0)


@partial(register_model, task="detection")
def fcos_resnet50_fpn(num_classes: int = 91, size: int | Size = 800, **options: Any) -> FCOS:
    """FCOS on ResNet 50 as torchvision has it; options: FCOS.

    num_classes: 91 are COCO's numbers of classes, of which 0 and some others stand for nothing.
    """
    theirs = {"scale_levels": False, "centred": False, "score_threshold": 0.2, "max_detections": 100}
    return FCOS(feature_backbone("resnet50"), num_classes, size, **{**theirs, **options})


@partial(register_model, task="detection")
def fcos_fpn(backbone: str = "mobilenet_v2", version: str = "v2", num_classes: int = 80, size: int | Size = 320,
             **options: Any) -> FCOS:
    """FCOS on a registered backbone with a light head; version: "v1" or "v2", of the paper; options: FCOS."""
    if version not in VERSIONS:
        raise ValueError(f"fcos_fpn: version must be one of {', '.join(VERSIONS)}, got {version!r}")
    return FCOS(feature_backbone(backbone), num_classes, size, **{**LIGHT, **VERSIONS[version], **options})
