"""EfficientDet: Tan, Pang, Le, "EfficientDet: scalable and efficient object detection", CVPR 2020,
https://arxiv.org/abs/1911.09070.  Outside the backbone, names of parameters are those of the effdet package
(github.com/rwightman/efficientdet-pytorch), in it torchvision's.

What the paper leaves open is as in its authors' code: nine anchors to a cell (three sizes from 4 strides on, D7 from
5, three ratios), a truth's best anchor is always its own, a Huber loss of delta 0.1 for boxes, weight 50, both losses
over one more than the number of positives, 90 classes for COCO's category numbers 1 to 90.  Boxes are coded as
(y, x, h, w).  Unlike there: D6 and D7 weigh the maps they fuse, as the others; padding is symmetric, as in effdet's
networks without "tf_" before their names.
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from ... import ops as F
from ...losses.terms import one_hot, require_shape, tensors
from ...models.backbone import Backbone
from ...models.registry import register_model
from ...nn import BatchNorm2d, Module, ModuleList, Sequential
from ...tensor import Tensor
from ..anchors import cell_places
from ..bifpn import EFFICIENTDET, EPS, MOMENTUM, BiFPN, SeparableConv2d, start_bifpn
from ..boxes import clip_boxes_to_image
from ..coders import decode_deltas, encode_deltas
from ..detector import Detector
from ..inputs import Inputs
from ..matching import match_boxes
from ..necks import flatten_levels, start_scores
from ..postprocess import Detections, logit_candidates, suppress
from ..targets import batch_targets
from .maps import feature_backbone, grid_sizes, require_maps_of

STRIDES = (8, 16, 32, 64, 128)  # of P3 to P7
LEVELS = len(STRIDES)
OCTAVES = (0, 1 / 3, 2 / 3)  # anchors' sizes: powers of 2 over the smallest
RATIOS = ((1.0, 1.0), (1.4, 0.7), (0.7, 1.4))  # their sides (w, h) over their size
ANCHORS = len(OCTAVES) * len(RATIOS)
ANCHOR_SCALES = (4.0,) * 7 + (5.0,)  # of D0 to D7: the smallest size, in strides
MATCHED = 0.5  # IoU from which an anchor answers for a truth
ALPHA, GAMMA = 0.25, 1.5  # of focal loss, section 5.1
DELTA, BOX_WEIGHT = 0.1, 50.0
CANDIDATES = 5000  # of all maps, before suppression
ORDER = [1, 0, 3, 2]  # x, y, w, h as y, x, h, w, and back


class LevelNorms(ModuleList):
    """A normalisation for each map."""

    def forward(self, x: Tensor, level: int) -> Tensor:
        return self[level](x)


class HeadNet(Module):
    """Maps -> (N, P, outputs): separable convolutions for all maps, their normalisations for each map (section 4.2)."""

    def __init__(self, channels: int, outputs: int, depth: int) -> None:
        self.outputs = outputs
        self.conv_rep = ModuleList(SeparableConv2d(channels, channels, norm=False) for _ in range(depth))
        self.bn_rep = ModuleList(
            LevelNorms(Sequential(bn=BatchNorm2d(channels, EPS, MOMENTUM)) for _ in range(LEVELS))
            for _ in range(depth))
        self.predict = SeparableConv2d(channels, outputs * ANCHORS, bias=True, norm=False)
        self.apply(start_bifpn)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        return flatten_levels([self._of_map(x, level) for level, x in enumerate(maps)], self.outputs)

    def _of_map(self, x: Tensor, level: int) -> Tensor:
        for conv, norms in zip(self.conv_rep, self.bn_rep):
            x = F.silu(norms(conv(x), level))
        return self.predict(x)


@lru_cache(maxsize=32)
def octave_anchors(size: tuple[int, int], scale: float) -> np.ndarray:
    """Nine anchors about the centre of each cell of P3 to P7, xyxy (P, 4); scale: of the smallest, in strides.

    >>> octave_anchors((128, 128), 4.0).shape
    (3069, 4)
    """
    sides = np.array([[2.0**octave * side for side in ratio] for octave in OCTAVES for ratio in RATIOS])
    boxes = []
    for grid in grid_sizes(size, STRIDES):
        pitch = np.array(size[::-1]) / grid[::-1]
        centre, half = (cell_places(grid, 0.5) * pitch)[:, :, None], sides * pitch * scale / 2
        boxes.append(np.concatenate([centre - half, centre + half], -1).reshape(-1, 4))
    return np.concatenate(boxes).astype(np.float32)


class EfficientDet(Detector):
    """EfficientDet; raw: logits (N, P, num_classes) and codes (N, P, 4) of P anchors.

    backbone: with three maps, of the reductions 8, 16 and 32.  channels, cells: of the BiFPN; head_depth: convolutions
    of the heads; fusion: "fast" or "softmax", see `BiFPN`; anchor_scale: of the smallest anchors, in strides.  options:
    `Detector`'s.

    dense: labels (N, P), num_classes where there is no truth, and codes (N, P, 4), 0 there.
    """

    default_inputs = Inputs("corner", fill=0.0)

    def __init__(self, backbone: Backbone, num_classes: int = 90, size: int | tuple[int, int] = 512,
                 channels: int = 64, cells: int = 3, head_depth: int = 3, fusion: str = "fast",
                 anchor_scale: float = ANCHOR_SCALES[0], **options: Any) -> None:
        super().__init__(num_classes, size, **options)
        require_maps_of("EfficientDet", backbone)
        self.anchor_scale = anchor_scale
        self.backbone = backbone
        self.fpn = BiFPN(backbone.channels, channels, cells, LEVELS, fusion)
        self.class_net = HeadNet(channels, num_classes, head_depth)
        self.box_net = HeadNet(channels, 4, head_depth)
        start_scores(self.class_net.predict.conv_pw)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.fpn(self.backbone(x))
        return self.class_net(maps), self.box_net(maps)

    def anchors(self) -> np.ndarray:
        """The anchors of the canvas (P, 4), xyxy; not to be written to."""
        return octave_anchors(self.size, self.anchor_scale)

    def encode(self, boxes: Sequence[Any], labels: Sequence[Any]) -> tuple[np.ndarray, ...]:
        anchors = self.anchors()
        match = partial(match_boxes, anchors=anchors, high=MATCHED, low=MATCHED, best="own")
        classes, places = batch_targets(boxes, labels, match, background=self.num_classes)
        codes, found = np.zeros_like(places), np.nonzero(classes < self.num_classes)
        codes[found] = encode_deltas(places[found], anchors[found[1]])[:, ORDER]
        return classes, codes

    def criterion(self, raw: Any, dense: Any) -> dict[str, Tensor]:
        """Focal loss of all anchors, Huber loss of those that answer for a truth."""
        logits, said, classes, codes = tensors(*raw, *dense)
        require_shape("EfficientDet.criterion", "labels", classes, logits.shape[:2], "these logits")
        positive = (classes < self.num_classes).astype(logits.dtype)
        count = positive.sum() + 1
        of_class = F.sigmoid_focal_loss(logits, one_hot(classes, logits), ALPHA, GAMMA, "sum")
        of_box = F.huber_loss(said, codes, "none", DELTA).mean(-1) * positive
        return {"class": of_class / count, "box": of_box.sum() * BOX_WEIGHT / count}

    def decode(self, raw: Any) -> list[Detections]:
        return [self._detections(*of_image) for of_image in zip(*raw)]

    def _detections(self, logits: np.ndarray, codes: np.ndarray) -> Detections:
        """Of one image, from logits (P, C) and codes (P, 4)."""
        chosen = logit_candidates(logits, self.score_threshold, CANDIDATES)
        boxes = decode_deltas(codes[chosen.places][:, ORDER], self.anchors()[chosen.places])
        return suppress(clip_boxes_to_image(boxes, self.size), chosen.scores, chosen.labels, self.iou_threshold,
                        self.max_detections)


def efficientdet(scale: int = 0, backbone: str | None = None, **options: Any) -> EfficientDet:
    """EfficientDet of a scale, 0 to 7, of the paper's table 1.

    backbone: the name of another registered network than the scale's.  options: `EfficientDet`'s, which else are the
    scale's.  Raises ValueError for another scale.

    >>> detector = efficientdet(backbone="mobilenet_v3_small", num_classes=3, size=64).eval()
    >>> [y.shape for y in detector(np.zeros((1, 3, 64, 64), np.float32))]
    [(1, 774, 3), (1, 774, 4)]
    """
    if scale not in range(len(EFFICIENTDET)):
        raise ValueError(f"efficientdet: scale must be from 0 to {len(EFFICIENTDET) - 1}, got {scale!r}")
    row = EFFICIENTDET[scale]
    own = {"size": row.resolution, "channels": row.channels, "cells": row.cells, "head_depth": row.head_depth,
           "anchor_scale": ANCHOR_SCALES[scale]}
    return EfficientDet(feature_backbone(backbone or row.backbone), **{**own, **options})


@partial(register_model, task="detection")
def efficientdet_d0(**options: Any) -> EfficientDet:
    """EfficientDet-D0, 512 pixels: 3.9 M parameters, 2.5 G multiply-adds; options: `efficientdet`'s."""
    return efficientdet(0, **options)


@partial(register_model, task="detection")
def efficientdet_d1(**options: Any) -> EfficientDet:
    """EfficientDet-D1, 640 pixels: 6.6 M parameters; options: `efficientdet`'s."""
    return efficientdet(1, **options)


@partial(register_model, task="detection")
def efficientdet_d2(**options: Any) -> EfficientDet:
    """EfficientDet-D2, 768 pixels: 8.1 M parameters; options: `efficientdet`'s."""
    return efficientdet(2, **options)


@partial(register_model, task="detection")
def efficientdet_d3(**options: Any) -> EfficientDet:
    """EfficientDet-D3, 896 pixels: 12 M parameters; options: `efficientdet`'s."""
    return efficientdet(3, **options)


@partial(register_model, task="detection")
def efficientdet_d4(**options: Any) -> EfficientDet:
    """EfficientDet-D4, 1024 pixels: 21 M parameters; options: `efficientdet`'s."""
    return efficientdet(4, **options)


@partial(register_model, task="detection")
def efficientdet_d5(**options: Any) -> EfficientDet:
    """EfficientDet-D5, 1280 pixels: 34 M parameters; options: `efficientdet`'s."""
    return efficientdet(5, **options)


@partial(register_model, task="detection")
def efficientdet_d6(**options: Any) -> EfficientDet:
    """EfficientDet-D6, 1280 pixels: 52 M parameters; options: `efficientdet`'s."""
    return efficientdet(6, **options)


@partial(register_model, task="detection")
def efficientdet_d7(**options: Any) -> EfficientDet:
    """EfficientDet-D7, D6 at 1536 pixels; options: `efficientdet`'s."""
    return efficientdet(7, **options)
