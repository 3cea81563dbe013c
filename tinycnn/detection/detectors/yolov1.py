"""YOLO, the first: Redmon, Divvala, Girshick, Farhadi, "You only look once: unified, real-time object detection", CVPR
2016, https://arxiv.org/abs/1506.02640.

24 convolutions, of which the first 20 are a classifier's trunk, and 2 linear layers (section 2.1, figure 3).  The first
linear layer alone has 7 7 1024 4096 weights, 205 million: on a light backbone a 1x1 convolution squeezes the map before
it, and it is narrower.  Normalisation came with version 2; there is none here but in the light head.  As in the
published configurations of Darknet, what the head says of w and h are their roots, which equation 3 compares: the root
of what a linear layer says would be steep at 0 and nothing below.
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Unpack

import numpy as np

from ... import ops as F
from ...losses import YOLOv1Loss
from ...models.backbone import Backbone, Options, Stage, pooled, start, start_convolutions
from ...models.darknet import LEAKY, convolution
from ...models.registry import create_model, register_model
from ...nn import BatchNorm1d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, Module, Sequential, init
from ...tensor import Tensor
from ..boxes import clip_boxes_to_image
from ..coders import decode_grid
from ..detector import Detector
from ..postprocess import Detections, multiclass_nms
from ..yolo_cells import yolo_v1_targets

Row = tuple[int, int, int]  # of a convolution: channels, kernel, stride
SQUEEZED, RESTORED = ((256, 1, 1), (512, 3, 1)), ((512, 1, 1), (1024, 3, 1))
TRUNK: tuple[tuple[Row, ...], ...] = (  # figure 3; all but the first after max-pooling
    ((64, 7, 2),),
    ((192, 3, 1),),
    ((128, 1, 1), (256, 3, 1), (256, 1, 1), (512, 3, 1)),
    SQUEEZED * 4 + RESTORED,
    RESTORED * 2,
)
CONVOLUTIONS: tuple[Row, ...] = ((1024, 3, 1), (1024, 3, 2), (1024, 3, 1), (1024, 3, 1))
HIDDEN, LIGHT_HIDDEN = 4096, 512
LIGHT_CHANNELS = 256
CELLS = 7


def plain_convolutions(in_channels: int, rows: Sequence[Row]) -> list[Module]:
    """Convolutions with bias and leaky ReLU, one for each row."""
    before = [in_channels, *[channels for channels, _, _ in rows]]
    return [Sequential(conv=Conv2d(c, *row, padding=row[1] // 2), act=LEAKY()) for c, row in zip(before, rows)]


class YOLOv1Trunk(Backbone):
    """The first 20 convolutions; as a classifier, what the paper trains on ImageNet before (section 2.2).

    Feature maps at reductions of 2 to 32; options: see Backbone.

    >>> YOLOv1Trunk(features_only=True, out_indices=(0, 1, 2)).channels
    [64, 192, 512]
    """

    stem_strides = (2,)
    head_modules = ("fc",)

    def __init__(self, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        before = self.in_chans
        self.stages = Sequential()
        for i, rows in enumerate(TRUNK):
            self.stages.append(Sequential(*[MaxPool2d(2)] * (i > 0), *plain_convolutions(before, rows)))
            before = rows[-1][0]
        self.set_stages([Stage(f"stages.{i}", rows[-1][0], 2 << i) for i, rows in enumerate(TRUNK)])
        self.apply(start_convolutions)
        if not self.features_only:
            self.fc = self.classifier_layer(before).apply(start)

    def forward_head(self, x: Tensor) -> Tensor:
        return self.fc(pooled(x))


class YOLOv1(Detector):
    """YOLO's first head: every cell of a grid S x S predicts B boxes and one distribution over classes.

    raw: (N, S, S, 5 B + C), of each box x, y within the cell, the roots of w, h of the image, and the confidence, then
    the classes; S is size over the reduction of all convolutions.  backbone: gives feature maps, of which the last is
    used.  boxes: B.  convolutions: rows (channels, kernel, stride) between it and the linear layers; normed: they and
    the first linear layer have batch normalisation in the place of a bias.  hidden: outputs of that layer, drop_rate:
    of the dropout behind it, which the few of a light head cannot spare.  options: `Detector`.  The linear layers know
    but one size, a square: ValueError for images of another.

    >>> from tinycnn.models import create_model
    >>> backbone = create_model("shufflenet_v2_x0_5", features_only=True)
    >>> YOLOv1(backbone, 3, 64, hidden=32).eval()(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 2, 2, 13)
    """

    def __init__(self, backbone: Backbone, num_classes: int, size: int, boxes: int = 2,
                 convolutions: Sequence[Row] = ((LIGHT_CHANNELS, 1, 1),), normed: bool = True,
                 hidden: int = LIGHT_HIDDEN, drop_rate: float = 0.0, **options: Any) -> None:
        strides = [stride for _, _, stride in convolutions]
        self.divisor = backbone.reduction[-1] * int(np.prod(strides))  # type: ignore[misc]
        super().__init__(num_classes, size, **options)
        if self.size[0] != self.size[1]:
            raise ValueError(f"YOLOv1: size must be that of squares, got {size!r}")
        if not (isinstance(boxes, int) and boxes > 0):
            raise ValueError(f"YOLOv1: boxes must be an integer >= 1, got {boxes!r}")
        self.cells, self.boxes = self.size[0] // self.divisor, boxes
        self.backbone = backbone
        before = [backbone.channels[-1], *[channels for channels, _, _ in convolutions]]
        self.convolutions = Sequential(*(
            [convolution(c, *row) for c, row in zip(before, convolutions)] if normed
            else plain_convolutions(before[0], convolutions)))
        outputs = self.cells**2 * (5 * boxes + num_classes)
        wide = Linear(self.cells**2 * before[-1], hidden, bias=not normed)
        self.connected = Sequential(Flatten(), wide, *[BatchNorm1d(hidden)] * normed, LEAKY(), Dropout(drop_rate),
                                    Linear(hidden, outputs))
        self._start()
        self.loss = YOLOv1Loss()

    def _start(self) -> None:
        """Boxes start in the middle of their cells and a quarter as large as the image: a square has no slope at 0."""
        self.convolutions.apply(start_convolutions)
        hidden, last = (layer for layer in self.connected if isinstance(layer, Linear))
        init.kaiming_normal(hidden.weight, "fan_in")
        init.normal(last.weight, 0.01)
        for layer in (hidden, last):
            if layer.bias is not None:
                init.constant(layer.bias, 0.0)
        bias = dict(last.named_parameters())["bias"].data.reshape(self.cells**2, -1)
        for first in range(0, 5 * self.boxes, 5):
            bias[:, first:first + 4] = 0.5

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[2:] != self.size:
            raise ValueError(f"YOLOv1: x must be (N, C, {self.size[0]}, {self.size[1]}), got the shape {x.shape}")
        y = self.connected(self.convolutions(self.backbone(x)[-1]))
        return y.reshape(len(x), self.cells, self.cells, -1)

    def encode(self, boxes: Sequence[Any], labels: Sequence[Any]) -> tuple[np.ndarray, ...]:
        """labels (N, S, S) and boxes (N, S, S, 4) of `losses.YOLOv1Loss`."""
        return yolo_v1_targets(boxes, labels, self.size, self.cells)

    def criterion(self, raw: Any, dense: Any) -> dict[str, Any]:
        """The terms of `losses.YOLOv1Loss`."""
        pred, classes = self._parts(raw)
        return self.loss(F.concat(_squared(pred), -1), classes, *dense)

    def decode(self, raw: Any) -> list[Detections]:
        """The score of a box and a class is confidence times probability, each within [0, 1] (section 2, equation 1).
        """
        pred, classes = self._parts(raw)
        pred = np.concatenate(_squared(pred), -1)
        boxes = clip_boxes_to_image(decode_grid(pred[..., :4], self.size), self.size)
        scores = pred[..., 4:].clip(0, 1) * classes[:, :, :, None].clip(0, 1)
        return [multiclass_nms(b.reshape(-1, 4), s.reshape(-1, self.num_classes), self.score_threshold,
                               self.iou_threshold, max_detections=self.max_detections) for b, s in zip(boxes, scores)]

    def _parts(self, raw: Any) -> tuple[Any, Any]:
        """Boxes (N, S, S, B, 5) and classes (N, S, S, C)."""
        of_boxes = 5 * self.boxes
        return raw[..., :of_boxes].reshape(*raw.shape[:3], self.boxes, 5), raw[..., of_boxes:]


def _squared(pred: Any) -> list[Any]:
    """Parts of (..., 5) that say sides where it says their roots."""
    return [pred[..., :2], pred[..., 2:4] * pred[..., 2:4], pred[..., 4:]]


@partial(register_model, task="detection")
def yolov1(num_classes: int = 20, backbone: str | None = None, size: int | None = None, hidden: int | None = None,
           **options: Any) -> YOLOv1:
    """YOLO of 2016: 98 boxes on 7 x 7 cells; on its own trunk at 448 pixels, or on a light backbone.

    backbone: a registered name, None: the paper's trunk, with 272 M parameters in all (1.1 GB).  size: 7 cells unless
    given.  hidden: of the first linear layer, 4096, or 512 on a light backbone.  options: `YOLOv1`.
    """
    if backbone is None:
        trunk: Backbone = YOLOv1Trunk(features_only=True)
        options = {"convolutions": CONVOLUTIONS, "normed": False, "hidden": HIDDEN, "drop_rate": 0.5, **options}
        reduction = 2 * trunk.reduction[-1]
    else:
        trunk = create_model(backbone, features_only=True)
        reduction = trunk.reduction[-1]
    if hidden is not None:
        options["hidden"] = hidden
    return YOLOv1(trunk, num_classes, CELLS * reduction if size is None else size, **options)
