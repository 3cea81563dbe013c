"""YOLO v4: Bochkovskiy, Wang, Liao, "YOLOv4: optimal speed and accuracy of object detection", 2020,
https://arxiv.org/abs/2004.10934.

Section 3.4: CSPDarknet-53 with mish, spatial pyramid pooling, and PANet (Liu et al., "Path aggregation network for
instance segmentation", CVPR 2018) that joins maps where it added them; CIoU for the loss, DIoU for the suppression.
Channels, leaky ReLU in the neck and the numbers of the anchors are those of the authors' yolov4.cfg, and modules come
in the order of its layers, which is that of the numbers in yolov4.weights.

Convolutions at 416 and 608 pixels, 2 operations per multiply-add: 60.10 and 128.39 G; the list of models of the
authors' program has 60.1 and 128.5 "BFlops", for it counts maxima and additions too.

Where the configuration differs: it weighs CIoU by 0.07, but its program leaves sigma's slope and the sides of cells and
anchors out of the gradient, which makes it larger; here the gradient is that of the loss, and box_weight its weight.
Its suppression ("greedynms") is not the paper's.
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

from ... import ops as F
from ...losses import YOLOv4Loss
from ...models.backbone import Backbone, start_convolutions
from ...models.darknet import convolution
from ...models.registry import register_model
from ...nn import SPP, Module, ModuleList, Sequential
from ...tensor import Tensor
from ..yolo_anchors import PUBLISHED, YOLOScale
from .maps import feature_backbone
from .yolo import AnchorYOLO, output_layer, strides_of, upsampled

WIDEST = 512  # channels of the neck at its last map, half as many at each one before
MATCH_THRESHOLD, IGNORE_THRESHOLD = 0.213, 0.7
BOX_WEIGHT = 5.0


def in_turn(in_channels: int, width: int, depth: int) -> list[Module]:
    """Convolutions of 1x1 to `width` channels and of 3x3 to twice as many, in turn."""
    channels = [in_channels, *[width * (1 + i % 2) for i in range(depth)]]
    return [convolution(channels[i], channels[i + 1], 1 + 2 * (i % 2)) for i in range(depth)]


def pyramid_pooling(in_channels: int, width: int) -> Sequential:
    """(N, in_channels, H, W) -> (N, width, H, W): each pixel sees maxima over windows of up to 13 pixels."""
    return Sequential(*in_turn(in_channels, width, 3), SPP((13, 9, 5), input_first=False),
                      *in_turn(4 * width, width, 3))


class Down(Module):
    """On the way down, a map of the backbone beside what is above: (N, width, H, W).

    above: channels of what comes from the next smaller map.
    """

    def __init__(self, in_channels: int, above: int, width: int) -> None:
        self.reduce = convolution(above, width, 1)
        self.lateral = convolution(in_channels, width, 1)
        self.mix = Sequential(*in_turn(2 * width, width, 5))

    def forward(self, x: Tensor, above: Tensor) -> Tensor:
        above = upsampled(self.reduce(above))
        return self.mix(F.concat([self.lateral(x), above]))


class Join(Module):
    """On the way up again, a map beside what is below: (N, width, H, W).

    below: channels of what comes from the next larger map.
    """

    def __init__(self, below: int, width: int) -> None:
        self.halve = convolution(below, width, 3, 2)
        self.mix = Sequential(*in_turn(2 * width, width, 5))

    def forward(self, x: Tensor, below: Tensor) -> Tensor:
        return self.mix(F.concat([self.halve(below), x]))


class TopDown(Module):
    """Pooling over the last map, and the way down: maps -> as many, last first, each of its width.

    channels: of the maps; widths: of what becomes of them.
    """

    def __init__(self, channels: Sequence[int], widths: Sequence[int]) -> None:
        self.pooling = pyramid_pooling(channels[-1], widths[-1])
        self.down = ModuleList([Down(channels[i], widths[i + 1], widths[i]) for i in reversed(range(len(widths) - 1))])
        self.apply(start_convolutions)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        down = [self.pooling(maps[-1])]
        for level, of_map in zip(self.down, reversed(maps[:-1])):
            down.append(level(of_map, down[-1]))
        return down


class Up(Module):
    """On the way up again, a map beside what is below, and what the head says of it: (N, width, H, W) and the raw map.

    below: channels of what comes from the next larger map; 0: this is the largest.
    """

    def __init__(self, below: int, width: int, outputs: int) -> None:
        if below:
            self.neck = Join(below, width)
        self.last = convolution(width, 2 * width, 3)
        self.apply(start_convolutions)
        self.out = output_layer(2 * width, outputs)

    def forward(self, x: Tensor, below: Tensor | None) -> tuple[Tensor, Tensor]:
        if below is not None:
            x = self.neck(x, below)
        return x, self.out(self.last(x))


class YOLOv4(AnchorYOLO):
    """The neck and the head of YOLO v4 on a backbone's maps; raw has a map for each of scales, smallest stride first.

    scales: each of twice the stride of the one before.  width: channels over those of the paper.  ignore_threshold,
    box_weight: of `losses.YOLOv4Loss`; match_threshold: all anchors answer for a truth whose IoU exceeds it.  Other
    arguments: `AnchorYOLO`.  ValueError for strides that do not double.

    >>> import numpy as np
    >>> from tinycnn.models import create_model
    >>> backbone = create_model("shufflenet_v2_x0_5", features_only=True)
    >>> net = YOLOv4(backbone, 3, 64, width=0.125)
    >>> [raw.shape for raw in net(np.zeros((1, 3, 64, 64), np.float32))]
    [(1, 24, 8, 8), (1, 24, 4, 4), (1, 24, 2, 2)]
    """

    suppression: ClassVar[str] = "diou"

    def __init__(self, backbone: Backbone, num_classes: int, size: int | tuple[int, int],
                 scales: Sequence[YOLOScale] = PUBLISHED["yolov4"], width: float = 1.0,
                 ignore_threshold: float = IGNORE_THRESHOLD, match_threshold: float | None = MATCH_THRESHOLD,
                 box_weight: float = BOX_WEIGHT, **options: Any) -> None:
        strides = strides_of(scales)
        if any(coarse != 2 * fine for fine, coarse in pairwise(strides)) or not strides:
            raise ValueError(f"YOLOv4: scales must have strides that double, got {strides}")
        self.ignore_threshold, self.box_weight = ignore_threshold, box_weight
        super().__init__(num_classes, size, scales, match_threshold, **options)
        self.backbone = self.checked(backbone)
        inputs = [backbone.channels[backbone.reduction.index(stride)] for stride in strides]
        widths = [max(1, round(WIDEST * width) >> i) for i in reversed(range(len(strides)))]
        self.neck = TopDown(inputs, widths)
        self.up = ModuleList([Up(below, channels, self.outputs(scale))
                              for below, channels, scale in zip([0, *widths], widths, self.scales)])

    def make_loss(self, scale: YOLOScale) -> YOLOv4Loss:
        return YOLOv4Loss(scale.anchors, scale.stride, self.ignore_threshold, scale.scale_xy, {"box": self.box_weight})

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The raw maps; see the class."""
        below, raw = None, []
        for head, of_level in zip(self.up, reversed(self.neck(self.maps(self.backbone, x)))):
            below, said = head(of_level, below)
            raw.append(said)
        return tuple(raw)


@partial(register_model, task="detection")
def yolov4(num_classes: int = 80, size: int | tuple[int, int] = 416, backbone: str | Backbone = "cspdarknet53",
           scales: Sequence[YOLOScale] = PUBLISHED["yolov4"], **options: Any) -> YOLOv4:
    """YOLO v4: 10,647 boxes and 30.1 G multiply-adds at 416 pixels, 64.4 M parameters; options: `YOLOv4`.

    On a light backbone a width of 0.25 or so suits.  Darknet's file yolov4.weights fits it as it is.
    """
    return YOLOv4(feature_backbone(backbone, strides_of(scales)), num_classes, size, scales, **options)
