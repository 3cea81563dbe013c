"""Joint training of detection and classification: Redmon and Farhadi, "YOLO9000", CVPR 2017, section 4."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from .. import ops as F
from ..autograd import no_grad
from ..tensor import Tensor
from .terms import one_hot, require_labels, require_shape, squared_error, tensors
from .word_tree import WordTree
from .yolo import Said, YOLOv2Loss

ASSUMED_IOU = 0.3  # of the box that is taken for the truth of an image of which only the class is known


class YOLO9000Loss(YOLOv2Loss):
    """`YOLOv2Loss` over a tree of classes, for batches that mix images with boxes and images with but a class.

    raw (N, A (5 + nodes), H, W), labels, boxes, truths: see `losses.yolo`; a label is any node of the tree, and what
    lies below it is not asked for.  image_labels (N,): the node that an image shows, no more being known of it, or -1
    for one with boxes; what labels and boxes say of the former does not count.  -> the four terms, whose class term
    is -ln of the label's probability in the tree, and two of images with a class alone:

        image_class       -ln of its probability, at the one place where it is likeliest: objectness times probability
        image_objectness  (0.3 - σ(to))² there, if σ(to) is less: the box is taken to overlap the truth by 0.3

    Nothing else of such an image counts.  No gradient flows through the choice of the place.  threshold: a place of
    less objectness times probability does not count either.  assumed_iou: 0.3; Darknet's own code has 0, no such term.
    Means over all N.  Errors: those of `YOLOv2Loss`, and ValueError for a raw of another number of nodes, and for
    image_labels of another shape or beyond [-1, nodes).

    >>> tree = WordTree.from_nested(["dog", ["terrier", "hound"], "car"])
    >>> loss = YOLO9000Loss([(16, 16)], tree)
    >>> terms = loss(np.zeros((1, 9, 1, 1)), np.full((1, 1, 1, 1), -1), np.zeros((1, 1, 1, 1, 4)),
    ...              np.zeros((1, 0, 4)), np.array([2]))
    >>> {name: round(term.item(), 4) for name, term in terms.items() if term.item()}  # log 4
    {'image_class': 1.3863}
    """

    weights: ClassVar[dict[str, float]] = {**YOLOv2Loss.weights, "image_class": 1.0, "image_objectness": 5.0}

    def __init__(self, anchors: Sequence[tuple[float, float]], tree: WordTree, stride: float = 32,
                 ignore_threshold: float = 0.6, threshold: float = 0.0, assumed_iou: float = ASSUMED_IOU,
                 weights: dict[str, float] | None = None) -> None:
        super().__init__(anchors, stride, ignore_threshold, weights)
        for name, value in (("threshold", threshold), ("assumed_iou", assumed_iou)):
            if not 0 <= value <= 1:
                raise ValueError(f"YOLO9000Loss: {name} must be within [0, 1], got {value!r}")
        self.tree, self.threshold, self.assumed_iou = tree, threshold, assumed_iou

    def forward(self, raw: Any, labels: Any, boxes: Any, truths: Any,  # type: ignore[override]
                image_labels: Any, weights: Any = None) -> dict[str, Tensor]:
        raw, labels, image_labels = tensors(raw, labels, image_labels)
        said = self._by_anchor(raw)
        self._check_image_labels(said, image_labels)
        alone = image_labels >= 0
        labels = F.where(alone.reshape(-1, 1, 1, 1), np.full(labels.shape, -2), labels)
        return {**super().forward(raw, labels, boxes, truths, weights), **self._of_images(said, image_labels)}

    def _of_images(self, said: Said, image_labels: Tensor) -> dict[str, Tensor]:
        """The terms of images of which the class alone is known."""
        n, nodes = len(image_labels), len(self.tree)
        logits, confidence = said.classes.reshape(n, -1, nodes), F.sigmoid(said.objectness.reshape(n, -1))
        wanted = one_hot(image_labels, said.classes)                                     # (N, nodes)
        chosen = self._chosen(logits, confidence, wanted)                                # (N, P)
        there = chosen.sum(1)
        known = self.tree.log_probabilities((logits * chosen.unsqueeze(2)).sum(1))
        lacking = (self.assumed_iou - (confidence * chosen).sum(1)).clip(0)
        terms = {"image_class": -(known * wanted).sum(1), "image_objectness": squared_error(lacking, 0)}
        return {name: (term * there).sum() * (self.weights[name] / n) for name, term in terms.items()}

    def _chosen(self, logits: Tensor, confidence: Tensor, wanted: Tensor) -> Tensor:
        """1 at the place where each image's class is likeliest, if it is likely enough; images with boxes have none."""
        with no_grad():
            logs = (self.tree.log_probabilities(logits) * wanted.unsqueeze(1)).sum(2)
            score = logs.exp() * confidence
            enough = (score > self.threshold).astype(score.dtype)
            return F.one_hot_max(score) * enough * wanted.sum(1).unsqueeze(1)

    def _class(self, x: Tensor, labels: Tensor) -> Tensor:
        """-ln of the label's probability: cross-entropies of the softmax among siblings, on the way from the root."""
        return -(self.tree.log_probabilities(x) * one_hot(labels, x)).sum(-1)

    def _check_image_labels(self, said: Said, image_labels: Tensor) -> None:
        n, nodes = len(said.xy), said.classes.shape[-1]
        if nodes != len(self.tree):
            raise ValueError(f"YOLO9000Loss: raw has logits of {nodes} nodes, expected {len(self.tree)}")
        require_shape("YOLO9000Loss", "image_labels", image_labels, (n,), f"raw with {n} images")
        require_labels("YOLO9000Loss", image_labels, -1, nodes)
