"""YOLO v2: Redmon and Farhadi, "YOLO9000: better, faster, stronger", CVPR 2017, https://arxiv.org/abs/1612.08242.

Section 2: Darknet-19, three convolutions of 3x3 with 1024 channels, a passthrough of the map with twice the side, and
5 anchors at each cell.  The authors' configuration, which is followed here, first reduces the passthrough to 64
channels; the paper has 512.  Their layer "reorg" mixes pixels that are not neighbours (`functional.space_to_depth`).
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ... import ops as F
from ...losses import YOLOv2Loss
from ...models.backbone import Backbone, start_convolutions
from ...models.darknet import convolution
from ...models.registry import register_model
from ...nn import Sequential
from ...tensor import Tensor
from ..yolo_anchors import PUBLISHED, YOLOScale
from .maps import feature_backbone, require_maps_among
from .yolo import AnchorYOLO, output_layer

PASSTHROUGH = 64  # channels


class YOLOv2(AnchorYOLO):
    """The head of YOLO v2 on the backbone's maps at reductions of 16 and 32; raw is one map.

    width: channels of its convolutions.  reorg: the passthrough takes pixels as Darknet does, which its weights expect;
    False: a cell takes the four pixels that it covers, as the paper says.  Other arguments: `AnchorYOLO`.

    >>> from tinycnn.models import create_model
    >>> backbone = create_model("shufflenet_v2_x0_5", features_only=True)
    >>> raw, = YOLOv2(backbone, 3, 64, width=32)(np.zeros((1, 3, 64, 64), np.float32))
    >>> raw.shape
    (1, 40, 2, 2)
    """

    def __init__(self, backbone: Backbone, num_classes: int, size: int | tuple[int, int],
                 scales: Sequence[YOLOScale] = PUBLISHED["yolov2_coco"], width: int = 1024, reorg: bool = True,
                 **options: Any) -> None:
        super().__init__(num_classes, size, scales, **options)
        scale, = self.scales
        require_maps_among(type(self).__name__, backbone, [scale.stride // 2, scale.stride])
        self.backbone = backbone
        self.fine, self.coarse = (backbone.reduction.index(scale.stride // by) for by in (2, 1))
        self.reorg = reorg
        self.convolutions = Sequential(convolution(backbone.channels[self.coarse], width, 3),
                                       convolution(width, width, 3))
        self.passthrough = convolution(backbone.channels[self.fine], PASSTHROUGH, 1)
        self.joined = convolution(4 * PASSTHROUGH + width, width, 3)
        for part in (self.convolutions, self.passthrough, self.joined):
            part.apply(start_convolutions)
        self.out = output_layer(width, self.outputs(scale))

    def make_loss(self, scale: YOLOScale) -> YOLOv2Loss:
        return YOLOv2Loss(scale.anchors, scale.stride)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Those of classes, (K, C), given an object: softmax."""
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps = self.backbone(x)
        fine = self.passthrough(maps[self.fine])
        fine = darknet_reorg(fine) if self.reorg else F.space_to_depth(fine, 2)
        return (self.out(self.joined(F.concat([fine, self.convolutions(maps[self.coarse])]))),)


def darknet_reorg(x: Tensor) -> Tensor:
    """Darknet's layer "reorg": (N, C, 2 H, 2 W) -> (N, 4 C, H, W), C a multiple of 4; see `functional.space_to_depth`.
    """
    n, c, h, w = x.shape
    return F.space_to_depth(x.reshape(n, c // 4, 2 * h, 2 * w), 2).reshape(n, 4 * c, h // 2, w // 2)


@partial(register_model, task="detection")
def yolov2(num_classes: int = 80, size: int | tuple[int, int] = 416, backbone: str | Backbone = "darknet19",
           scales: Sequence[YOLOScale] = PUBLISHED["yolov2_coco"], **options: Any) -> YOLOv2:
    """YOLO v2: 845 boxes and 14.7 G multiply-adds at 416 pixels; options: `YOLOv2`.

    Darknet's file yolov2.weights fits it as it is; yolov2-voc.weights that of num_classes=20 and
    scales=PUBLISHED["yolov2_voc"].
    """
    strides = [scale.stride // by for scale in scales for by in (2, 1)]
    return YOLOv2(feature_backbone(backbone, strides), num_classes, size, scales, **options)
