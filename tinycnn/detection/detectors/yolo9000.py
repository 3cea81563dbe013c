"""YOLO9000: YOLO v2 over a tree of classes, trained on images with boxes and on images with a class alone; Redmon and
Farhadi, "YOLO9000: better, faster, stronger", CVPR 2017, section 4, https://arxiv.org/abs/1612.08242.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...losses import WordTree, YOLO9000Loss
from ...models.backbone import Backbone
from ..yolo_anchors import YOLOScale
from .yolov2 import YOLOv2

NAMED_FROM = 0.5  # the least probability of a node that a detection is called by


class YOLO9000(YOLOv2):
    """`YOLOv2` whose labels are nodes of a tree.  options: `YOLOv2`.

    `encode` takes None for the boxes of an image of which but the class is known, its one label.  A detection is called
    by the deepest node that is likely enough, as `WordTree.deepest` finds it.

    >>> from tinycnn.models import create_model
    >>> backbone = create_model("shufflenet_v2_x0_5", features_only=True)
    >>> net = YOLO9000(backbone, WordTree.from_nested(["dog", ["terrier", "hound"], "car"]), 64, width=32)
    >>> [part.shape for part in net.encode([[[8, 8, 40, 40]], None], [[2], [0]])]
    [(2, 5, 2, 2), (2, 5, 2, 2, 4), (2, 5, 2, 2), (2, 90, 4), (2,)]
    """

    def __init__(self, backbone: Backbone, tree: WordTree, size: int | tuple[int, int], **options: Any) -> None:
        self.tree = tree
        super().__init__(backbone, len(tree), size, **options)

    def make_loss(self, scale: YOLOScale) -> YOLO9000Loss:
        return YOLO9000Loss(scale.anchors, self.tree, scale.stride)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """That of the node that each of K is called by, 0 of all others, (K, nodes)."""
        p = self.tree.probabilities(logits) if len(logits) else logits
        called = self.tree.deepest(p, NAMED_FROM)
        return np.where(called[:, None] == np.arange(len(self.tree)), p, 0)

    def encode(self, boxes: Sequence[Any], labels: Sequence[Any],
               weights: Sequence[Any] | None = None) -> tuple[np.ndarray, ...]:
        """labels, boxes, weights, truths and image_labels of `losses.YOLO9000Loss`."""
        known = [i for i, of_image in enumerate(boxes) if of_image is None]
        several = [i for i in known if np.size(labels[i]) != 1]
        if several:
            raise ValueError(f"YOLO9000.encode: an image without boxes has one label, got {labels[several[0]]!r}")
        image_labels = np.full(len(boxes), -1)
        image_labels[known] = [int(np.reshape(labels[i], -1)[0]) for i in known]
        placed = [[] if image_labels[i] >= 0 else of_image for i, of_image in enumerate(boxes)]
        kinds = [[] if image_labels[i] >= 0 else of_image for i, of_image in enumerate(labels)]
        counts = None if weights is None else [of_image[:len(of_boxes)] for of_image, of_boxes in zip(weights, placed)]
        return *super().encode(placed, kinds, counts), image_labels

    def criterion(self, raw: Any, dense: Any) -> dict[str, Any]:
        """The terms of `losses.YOLO9000Loss`."""
        labels, boxes, weights, truths, image_labels = dense
        return self.losses[0](raw[0], labels, boxes, truths, image_labels, weights)
