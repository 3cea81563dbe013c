"""RetinaNet: Lin, Goyal, Girshick, He, Dollar, "Focal loss for dense object detection", ICCV 2017,
https://arxiv.org/abs/1708.02002.  Names of parameters, losses and results as in torchvision.

torchvision's has L1 instead of smooth L1 for boxes, makes P6 of P5 instead of C5 (its second version of C5), divides
the losses of each image by that image's own places with a truth, and keeps 300 detections.
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, ClassVar

import numpy as np

from ...losses.dense import RetinaNetLoss
from ...models.backbone import Backbone
from ...models.registry import register_model
from ..anchors import anchor_boxes
from ..coders import decode_deltas, encode_deltas
from ..heads import DenseHead, Norm, group_norm
from ..matching import match_boxes
from ..targets import batch_targets
from .maps import feature_backbone, grid_sizes
from .pyramid import LIGHT, BackboneWithFPN, PyramidDetector, Size


@lru_cache(maxsize=16)
def retinanet_anchors(size: Size, strides: tuple[int, ...]) -> np.ndarray:
    """Nine anchors for each cell of each level, three sizes from 4 strides on, three ratios: (P, 4).

    >>> len(retinanet_anchors((512, 512), (8, 16, 32, 64, 128)))
    49104
    """
    sides = [tuple(int(4 * stride * 2**(i / 3)) for i in range(3)) for stride in strides]
    return anchor_boxes(grid_sizes(size, strides), size, sides)


class RetinaNet(PyramidDetector):
    """RetinaNet on any backbone.

    backbone: built with features_only; its last map has a stride of at most 32.  num_classes, size, further options:
    `Detector`.  channels: of the pyramid and the head.  num_convs: of each branch of the head.  norm: after each of
    them.  box_loss: "l1", "giou" or "iou" (`RetinaNetLoss`).  extra_levels: see `BackboneWithFPN`.

    An anchor answers for the truth with which its IoU is 0.5 or more, or the largest of all anchors'; below 0.4 it is
    background (section 4.1; the second rule is torchvision's).

    >>> from tinycnn.models import create_model
    >>> body = create_model("shufflenet_v2_x0_5", features_only=True, out_indices=(2, 3, 4))
    >>> net = RetinaNet(body, num_classes=3, size=64, channels=16, num_convs=1).eval()
    >>> raw = net(np.zeros((1, 3, 64, 64), np.float32))
    >>> raw["cls_logits"].shape, raw["bbox_regression"].shape
    ((1, 774, 3), (1, 774, 4))
    """

    anchors: ClassVar[int] = 9

    def __init__(self, backbone: Backbone, num_classes: int, size: int | Size, channels: int = 256, num_convs: int = 4,
                 norm: Norm | None = None, box_loss: str = "l1", extra_levels: str | None = "c5",
                 **options: Any) -> None:
        head = DenseHead(channels, num_classes, self.anchors, num_convs, norm, nested=True)
        super().__init__(BackboneWithFPN(backbone, channels, extra_levels), head, num_classes, size, **options)
        self.loss = RetinaNetLoss(box_loss)

    @property
    def anchor_boxes(self) -> np.ndarray:
        """Of all levels, for images of `size`: (P, 4), in pixels."""
        return retinanet_anchors(self.size, self.backbone.strides)

    def encode(self, boxes: Sequence[Any], labels: Sequence[Any]) -> tuple[np.ndarray, ...]:
        """Classes (N, P), num_classes for background, -1 for neither; the truths' boxes (N, P, 4), for "l1" as deltas.
        """
        anchors = self.anchor_boxes
        classes, where = batch_targets(boxes, labels, lambda truths: match_boxes(truths, anchors, 0.5, 0.4),
                                       self.num_classes)
        if self.loss.box_loss != "l1":
            return classes, where
        found = ((classes >= 0) & (classes < self.num_classes))[..., None]
        return classes, encode_deltas(np.where(found, where, anchors), anchors)

    def boxes_of(self, codes: Any, places: Any = slice(None)) -> Any:
        return decode_deltas(codes, self.anchor_boxes[places])

    def criterion(self, raw: Any, dense: Any) -> dict[str, Any]:
        labels, targets = dense
        said = raw["bbox_regression"]
        return self.loss(raw["cls_logits"], said if self.loss.box_loss == "l1" else self.boxes_of(said), labels,
                         targets)


TORCHVISION: dict[str, Any] = {"score_threshold": 0.05, "iou_threshold": 0.5, "max_detections": 300}


@partial(register_model, task="detection")
def retinanet_resnet50_fpn(num_classes: int = 91, size: int | Size = 800, **options: Any) -> RetinaNet:
    """RetinaNet on ResNet 50 as torchvision has it; options: RetinaNet.

    num_classes: 91 are COCO's numbers of classes, of which 0 and some others stand for nothing.
    """
    theirs = {"extra_levels": "p5", **TORCHVISION}
    return RetinaNet(feature_backbone("resnet50"), num_classes, size, **{**theirs, **options})


@partial(register_model, task="detection")
def retinanet_resnet50_fpn_v2(num_classes: int = 91, size: int | Size = 800, **options: Any) -> RetinaNet:
    """torchvision's second version: P6 of C5, group normalisation, and GIoU for the boxes; options: RetinaNet."""
    return RetinaNet(feature_backbone("resnet50"), num_classes, size,
                     **{"norm": group_norm, "box_loss": "giou", **TORCHVISION, **options})


@partial(register_model, task="detection")
def retinanet_fpn(backbone: str = "mobilenet_v2", num_classes: int = 80, size: int | Size = 320,
                  **options: Any) -> RetinaNet:
    """RetinaNet on a registered backbone, its head light and with group normalisation; options: RetinaNet."""
    return RetinaNet(feature_backbone(backbone), num_classes, size, **{**LIGHT, "norm": group_norm, **options})
