"""The losses of YOLO, versions 2 to 4, for one output map of H x W cells with A anchors, and N images.

With several scales there is a loss for each, each with its own labels and boxes, and the terms are added up.  Targets
are dense, of fixed shape; what assigns truths to cells and anchors fills them, and the losses choose by masks:

    labels (N, A, H, W)     integers: the class of the object that anchor a of cell (i, j) is responsible for; -1: none,
                            it should say "no object"; -2: none, and no matter (a truth too close to tell)
    boxes  (N, A, H, W, 4)  that object's x1, y1, x2, y2 in pixels of the network's input; elsewhere anything
    truths (N, M, 4)        all objects of the image in pixels, x1, y1, x2, y2, filled up with zeros: where a prediction
                            overlaps any of them enough, "no object" is not asked of it
    weights (N, A, H, W)    what that object counts: a factor of all its terms (MixUp: Zhang et al., "Bag of freebies
                            for training object detection neural networks", 2019, section 3.1); not given, it is 1
    raw    (N, A (5 + C), H, W)  the head's output: for each anchor tx, ty, tw, th, to and C class logits

A box is decoded about its centre, x = (σ(tx) + column) stride, y = (σ(ty) + row) stride, with w = anchor w e^tw,
h = anchor h e^th (Redmon and Farhadi, "YOLO9000", CVPR 2017, section 2).  All terms are sums over an image, averaged
over images.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import ops as F
from ..autograd import no_grad
from ..nn import Module
from ..tensor import Tensor
from .terms import (
    bce_with_logits,
    corners,
    iou_of_pairs,
    one_hot,
    per_image,
    require_batch,
    require_labels,
    require_shape,
    require_type,
    squared_error,
    tensors,
)

MOST_GROWTH = math.log(1000)  # of a box over its anchor: e^tw stays finite, whatever an untrained head says


class Said(NamedTuple):
    """What the head says of each anchor at each cell: (N, A, H, W, 2), (..., 2), (N, A, H, W), (..., C)."""

    xy: Tensor
    wh: Tensor
    objectness: Tensor
    classes: Tensor


class AnchorLoss(Module):
    """What the losses of versions 2 to 4 share: they differ in `_box`, `_objectness` and `_class`.

    anchors: (w, h) of each in pixels; stride: pixels from cell to cell.  A prediction whose IoU with any truth exceeds
    ignore_threshold is not asked to say "no object".  weights: of the terms, by name.
    """

    shown = ("anchors", "stride", "ignore_threshold")
    weights: ClassVar[dict[str, float]] = {"box": 1.0, "objectness": 1.0, "noobj": 1.0, "class": 1.0}
    scale_xy = 1.0

    def __init__(self, anchors: Sequence[tuple[float, float]], stride: float, ignore_threshold: float,
                 weights: dict[str, float] | None) -> None:
        self.anchors, self.stride = tuple((float(w), float(h)) for w, h in anchors), float(stride)
        self.ignore_threshold = ignore_threshold
        if not self.anchors or not all(side > 0 for side in (*sum(self.anchors, ()), self.stride)):
            raise ValueError(f"{self._name}: anchors and stride must be positive, got {anchors!r} and {stride!r}")
        unknown = set(weights or ()) - set(self.weights)
        if unknown:
            raise ValueError(f"{self._name}: weights has {sorted(unknown)}, expected some of {list(self.weights)}")
        self.weights = {**self.weights, **(weights or {})}  # type: ignore[misc]

    @property
    def _name(self) -> str:
        return type(self).__name__

    def forward(self, raw: Any, labels: Any, boxes: Any, truths: Any, weights: Any = None) -> dict[str, Tensor]:
        raw, labels, boxes, truths = tensors(raw, labels, boxes, truths)
        said = self._by_anchor(raw)
        self._check(said, labels, boxes, truths)
        there = (labels >= 0).astype(raw.dtype)
        if weights is not None:
            weights, = tensors(weights)
            require_shape(self._name, "weights", weights, labels.shape, "these labels")
            there = there * weights
        truth = F.where((labels >= 0).unsqueeze(4), boxes, self._default(said.xy))
        with no_grad():
            decoded = self._decode(said)
            best = F.best_iou(decoded.reshape(len(raw), -1, 4), truths).reshape(labels.shape)
        empty = (labels == -1).astype(raw.dtype) * (best <= self.ignore_threshold).astype(raw.dtype)
        terms = {"box": self._box(said, truth) * there,
                 "objectness": self._objectness(said.objectness, iou_of_pairs(decoded, truth)) * there,
                 "noobj": self._no_object(said.objectness) * empty,
                 "class": self._class(said.classes, labels) * there}
        return per_image({name: term * self.weights[name] for name, term in terms.items()}, len(raw))

    # ---- geometry
    def _by_anchor(self, raw: Tensor) -> Said:
        """The head's output, taken apart."""
        a = len(self.anchors)
        if raw.ndim != 4 or raw.shape[1] % a or raw.shape[1] // a < 6:
            raise ValueError(f"{self._name}: raw must be (N, {a} (5 + C), H, W) for {a} anchors and C classes, "
                             f"got the shape {raw.shape}")
        require_batch(self._name, "raw", raw)
        n, channels, h, w = raw.shape
        t = raw.reshape(n, a, channels // a, h, w).transpose(0, 1, 3, 4, 2)
        xy, wh, objectness, classes = F.split(t, [2, 2, 1, channels // a - 5], -1)
        return Said(xy, wh, objectness.reshape(n, a, h, w), classes)

    def _cells(self, t: Tensor) -> np.ndarray:
        """Column and row of each cell, (H, W, 2)."""
        rows, columns = np.indices(t.shape[2:4])
        return np.stack([columns, rows], -1).astype(t.dtype)

    def _sides(self, t: Tensor) -> np.ndarray:
        """The anchors, (A, 1, 1, 2)."""
        return np.array(self.anchors, t.dtype).reshape(-1, 1, 1, 2)

    def _default(self, t: Tensor) -> np.ndarray:
        """Each anchor on its cell's centre: a box that stands where no truth does, so that all is finite there."""
        centre, half = (self._cells(t) + t.dtype.type(0.5)) * t.dtype.type(self.stride), self._sides(t) / 2
        return np.concatenate([centre - half, centre + half], -1)

    def _decode(self, said: Said) -> Tensor:
        """Boxes in pixels, (N, A, H, W, 4)."""
        xy = F.sigmoid(said.xy) * self.scale_xy - (self.scale_xy - 1) / 2
        sides = said.wh.clip(high=MOST_GROWTH).exp() * self._sides(said.wh)
        return corners((xy + self._cells(said.xy)) * self.stride, sides)

    def _encode(self, truth: Tensor) -> tuple[Tensor, Tensor]:
        """What σ(tx), σ(ty) and tw, th should be."""
        low, high = truth[..., :2], truth[..., 2:4]
        return (low + high) * (0.5 / self.stride) - self._cells(truth), ((high - low) / self._sides(truth)).log()

    # ---- terms, each (N, A, H, W)
    def _box(self, said: Said, truth: Tensor) -> Tensor:
        """Squared errors of σ(tx), σ(ty), tw, th."""
        xy, wh = self._encode(truth)
        return (squared_error(F.sigmoid(said.xy), xy) + squared_error(said.wh, wh)).sum(-1)

    def _objectness(self, x: Tensor, iou: Tensor) -> Tensor:
        """Where there is an object: the logistic loss of 1."""
        return bce_with_logits(x, np.ones(x.shape, x.dtype))

    def _no_object(self, x: Tensor) -> Tensor:
        """Where there is none: the logistic loss of 0."""
        return bce_with_logits(x, np.zeros(x.shape, x.dtype))

    def _class(self, x: Tensor, labels: Tensor) -> Tensor:
        """A logistic loss for each class."""
        return bce_with_logits(x, one_hot(labels, x)).sum(-1)

    # ---- contract
    def _check(self, said: Said, labels: Tensor, boxes: Tensor, truths: Tensor) -> None:
        places = said.objectness.shape
        of = f"{places[1]} anchors and raw with {places[0]} images of {places[2]} x {places[3]} cells"
        require_shape(self._name, "labels", labels, places, of)
        require_shape(self._name, "boxes", boxes, (*places, 4), of)
        require_shape(self._name, "truths", truths, (places[0], *truths.shape[1:2], 4), of)
        for name, array in (("boxes", boxes), ("truths", truths)):
            require_type(self._name, name, array, said.xy)
        require_labels(self._name, labels, -2, said.classes.shape[-1])
        flat = (labels.data >= 0) & ~(boxes.data[..., 2:] > boxes.data[..., :2]).all(-1)
        if flat.any():
            at = tuple(int(k) for k in np.argwhere(flat)[0])
            raise ValueError(f"{self._name}: box at {at} is {boxes.data[at].tolist()}, expected x1 < x2 and y1 < y2 "
                             "where a label says that there is an object")


class YOLOv2Loss(AnchorLoss):
    """Squared errors, and softmax over classes: Redmon and Farhadi, "YOLO9000", CVPR 2017, section 2.

    raw, labels, boxes, truths: see the module -> a dict of four terms, means over N, to be added up:

        box         (σ(tx) - x̂)² + (σ(ty) - ŷ)² + (tw - ln ŵ/anchor w)² + (th - ln ĥ/anchor h)²
        objectness  (σ(to) - IoU)² where there is an object, the IoU of the decoded box with its truth (no gradient)
        noobj       σ(to)² where there is none and no truth overlaps by more than ignore_threshold
        class       cross-entropy of softmax(class logits)

    The paper does not print the weights of the terms; weights defaults to those of its published configuration, 5 for
    the objectness and 1 for the others.  Errors: ValueError for shapes that do not fit, an empty batch, labels beyond
    [-2, C), a truth without area; TypeError for other element types.

    >>> loss = YOLOv2Loss(anchors=[(16, 16)], stride=32)
    >>> labels, boxes = np.array([[[[0]]]]), np.array([[[[[8.0, 8.0, 24.0, 24.0]]]]])
    >>> terms = loss(np.zeros((1, 7, 1, 1)), labels, boxes, boxes.reshape(1, 1, 4))
    >>> {name: round(term.item(), 4) for name, term in terms.items()}  # 5 times (1/2 - 1)²; log 2
    {'box': 0.0, 'objectness': 1.25, 'noobj': 0.0, 'class': 0.6931}
    """

    weights: ClassVar[dict[str, float]] = {**AnchorLoss.weights, "objectness": 5.0}

    def __init__(self, anchors: Sequence[tuple[float, float]], stride: float = 32, ignore_threshold: float = 0.6,
                 weights: dict[str, float] | None = None) -> None:
        super().__init__(anchors, stride, ignore_threshold, weights)

    def _objectness(self, x: Tensor, iou: Tensor) -> Tensor:
        return squared_error(F.sigmoid(x), iou)

    def _no_object(self, x: Tensor) -> Tensor:
        return squared_error(F.sigmoid(x), 0)

    def _class(self, x: Tensor, labels: Tensor) -> Tensor:
        losses = F.cross_entropy(x.reshape(-1, x.shape[-1]), labels.clip(0).reshape(-1), reduction="none")
        return losses.reshape(labels.shape)


class YOLOv3Loss(AnchorLoss):
    """Squared errors for the box, logistic losses for the rest: Redmon and Farhadi, "YOLOv3", 2018, section 2.

    raw, labels, boxes, truths: see the module -> a dict of four terms, means over N, to be added up:

        box         (σ(tx) - x̂)² + (σ(ty) - ŷ)² + (tw - ln ŵ/anchor w)² + (th - ln ĥ/anchor h)²
        objectness  -ln σ(to) where there is an object
        noobj       -ln(1 - σ(to)) where there is none and no truth overlaps by more than ignore_threshold
        class       binary cross-entropy, summed over classes

    x, y are compared behind the sigmoid, as in the authors' code; xy="bce" takes their binary cross-entropy with x̂, ŷ
    instead.  weights: of terms by name, 1 unless given.  Errors are those of `YOLOv2Loss`.

    >>> loss = YOLOv3Loss(anchors=[(16, 16)], stride=32)
    >>> labels, boxes = np.array([[[[0]]]]), np.array([[[[[8.0, 8.0, 24.0, 24.0]]]]])
    >>> terms = loss(np.zeros((1, 7, 1, 1)), labels, boxes, boxes.reshape(1, 1, 4))
    >>> {name: round(term.item(), 4) for name, term in terms.items()}  # log 2; 2 log 2
    {'box': 0.0, 'objectness': 0.6931, 'noobj': 0.0, 'class': 1.3863}
    """

    def __init__(self, anchors: Sequence[tuple[float, float]], stride: float, ignore_threshold: float = 0.5,
                 xy: str = "sse", weights: dict[str, float] | None = None) -> None:
        super().__init__(anchors, stride, ignore_threshold, weights)
        if xy not in ("sse", "bce"):
            raise ValueError(f"YOLOv3Loss: xy must be 'sse' or 'bce', got {xy!r}")
        self.xy = xy

    def _box(self, said: Said, truth: Tensor) -> Tensor:
        if self.xy == "sse":
            return super()._box(said, truth)
        xy, wh = self._encode(truth)
        return (bce_with_logits(said.xy, xy.clip(0, 1)) + squared_error(said.wh, wh)).sum(-1)


class YOLOv4Loss(AnchorLoss):
    """CIoU for the box, logistic losses for the rest: Bochkovskiy et al., "YOLOv4", 2020, section 3.4.

    As `YOLOv3Loss`, but box is 1 - CIoU of the decoded box with its truth (`functional.complete_box_iou_loss`).
    scale_xy: σ(tx) is stretched about 1/2 by this, so that a box reaches its cell's border ("eliminate grid
    sensitivity"); 1 leaves it.  tw, th beyond ln 1000 give no larger box, and no gradient.

    >>> loss = YOLOv4Loss(anchors=[(16, 16)], stride=32)
    >>> labels, boxes = np.array([[[[0]]]]), np.array([[[[[8.0, 8.0, 24.0, 16.0]]]]])
    >>> loss(np.zeros((1, 7, 1, 1)), labels, boxes, boxes.reshape(1, 1, 4))["box"].numpy().round(3).item()
    0.534
    """

    def __init__(self, anchors: Sequence[tuple[float, float]], stride: float, ignore_threshold: float = 0.7,
                 scale_xy: float = 1.0, weights: dict[str, float] | None = None) -> None:
        super().__init__(anchors, stride, ignore_threshold, weights)
        self.scale_xy = scale_xy

    def _box(self, said: Said, truth: Tensor) -> Tensor:
        return F.complete_box_iou_loss(self._decode(said), truth)
