"""GFL: Li et al., "Generalized focal loss: learning qualified and distributed bounding boxes for dense object
detection", NeurIPS 2020, https://arxiv.org/abs/2006.04388.

A point says of each class how well its box will fit if it is of that class, and of each side of the box a distribution
over bins 0 .. n, in strides, whose mean is the side (equation 4).  Quality focal loss (5) teaches the first, GIoU and
distribution focal loss (6) the second; truths are given to points by ATSS.

As in the authors' code, and not in the paper: the losses of boxes are averaged over points weighed by the best of
their scores.  Unlike there: anchors are centred on their cells, and a side longer than n strides counts as n.
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from ... import ops as F
from ...autograd import no_grad
from ...losses.terms import iou_of_pairs, one_hot, require_shape, tensors
from ...models.backbone import Backbone
from ...models.registry import register_model
from ...nn import Conv2d, GroupNorm, Module, ModuleList
from ...tensor import Tensor
from ..anchors import square_anchors
from ..boxes import centres_and_sides, clip_boxes_to_image
from ..coders import decode_distances, encode_distances
from ..detector import Detector
from ..heads import start_head
from ..inputs import Inputs
from ..matching import match_atss
from ..necks import FeaturePyramidNetwork, LastLevelP6P7, Scale, flatten_levels, start_scores
from ..postprocess import Detections, logit_candidates, suppress
from ..targets import batch_targets
from .maps import feature_backbone, grid_sizes, require_maps_of

STRIDES = (8, 16, 32, 64, 128)
GROUPS = 32  # of the head's normalisations
BETA = 2.0  # of quality focal loss, section 4
BOX_WEIGHT, SIDE_WEIGHT = 2.0, 0.25  # lambda 0 and 1 of equation 8, section 4 and the authors' code
LEAST_WEIGHT = 1e-6  # that points have together, so that no point at all gives 0
CANDIDATES = 1000  # of each map, before suppression


class ConvNorm(Module):
    """3x3, group normalisation and ReLU, named `conv` and `gn`."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        self.conv = Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.gn = GroupNorm(GROUPS, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.gn(self.conv(x)))


class GFLHead(Module):
    """Maps -> logits (N, P, num_classes) and distributions (N, P, 4 bins), one head for all maps (figure 7 (a)).

    channels: of the maps and within, a multiple of 32.  num_convs: before the last, for classes and for boxes.
    """

    def __init__(self, channels: int, num_classes: int, bins: int, levels: int, num_convs: int) -> None:
        self.num_classes, self.bins = num_classes, bins
        self.cls_convs = ModuleList(ConvNorm(channels, channels) for _ in range(num_convs))
        self.reg_convs = ModuleList(ConvNorm(channels, channels) for _ in range(num_convs))
        self.gfl_cls = Conv2d(channels, num_classes, 3, padding=1)
        self.gfl_reg = Conv2d(channels, 4 * bins, 3, padding=1)
        self.scales = ModuleList(Scale() for _ in range(levels))
        self.apply(start_head)
        start_scores(self.gfl_cls)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        said = [self._of_map(x, scale) for x, scale in zip(maps, self.scales, strict=True)]
        logits, distributions = zip(*said)
        return flatten_levels(logits, self.num_classes), flatten_levels(distributions, 4 * self.bins)

    def _of_map(self, x: Tensor, scale: Module) -> tuple[Tensor, Tensor]:
        of_class = of_box = x
        for for_class, for_box in zip(self.cls_convs, self.reg_convs):
            of_class, of_box = for_class(of_class), for_box(of_box)
        return self.gfl_cls(of_class), scale(self.gfl_reg(of_box))


class Priors(NamedTuple):
    """Where the P predictions of a canvas stand; shared, not to be written to."""

    anchors: np.ndarray  # (P, 4) xyxy
    points: np.ndarray  # (P, 2)
    strides: np.ndarray  # (P, 1)
    counts: list[int]  # of each map


@lru_cache(maxsize=32)
def priors_of(size: tuple[int, int], strides: tuple[int, ...], scale: float) -> Priors:
    """Priors of a canvas (height, width): squares of scale strides about the centres of cells."""
    grids = grid_sizes(size, strides)
    counts = [height * width for height, width in grids]
    anchors = square_anchors(grids, strides, scale)
    of_each = np.repeat(np.array(strides, np.float32), counts)[:, None]
    return Priors(anchors, centres_and_sides(anchors)[0], of_each, counts)


def mean_bins(logits: np.ndarray) -> np.ndarray:
    """`functional.integral` of arrays, which may be empty."""
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights @ np.arange(logits.shape[-1], dtype=logits.dtype) / weights.sum(-1)


class GFL(Detector):
    """A detector that learns by generalized focal loss; raw: logits (N, P, num_classes), distributions (N, P, 4 bins).

    backbone, fpn, head: image -> maps at the reductions 8, 16 and 32 -> maps -> raw.  strides: of the latter, each
    twice the one before.  reg_max: n of the bins 0 .. n.  anchor_scale: side of ATSS' anchors in strides.
    options: `Detector`'s.

    dense: labels (N, P), num_classes where there is no truth; boxes (N, P, 4), xyxy in pixels, there the anchors; and
    sides (N, P, 4), their distances from the points in strides, within [0, n].
    """

    default_inputs = Inputs("corner")

    def __init__(self, backbone: Backbone, fpn: Module, head: Module, num_classes: int, size: int | tuple[int, int],
                 strides: Sequence[int] = STRIDES, reg_max: int = 16, anchor_scale: float = 8, **options: Any) -> None:
        super().__init__(num_classes, size, **{"iou_threshold": 0.6, **options})
        require_maps_of(type(self).__name__, backbone)
        self.strides, self.reg_max, self.anchor_scale = tuple(strides), reg_max, anchor_scale
        self.backbone, self.fpn, self.head = backbone, fpn, head

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(self.fpn(self.backbone(x)))

    def priors(self) -> Priors:
        """Where predictions stand on the canvas."""
        return priors_of(self.size, self.strides, self.anchor_scale)

    def encode(self, boxes: Sequence[Any], labels: Sequence[Any]) -> tuple[np.ndarray, ...]:
        priors = self.priors()
        match = partial(match_atss, anchors=priors.anchors, level_sizes=priors.counts)
        classes, places = batch_targets(boxes, labels, match, background=self.num_classes)
        places = np.where((classes < self.num_classes)[..., None], places, priors.anchors)
        sides = encode_distances(places, priors.points, priors.strides).clip(0, self.reg_max)
        return classes, places, sides

    def criterion(self, raw: Any, dense: Any) -> dict[str, Tensor]:
        """Quality focal loss over the number of positives; GIoU and distribution focal loss, weighed: equation 8."""
        logits, distributions, classes, boxes, sides = tensors(*raw, *dense)
        require_shape(f"{type(self).__name__}.criterion", "labels", classes, logits.shape[:2], "these logits")
        positive = (classes < self.num_classes).astype(logits.dtype)
        said = self._boxes(distributions)
        with no_grad():
            fit = iou_of_pairs(said, boxes) * positive
            quality = one_hot(classes, logits) * fit.unsqueeze(2)
            weights = F.sigmoid(logits.max(-1)) * positive
            weights = weights / weights.sum().clip(LEAST_WEIGHT)
        of_box = F.generalized_box_iou_loss(said, boxes) * weights
        of_side = F.distribution_focal_loss(distributions.reshape(-1, self.reg_max + 1), sides.reshape(-1),
                                            reduction="none").reshape(sides.shape).mean(-1) * weights
        return {"quality": F.quality_focal_loss(logits, quality, BETA, reduction="sum") / positive.sum().clip(1),
                "box": of_box.sum() * BOX_WEIGHT, "distribution": of_side.sum() * SIDE_WEIGHT}

    def _boxes(self, distributions: Tensor) -> Tensor:
        """Boxes in pixels (N, P, 4) of distributions (N, P, 4 bins)."""
        n, p = distributions.shape[:2]
        priors = self.priors()
        return decode_distances(F.integral(distributions.reshape(n, p, 4, -1)), priors.points, priors.strides)

    def decode(self, raw: Any) -> list[Detections]:
        return [self._detections(*of_image) for of_image in zip(*raw)]

    def _detections(self, logits: np.ndarray, distributions: np.ndarray) -> Detections:
        """Of one image, from logits (P, C) and distributions (P, 4 bins)."""
        priors = self.priors()
        chosen = logit_candidates(logits, self.score_threshold, CANDIDATES, priors.counts)
        sides = mean_bins(distributions[chosen.places].reshape(-1, 4, self.reg_max + 1))
        boxes = decode_distances(sides, priors.points[chosen.places], priors.strides[chosen.places])
        return suppress(clip_boxes_to_image(boxes, self.size), chosen.scores, chosen.labels, self.iou_threshold,
                        self.max_detections)


def gfl(backbone: Backbone, num_classes: int, size: int | tuple[int, int], channels: int = 256, num_convs: int = 4,
        reg_max: int = 16, **options: Any) -> GFL:
    """GFL on the pyramid of a backbone with maps at the reductions 8, 16 and 32: P3 to P5, and P6 and P7 of P5.

    channels: of the pyramid and the head, a multiple of 32.  num_convs: of each branch of the head.  reg_max: n of the
    bins 0 .. n.  options: `Detector`'s.
    """
    fpn = FeaturePyramidNetwork(backbone.channels, channels, LastLevelP6P7(channels, channels))
    head = GFLHead(channels, num_classes, reg_max + 1, len(STRIDES), num_convs)
    return GFL(backbone, fpn, head, num_classes, size, reg_max=reg_max, **options)


@partial(register_model, task="detection")
def gfl_resnet50_fpn(num_classes: int = 80, size: int | tuple[int, int] = (800, 1344), **options: Any) -> GFL:
    """GFL on ResNet-50, for images of 800 x 1333 pixels or less; options: `gfl`'s."""
    return gfl(feature_backbone("resnet50"), num_classes, size, **options)


@partial(register_model, task="detection")
def gfl_fpn(backbone: str = "mobilenet_v2", num_classes: int = 80, size: int | tuple[int, int] = 320,
            channels: int = 64, num_convs: int = 2, **options: Any) -> GFL:
    """GFL on a registered network with a light head; options: `gfl`'s.

    >>> detector = gfl_fpn("mobilenet_v3_small", num_classes=3, size=64)
    >>> [y.shape for y in detector(np.zeros((1, 3, 64, 64), np.float32))]
    [(1, 86, 3), (1, 86, 68)]
    """
    return gfl(feature_backbone(backbone), num_classes, size, channels, num_convs, **options)
