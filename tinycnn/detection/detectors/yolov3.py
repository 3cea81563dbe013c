"""YOLO v3: Redmon and Farhadi, "YOLOv3: an incremental improvement", 2018, https://arxiv.org/abs/1804.02767; and
YOLOv3-tiny, of which there is the authors' configuration only.

Section 2.3: from the smallest map on, convolutions, a prediction, and the map made larger beside the backbone's next.
The channels are those of the authors' configurations.  Their v3-tiny ignores predictions from an IoU of 0.7 on, v3 and
the paper from 0.5 on.
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ... import ops as F
from ...losses import YOLOv3Loss
from ...models.backbone import Backbone, start_convolutions
from ...models.darknet import PlainDarknet, convolution
from ...models.registry import register_model
from ...nn import MaxPool2d, Module, ModuleList, Sequential
from ...tensor import Tensor
from ..yolo_anchors import PUBLISHED, YOLOScale
from .maps import feature_backbone
from .yolo import AnchorYOLO, output_layer, strides_of, upsampled

Widths = Sequence[tuple[int, int]]  # of each map, largest stride first: channels, convolutions before its prediction's
FULL: Widths = ((512, 5), (256, 5), (128, 5))
TINY: Widths = ((256, 1), (128, 0))
TINY_TRUNK = 16 / 32  # channels over Darknet's


class Level(Module):
    """What happens at one map: (N, in_channels, H, W) and what came of the map before -> what the next one is given,
    and the prediction.

    width: channels behind a 1x1; behind a 3x3 there are twice as many.  depth: convolutions, 1x1 and 3x3 in turn, that
    the next level profits from.  above: channels that the level before gives; 0: this is the first.
    """

    def __init__(self, in_channels: int, width: int, depth: int, outputs: int, above: int) -> None:
        if above:
            self.lateral = convolution(above, width, 1)
            in_channels += width
        self.neck = Sequential()
        for i in range(depth):
            channels = width * (1 + i % 2)
            self.neck.append(convolution(in_channels, channels, 1 + 2 * (i % 2)))
            in_channels = channels
        self.channels = in_channels
        self.last = convolution(in_channels, 2 * width, 3)
        self.apply(start_convolutions)
        self.out = output_layer(2 * width, outputs)

    def forward(self, x: Tensor, above: Tensor | None) -> tuple[Tensor, Tensor]:
        if above is not None:
            x = F.concat([upsampled(self.lateral(above)), x])
        x = self.neck(x)
        return x, self.out(self.last(x))


class YOLOv3(AnchorYOLO):
    """The head of YOLO v3 on a backbone's maps; raw has a map for each of scales, largest stride first.

    levels: channels and convolutions at each map, FULL or TINY or like them; width: channels over those.  neck: what
    the backbone's last map goes through, and its channels behind that.  ignore_threshold: see `losses.YOLOv3Loss`.
    Other arguments: `AnchorYOLO`.

    >>> import numpy as np
    >>> from tinycnn.models import create_model
    >>> backbone = create_model("shufflenet_v2_x0_5", features_only=True)
    >>> net = YOLOv3(backbone, 3, 64, PUBLISHED["yolov3"], width=0.125)
    >>> [raw.shape for raw in net(np.zeros((1, 3, 64, 64), np.float32))]
    [(1, 24, 2, 2), (1, 24, 4, 4), (1, 24, 8, 8)]
    """

    def __init__(self, backbone: Backbone, num_classes: int, size: int | tuple[int, int], scales: Sequence[YOLOScale],
                 levels: Widths = FULL, width: float = 1.0, neck: tuple[Module, int] | None = None,
                 ignore_threshold: float = 0.5, **options: Any) -> None:
        self.ignore_threshold = ignore_threshold
        super().__init__(num_classes, size, scales, **options)
        self.backbone = self.checked(backbone)
        channels = [backbone.channels[backbone.reduction.index(scale.stride)] for scale in self.scales]
        self.neck, channels[0] = neck or (Sequential(), channels[0])
        self.levels, above = ModuleList(), 0
        for in_channels, (wide, depth), scale in zip(channels, levels, self.scales, strict=True):
            level = Level(in_channels, max(1, round(wide * width)), depth, self.outputs(scale), above)
            self.levels.append(level)
            above = level.channels

    def make_loss(self, scale: YOLOScale) -> YOLOv3Loss:
        return YOLOv3Loss(scale.anchors, scale.stride, self.ignore_threshold)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps, above, raw = self.maps(self.backbone, x), None, []
        maps[0] = self.neck(maps[0])
        for level, of_map in zip(self.levels, maps):
            above, said = level(of_map, above)
            raw.append(said)
        return tuple(raw)


@partial(register_model, task="detection")
def yolov3(num_classes: int = 80, size: int | tuple[int, int] = 416, backbone: str | Backbone = "darknet53",
           scales: Sequence[YOLOScale] = PUBLISHED["yolov3"], **options: Any) -> YOLOv3:
    """YOLO v3: 10,647 boxes and 32.9 G multiply-adds at 416 pixels; options: `YOLOv3`.

    On a light backbone a width of 0.25 or so suits.  Darknet's file yolov3.weights fits it as it is.
    """
    return YOLOv3(feature_backbone(backbone, strides_of(scales)), num_classes, size, scales, **options)


@partial(register_model, task="detection")
def yolov3_tiny(num_classes: int = 80, size: int | tuple[int, int] = 416, backbone: str | Backbone | None = None,
                scales: Sequence[YOLOScale] = PUBLISHED["yolov3_tiny"], ignore_threshold: float = 0.7,
                **options: Any) -> YOLOv3:
    """YOLOv3-tiny: 2,535 boxes and 2.8 G multiply-adds at 416 pixels; options: `YOLOv3`.

    backbone: of another name or make, with maps at 16 and 32; None: 7 convolutions of 3x3.  Darknet's file
    yolov3-tiny.weights fits it as it is.

    >>> yolov3_tiny(20, 224, backbone="mobilenetv1_025", width=0.5).size
    (224, 224)
    """
    neck = None
    if backbone is None:
        trunk: Backbone = PlainDarknet((0,) * 5, width=TINY_TRUNK, features_only=True, out_indices=(3, 4))
        before = trunk.channels[-1]
        neck = Sequential(MaxPool2d(2, 1, "tf_same"), convolution(before, 2 * before, 3)), 2 * before
        neck[0].apply(start_convolutions)
    else:
        trunk = feature_backbone(backbone, strides_of(scales))
    return YOLOv3(trunk, num_classes, size, scales, TINY, neck=neck, ignore_threshold=ignore_threshold, **options)
