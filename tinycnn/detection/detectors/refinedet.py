"""RefineDet: Zhang, Wen, Bian, Lei, Li, "Single-shot refinement neural network for object detection", CVPR 2018,
https://arxiv.org/abs/1711.06897.

A first module (ARM) says which anchors hold an object and moves them there; what it read goes through transfer
connections (TCB) to a second one (ODM), which says the class and moves the refined anchors once more.

What the paper leaves open is as in the authors' published code: offsets are divided by SSD's variances, the second
module's truths are matched with the refined anchors, transposed convolutions have kernels of 2x2, and fc6 takes every
third pixel.  No gradient flows from the second step's targets into the first.
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ...losses.multibox import MultiBoxLoss
from ...models.backbone import Backbone
from ...models.registry import register_model
from ...models.vgg import TABLE, VGG
from ...nn import Conv2d, ConvTranspose2d, L2Norm, Module, ModuleList, ReLU, Sequential, init
from ...tensor import Tensor
from ..anchors import square_anchors
from ..boxes import centres_and_sides, clip_boxes_to_image
from ..coders import SSD_VARIANCES, decode_deltas, encode_deltas
from ..detector import Detector, arrays
from ..inputs import Inputs
from ..map_sizes import map_sizes
from ..matching import match_boxes
from ..necks import Maps
from ..postprocess import Detections, level_candidates, suppress
from ..targets import dense_targets, pad_truths
from .maps import feature_backbone
from .ssd import (
    FC7,
    MEAN,
    Raw,
    SSDHead,
    extra_block,
    predictor,
    probabilities,
    require_places,
    ssd_targets,
    start_xavier,
    vgg_layers,
)

STRIDES = (8, 16, 32, 64)
SIDE = 4  # of an anchor, over the stride of its map: section 3.3
SHAPES = np.array([(1, 1), (2**0.5, 0.5**0.5), (0.5**0.5, 2**0.5)], np.float32)  # width and height: ratios 1, 2, 1/2
WIDTH = 256  # channels of the transfer connections
L2_SCALES = (10.0, 8.0)  # of conv4_3 and conv5_3: section 3.3
EXTRA = (256, 512, 2)  # conv6_1 and conv6_2
MOST_NEGATIVE = 0.99  # probability of "no object" beyond which an anchor is of no use: section 3.2, "anchor filtering"
MOST_TRUTHS = 100  # of an image, that refined anchors are matched with


def refinedet_anchors(grids: Sequence[tuple[int, int]]) -> np.ndarray:
    """Three anchors about the centre of each cell of maps with strides of 8, 16, 32, 64: (P, 4), xyxy in pixels.

    >>> refinedet_anchors([(40, 40), (20, 20), (10, 10), (5, 5)]).shape
    (6375, 4)
    """
    centre, sides = centres_and_sides(square_anchors(grids, STRIDES, SIDE)[:, None])
    half = sides * SHAPES / 2
    return np.concatenate([centre - half, centre + half], -1).reshape(-1, 4)


class TransferConnections(Module):
    """Figure 2: a top-down path through all maps, from the last one on: maps -> as many of `width` channels."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        self.lateral = ModuleList(Sequential(_conv(c, width), ReLU(), _conv(width, width)) for c in channels)
        self.up = ModuleList(ConvTranspose2d(width, width, 2, 2) for _ in channels[1:])
        self.out = ModuleList(Sequential(ReLU(), _conv(width, width), ReLU()) for _ in channels)
        self.apply(_start)

    def forward(self, maps: Maps) -> Maps:
        sums = [block(x) for block, x in zip(self.lateral, maps)]
        results = [self.out[len(maps) - 1](sums[-1])]
        for i in reversed(range(len(maps) - 1)):
            results.insert(0, self.out[i](sums[i] + self.up[i](results[0])))
        return results


def _start(module: Module) -> None:
    start_xavier(module)
    if isinstance(module, ConvTranspose2d):
        init.xavier_uniform(module.weight)


def _conv(in_channels: int, out_channels: int) -> Conv2d:
    return Conv2d(in_channels, out_channels, 3, padding=1)


class RefineDet(Detector):
    """RefineDet on any network that gives four maps, of strides 8, 16, 32 and 64, and has their `channels`.

    raw: of P anchors, "arm_logits" (N, P, 2), "no object" first, "arm_regression" (N, P, 4), "odm_logits"
    (N, P, 1 + C), background first, and "odm_regression" (N, P, 4), of the refined anchors.  dense: for the first step
    labels (N, P), 0 and 1, and encoded boxes (N, P, 4); for the second all truths, (N, 100, 4), filled up with zeros,
    and their labels (N, 100), filled up with -1.  Of an image with more truths the second step sees the first 100.

    width: channels of the transfer connections.  top_k: candidates of an image that suppression is shown.  options:
    `Detector`.
    """

    divisor: ClassVar[int] = STRIDES[-1]

    def __init__(self, backbone: Any, num_classes: int, size: int | tuple[int, int], width: int = WIDTH,
                 top_k: int = 400, score_threshold: float = 0.01, iou_threshold: float = 0.45,
                 max_detections: int = 200, inputs: Inputs | None = None) -> None:
        super().__init__(num_classes, size, inputs, score_threshold, iou_threshold, max_detections)
        levels, self.top_k = len(STRIDES), top_k
        if len(backbone.channels) != levels:
            raise ValueError(f"RefineDet: backbone must give {levels} maps, of the strides {STRIDES}, got "
                             f"{len(backbone.channels)}")
        self.backbone = backbone
        self.arm = SSDHead(predictor, backbone.channels, [len(SHAPES)] * levels, 2)
        self.neck = TransferConnections(backbone.channels, width)
        self.odm = SSDHead(predictor, [width] * levels, [len(SHAPES)] * levels, 1 + num_classes)
        self.loss = MultiBoxLoss()
        self._made: dict[tuple[int, int], np.ndarray] = {}

    @property
    def anchors(self) -> np.ndarray:
        """(P, 4), xyxy in pixels, of the size that is set."""
        if self.size not in self._made:
            self._made[self.size] = refinedet_anchors(map_sizes(self.backbone, self.size))
        return self._made[self.size]

    def forward(self, x: Tensor) -> Raw:
        maps = self.backbone(x)
        first, second = self.arm(maps), self.odm(self.neck(maps))
        return {"arm_logits": first["cls_logits"], "arm_regression": first["bbox_regression"],
                "odm_logits": second["cls_logits"], "odm_regression": second["bbox_regression"]}

    def encode(self, boxes: Sequence[Any], labels: Sequence[Any]) -> tuple[np.ndarray, ...]:
        objects, offsets = ssd_targets(boxes, labels, self.anchors, self.num_classes)
        classes = np.full((len(labels), MOST_TRUTHS), -1)
        for row, of_image in zip(classes, labels):
            row[:len(of_image)] = of_image[:MOST_TRUTHS]
        return (np.minimum(objects, 1), offsets,
                pad_truths([of_image[:MOST_TRUTHS] for of_image in boxes], MOST_TRUTHS), classes)

    def criterion(self, raw: Any, dense: Any) -> dict[str, Any]:
        """Equation 1: both steps' losses, each over its own number of positives."""
        objects, offsets, truths, classes = dense
        first = self.loss(raw["arm_logits"], raw["arm_regression"], objects, offsets)
        second = self.loss(raw["odm_logits"], raw["odm_regression"], *self._second_targets(raw, truths, classes))
        return {**{f"arm_{name}": term for name, term in first.items()},
                **{f"odm_{name}": term for name, term in second.items()}}

    def _second_targets(self, raw: Any, truths: Any, classes: Any) -> tuple[np.ndarray, np.ndarray]:
        """Labels (N, P) and boxes (N, P, 4) encoded about refined anchors; a clear negative of the first step is -1."""
        said, truths, classes = arrays({name: x.detach() for name, x in raw.items()}), arrays(truths), arrays(classes)
        refined = decode_deltas(said["arm_regression"], self.anchors, SSD_VARIANCES)
        images = [second_targets(*of_image) for of_image in zip(refined, truths, classes)]
        labels, boxes = (np.stack(parts) for parts in zip(*images))
        labels[(labels == 0) & (probabilities(said["arm_logits"])[..., 0] > MOST_NEGATIVE)] = -1
        return labels, boxes

    def decode(self, raw: Any) -> list[Detections]:
        require_places(raw["arm_regression"], self.anchors, self.size)
        return [self._decode_image(*of_image) for of_image in zip(
            raw["arm_logits"], raw["arm_regression"], raw["odm_logits"], raw["odm_regression"])]

    def _decode_image(self, objects: np.ndarray, offsets: np.ndarray, logits: np.ndarray,
                      more_offsets: np.ndarray) -> Detections:
        """Section 3.4, "inference": anchors filtered and refined, the best of all classes, suppression, the best."""
        rows = np.flatnonzero(probabilities(objects)[:, 0] <= MOST_NEGATIVE)
        places, labels, scores = level_candidates(probabilities(logits[rows])[:, 1:], self.score_threshold, self.top_k)
        at = rows[places]
        refined = decode_deltas(offsets[at], self.anchors[at], SSD_VARIANCES)
        boxes = decode_deltas(more_offsets[at], refined, SSD_VARIANCES)
        return suppress(clip_boxes_to_image(boxes, self.size), scores, labels, self.iou_threshold, self.max_detections)


def second_targets(anchors: np.ndarray, truths: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels (P,), 0 for background, and encoded boxes (P, 4) of refined anchors (P, 4) of an image.

    truths, classes: (M, 4) and (M,), class -1 where there is none.  An anchor without area
    matches nothing.

    >>> anchors = np.array([[0, 0, 10, 10], [20, 20, 30, 30]], np.float32)
    >>> second_targets(anchors, np.array([[21, 20, 31, 30], [0, 0, 0, 0]]), np.array([4, -1]))[0].tolist()
    [0, 5]
    """
    there = classes >= 0
    match = match_boxes(truths[there], anchors, best="own")
    labels, boxes = dense_targets(match, truths[there], classes[there] + 1, 0)
    offsets, found = np.zeros_like(anchors), labels > 0
    offsets[found] = encode_deltas(boxes[found], anchors[found], SSD_VARIANCES)
    return labels, offsets


class VGGFourMaps(Module):
    """VGG as RefineDet reads it: conv4_3 and conv5_3, each of their pixels with length 1, fc7 and conv6_2.

    (N, 3, H, W) -> maps of strides 8, 16, 32, 64.  vgg: gives its layers, and is of no use afterwards.
    """

    def __init__(self, vgg: VGG) -> None:
        layers, pools = vgg_layers(vgg)
        before = vgg.channels[-1]
        self.channels = [before, before, FC7, EXTRA[1]]
        self.features = ModuleList([Sequential(*layers[:pools[3]]), Sequential(*layers[pools[3]:pools[4]])])
        self.norms = ModuleList(L2Norm(before, scale) for scale in L2_SCALES)
        fc = Sequential(layers[pools[4]], Conv2d(before, FC7, 3, padding=3, dilation=3), ReLU(), Conv2d(FC7, FC7, 1),
                        ReLU()).apply(start_xavier)
        self.extra = ModuleList([fc, extra_block(FC7, *EXTRA)])

    def forward(self, x: Tensor) -> Maps:
        maps: Maps = []
        for block, norm in zip(self.features, self.norms):
            x = block(x)
            maps.append(norm(x))
        for block in self.extra:
            x = block(x)
            maps.append(x)
        return maps


class FourMaps(Module):
    """The maps of strides 8, 16 and 32 of a classification network, and one more behind them."""

    def __init__(self, backbone: Backbone, middle: int, out_channels: int) -> None:
        self.body, self.channels = backbone, [*backbone.channels, out_channels]
        self.extra = extra_block(backbone.channels[-1], middle, out_channels, 2)

    def forward(self, x: Tensor) -> Maps:
        maps = list(self.body(x))
        return [*maps, self.extra(maps[-1])]


@partial(register_model, task="detection")
def refinedet320_vgg16(num_classes: int = 20, size: int | tuple[int, int] = 320, inputs: Inputs | None = None,
                       **options: Any) -> RefineDet:
    """RefineDet320 on VGG-16, for the 20 classes of VOC: 6375 anchors.

    options: width 256, top_k 400, score_threshold 0.01, iou_threshold 0.45, max_detections 200.
    """
    return RefineDet(VGGFourMaps(VGG(TABLE[16], features_only=True)), num_classes, size,
                     inputs=inputs or Inputs(mean=MEAN, std=1 / 255), **options)


@partial(register_model, task="detection")
def refinedet(backbone: str = "mobilenet_v2", num_classes: int = 20, size: int | tuple[int, int] = 320,
              width: int = 64, **options: Any) -> RefineDet:
    """RefineDet on the registered classification network of a name, with fewer channels; options: RefineDet.

    Raises ValueError for a network without maps of the strides 8, 16 and 32.
    """
    return RefineDet(FourMaps(feature_backbone(backbone), width, 2 * width), num_classes, size, width, **options)
