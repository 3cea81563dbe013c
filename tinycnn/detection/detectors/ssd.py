"""SSD: Liu, Anguelov, Erhan, Szegedy, Reed, Fu, Berg, "SSD: Single shot multibox detector", ECCV 2016,
https://arxiv.org/abs/1512.02325.  Names of parameters, results and default boxes as in torchvision's ssd300_vgg16.

The scales of the default boxes are those of the authors for COCO (0.07 for the first map).  Each truth takes one
default box for itself, the best pair first, as the authors' code has it; in torchvision, of two truths that want the
same box the later one has it.  As in torchvision, a box that grows more than 62.5 times counts as that.

On other networks than VGG-16 the scales are those of equation 4, all further maps are half as wide as the one before,
and no map is normalised: that is for networks without batch norm.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ... import ops as F
from ...autograd import no_grad
from ...losses.multibox import MultiBoxLoss
from ...models.backbone import Backbone
from ...models.registry import register_model
from ...models.vgg import TABLE, VGG
from ...nn import Conv2d, MaxPool2d, Module, ModuleList, Parameter, ReLU, Sequential, init
from ...tensor import Tensor
from ..anchors import SSD300_RATIOS, SSD300_SCALES, SSD300_STEPS, GridSizes, default_boxes, ssd_scales
from ..boxes import clip_boxes_to_image
from ..coders import SSD_VARIANCES, decode_deltas, encode_deltas
from ..detector import Detector
from ..inputs import Inputs
from ..map_sizes import map_sizes
from ..matching import match_boxes
from ..necks import Maps, PerLevel, flatten_levels
from ..postprocess import Detections, multiclass_nms
from ..targets import batch_targets
from .maps import feature_backbone

Predictor = Callable[[int, int], Module]  # from the channels of a map and of what is said of it
Raw = dict[str, Tensor]

L2_SCALE = 20.0  # what the weights of L2 normalisation begin at: section 3.1
FC7 = 1024  # channels of fc6 and fc7, convolutions here
EXTRAS = ((256, 512, 2), (128, 256, 2), (128, 256, 1), (128, 256, 1))  # figure 2: of 1x1, of 3x3, stride
FURTHER = (512, 256, 256, 256)  # channels of the maps behind those of any other network, as in figure 2
FOUR, SIX = (2.0,), (2.0, 3.0)  # ratios of maps with so many default boxes in a cell: section 3.1
MEAN = (0.48235, 0.45882, 0.40784)  # of red, green, blue; images are 0 to 255 about it


def start_xavier(module: Module) -> None:
    """Convolutions as section 3 starts those that are new, biases 0; `module.apply(start_xavier)`."""
    if isinstance(module, Conv2d):
        init.xavier_uniform(module.weight)
        if module.bias is not None:
            init.constant(module.bias, 0.0)


class ScoringHead(Module):
    """Something said of each default box, by layers of its own for each map: maps -> (N, P, outputs)."""

    def __init__(self, predictor: Predictor, channels: Sequence[int], boxes: Sequence[int], outputs: int) -> None:
        self.outputs = outputs
        self.module_list = PerLevel(predictor(c, count * outputs) for c, count in zip(channels, boxes, strict=True))

    def forward(self, maps: Maps) -> Tensor:
        return flatten_levels(self.module_list(maps), self.outputs)


class SSDHead(Module):
    """Classes and offsets of the default boxes: maps -> {"cls_logits" (N, P, classes), "bbox_regression" (N, P, 4)}.

    predictor: makes the layers of a map.  channels: of the maps.  boxes: in each cell of each map.
    """

    def __init__(self, predictor: Predictor, channels: Sequence[int], boxes: Sequence[int], classes: int) -> None:
        self.classification_head = ScoringHead(predictor, channels, boxes, classes)
        self.regression_head = ScoringHead(predictor, channels, boxes, 4)

    def forward(self, maps: Maps) -> Raw:
        return {"cls_logits": self.classification_head(maps), "bbox_regression": self.regression_head(maps)}


def predictor(in_channels: int, outputs: int) -> Module:
    """SSD's layer for a map: a convolution of 3x3."""
    return Conv2d(in_channels, outputs, 3, padding=1).apply(start_xavier)


class DefaultBoxes(NamedTuple):
    """What default boxes a network has: grids, size -> (P, 4), as `default_boxes` makes them.

    ratios, scales, steps: see there.  size: for which steps are; with another one, boxes are evenly spaced.  lowest: of
    the first map's boxes the one square has this scale, as in TensorFlow's SSDLite; None: there are two squares.

    >>> DefaultBoxes(((2,), (2,)), (0.3, 0.6, 1.0), lowest=0.1)([(2, 2), (1, 1)], (64, 64)).shape
    (16, 4)
    """

    ratios: Sequence[Sequence[float]]  # of each map
    scales: Sequence[float]
    steps: Sequence[float] | None = None
    size: tuple[int, int] | None = None
    lowest: float | None = None

    @property
    def per_cell(self) -> list[int]:
        """Boxes in each cell of each map."""
        first, *rest = (2 + 2 * len(of_map) for of_map in self.ratios)
        return [first if self.lowest is None else first - 1, *rest]

    def __call__(self, grids: GridSizes, size: tuple[int, int]) -> np.ndarray:
        steps = self.steps if size == self.size else None
        boxes = default_boxes(grids, size, self.ratios, self.scales, steps)
        if self.lowest is None:
            return boxes
        following = self.lowest**2 / self.scales[0]  # of which and the first scale `lowest` is the geometric mean
        first = default_boxes(grids[:1], size, self.ratios[:1], (self.scales[0], following))
        first = first.reshape(-1, self.per_cell[0] + 1, 4)
        return np.concatenate([first[:, 1:].reshape(-1, 4), boxes[first.size // 4:]])


class SSD(Detector):
    """SSD on any network that gives a list of maps and has their `channels`.

    raw: "cls_logits" (N, P, 1 + C), background first, and "bbox_regression" (N, P, 4), of P default boxes.  dense: what
    `losses.MultiBoxLoss` takes, labels (N, P) and encoded boxes (N, P, 4).

    boxes: of each map.  predictor: makes the layers of a map's heads.  top_k: boxes of each class that suppression is
    shown.  options: `Detector`.

    >>> from tinycnn import models
    >>> net = SSD(models.shufflenet_v2_x0_5(features_only=True, out_indices=(3, 4)), 20, 96,
    ...           DefaultBoxes(((2,), (2,)), (0.3, 0.6, 1.0)))
    >>> {name: y.shape for name, y in net(np.zeros((1, 3, 96, 96), np.float32)).items()}
    {'cls_logits': (1, 180, 21), 'bbox_regression': (1, 180, 4)}
    """

    divisor: ClassVar[int] = 1

    def __init__(self, backbone: Any, num_classes: int, size: int | tuple[int, int], boxes: DefaultBoxes,
                 predictor: Predictor = predictor, top_k: int = 400, score_threshold: float = 0.01,
                 iou_threshold: float = 0.45, max_detections: int = 200, inputs: Inputs | None = None) -> None:
        super().__init__(num_classes, size, inputs, score_threshold, iou_threshold, max_detections)
        self.boxes, self.top_k = boxes, top_k
        self.backbone = backbone
        self.head = SSDHead(predictor, backbone.channels, boxes.per_cell, 1 + num_classes)
        self.loss = MultiBoxLoss()
        self._made: dict[tuple[int, int], np.ndarray] = {}

    @property
    def default_boxes(self) -> np.ndarray:
        """(P, 4), xyxy in pixels, of the size that is set."""
        if self.size not in self._made:
            self._made[self.size] = self.boxes(map_sizes(self.backbone, self.size), self.size)
        return self._made[self.size]

    def forward(self, x: Tensor) -> Raw:
        return self.head(self.backbone(x))

    def encode(self, boxes: Sequence[Any], labels: Sequence[Any]) -> tuple[np.ndarray, ...]:
        return ssd_targets(boxes, labels, self.default_boxes, self.num_classes)

    def criterion(self, raw: Any, dense: Any) -> dict[str, Any]:
        return self.loss(raw["cls_logits"], raw["bbox_regression"], *dense)

    def decode(self, raw: Any) -> list[Detections]:
        require_places(raw["bbox_regression"], self.default_boxes, self.size)
        return [self._decode_image(*of_image) for of_image in zip(raw["cls_logits"], raw["bbox_regression"])]

    def _decode_image(self, logits: np.ndarray, offsets: np.ndarray) -> Detections:
        rows = promising(logits, self.score_threshold)
        boxes = decode_deltas(offsets[rows], self.default_boxes[rows], SSD_VARIANCES)
        found = multiclass_nms(clip_boxes_to_image(boxes, self.size), probabilities(logits[rows]), self.score_threshold,
                               self.iou_threshold, self.top_k, self.max_detections, first_label=1)
        return found._replace(labels=found.labels - 1)


def ssd_targets(boxes: Sequence[Any], labels: Sequence[Any], anchors: np.ndarray,
                classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N, P), 0 for background, else 1 and the truth's, and truths encoded (N, P, 4), of P boxes and N images.

    Section 2.2, "matching strategy": the best box of each truth, then whatever overlaps one by half.  Raises ValueError
    for a label of `classes` or more.

    >>> ssd_targets([[[0, 0, 10, 9]], []], [[4], []], np.array([[0, 0, 10, 10], [20, 20, 30, 30]]), 5)[0].tolist()
    [[5, 0], [0, 0]]
    """
    most = max((int(np.max(of_image)) for of_image in labels if len(of_image)), default=-1)
    if most >= classes:
        raise ValueError(f"SSD: labels has {most}, but there are {classes} classes, counted from 0")
    found, truths = batch_targets(boxes, labels, lambda of_image: match_boxes(of_image, anchors, best="own"), classes)
    there = (found < classes)[..., None]
    return (found + 1) % (classes + 1), encode_deltas(np.where(there, truths, anchors), anchors, SSD_VARIANCES)


def require_places(raw: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> None:
    """Refuse raw heads (N, P, ...) of other default boxes than those of the size that is set."""
    if raw.shape[1] != len(boxes):
        raise ValueError(f"SSD: raw heads of {raw.shape[1]} default boxes, but a network of size {size} has "
                         f"{len(boxes)}")


def promising(logits: np.ndarray, score_threshold: float) -> np.ndarray:
    """Which of P places may have a class whose probability exceeds a threshold; logits: (P, 1 + C), background first.

    A class is less likely than e to the power of its logit over the background's: most places are settled by that.

    >>> promising(np.array([[9.0, 0.0, 1.0], [2.0, 0.0, 1.0]]), 0.01).tolist()
    [1]
    """
    with np.errstate(divide="ignore"):
        return np.flatnonzero(logits[:, 1:].max(1) - logits[:, 0] > np.log(score_threshold))


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis; there may be no rows at all."""
    with no_grad():
        return F.softmax(Tensor(logits), -1).numpy() if len(logits) else logits


class VGGMaps(Module):
    """VGG as SSD reads it: conv4_3, each of its pixels with length 1, fc7 as a convolution, and one map of each extra.

    (N, 3, H, W) -> 6 maps of `channels`, 38, 19, 10, 5, 3 and 1 pixels wide for an image of 300.  vgg: gives its
    layers, and is of no use afterwards.  fc6 takes every sixth pixel behind a max-pooling that keeps the size, the
    third max-pooling rounds up: section 3, "base network".
    """

    def __init__(self, vgg: VGG) -> None:
        layers, pools = vgg_layers(vgg)
        layers[pools[2]].ceil_mode = True
        before = vgg.channels[-1]
        self.scale_weight = Parameter(np.full(before, L2_SCALE))
        self.features = Sequential(*layers[:pools[3]])
        atrous = Sequential(MaxPool2d(3, 1, 1), Conv2d(before, FC7, 3, padding=6, dilation=6), ReLU(),
                            Conv2d(FC7, FC7, 1), ReLU())
        self.channels = [before, FC7, *[out for _, out, _ in EXTRAS]]
        self.extra = ModuleList([Sequential(*layers[pools[3]:pools[4]], atrous.apply(start_xavier)),
                                 *[extra_block(c, *row) for c, row in zip(self.channels[1:], EXTRAS)]])

    def forward(self, x: Tensor) -> Maps:
        x = self.features(x)
        maps = [F.l2_norm(x, self.scale_weight)]
        for block in self.extra:
            x = block(x)
            maps.append(x)
        return maps


def vgg_layers(vgg: VGG) -> tuple[list[Any], list[int]]:
    """The layers of a VGG's trunk, and which of them are its five max-poolings; ValueError where they are not five."""
    layers: list[Any] = list(vgg.features)
    pools = [i for i, layer in enumerate(layers) if isinstance(layer, MaxPool2d)]
    if len(pools) != 5:
        raise ValueError(f"VGG: expected all five blocks of a trunk, got one with {len(pools)} max-poolings")
    return layers, pools


def extra_block(in_channels: int, middle: int, out_channels: int, stride: int) -> Sequential:
    """A convolution of 1x1 and one of 3x3, which halves the map, or takes a pixel off each of its edges."""
    return Sequential(Conv2d(in_channels, middle, 1), ReLU(),
                      Conv2d(middle, out_channels, 3, stride, padding=stride - 1), ReLU()).apply(start_xavier)


class MoreMaps(Module):
    """The maps of a network, and further ones behind the last: (N, 3, H, W) -> a list of maps of `channels`.

    features: gives a list of maps.  channels: of these.  extras: channels of the further ones.  block: makes the layers
    from the channels of a map to those of the next.
    """

    def __init__(self, features: Module, channels: Sequence[int], extras: Sequence[int], block: Predictor) -> None:
        self.features, self.channels = features, [*channels, *extras]
        before = self.channels[len(channels) - 1:]
        self.extra = ModuleList(block(c, out) for c, out in zip(before, extras))

    def forward(self, x: Tensor) -> Maps:
        maps = list(self.features(x))
        for block in self.extra:
            maps.append(block(maps[-1]))
        return maps


def maps_of(caller: str, backbone: str | Backbone, strides: Sequence[int], maps: int, most: int) -> Backbone:
    """A network that gives maps of these strides, or those that it was built for, and lacks at most so many of all."""
    net = feature_backbone(backbone, strides) if isinstance(backbone, str) else backbone
    given = net.channels if net.features_only else []
    if not given or not 0 <= maps - len(given) <= most:
        raise ValueError(f"{caller}: backbone must be built with features_only=True, and maps be its maps and up to "
                         f"{most} more; got {len(given)} maps of {type(net).__name__} and maps={maps!r}")
    return net


def halving_block(in_channels: int, out_channels: int) -> Sequential:
    """A map half as wide."""
    return extra_block(in_channels, out_channels // 2, out_channels, 2)


@partial(register_model, task="detection")
def ssd(backbone: str | Backbone = "mobilenet_v2", num_classes: int = 90, size: int | tuple[int, int] = 300,
        strides: Sequence[int] = (8, 16, 32), maps: int = 6, smallest: float = 0.2, largest: float = 0.9,
        **options: Any) -> SSD:
    """SSD on any classification network: four default boxes in a cell of the first map and the last two, else six.

    backbone: a registered name, or a network built with features_only=True, all of whose maps are taken.  strides: of
    its maps that are taken, where it is a name.  maps: how many there are in all, with up to four added behind.
    smallest, largest: sides of default boxes over the image's side.  options: inputs; see `ssd300_vgg16`.

    Raises ValueError for a stride that the network does not have, and where there are more maps than SSD has.

    >>> net = ssd("shufflenet_v2_x0_5", num_classes=10, size=160, maps=5)
    >>> net.default_boxes.shape  # 20 x 20 cells of four, 10 x 10 and 5 x 5 of six, 3 x 3 and 2 x 2 of four
    (2402, 4)
    """
    net = maps_of("ssd", backbone, strides, maps, len(FURTHER))
    ratios = [SIX if 0 < i < maps - 2 else FOUR for i in range(maps)]
    return SSD(MoreMaps(net, net.channels, FURTHER[:maps - len(net.channels)], halving_block), num_classes, size,
               DefaultBoxes(ratios, ssd_scales(maps, smallest, largest)), **options)


SSD300_BOXES = DefaultBoxes(SSD300_RATIOS, SSD300_SCALES, SSD300_STEPS, (300, 300))


@partial(register_model, task="detection")
def ssd300_vgg16(num_classes: int = 90, size: int | tuple[int, int] = 300, inputs: Inputs | None = None,
                 **options: Any) -> SSD:
    """SSD300 on VGG-16: 8732 default boxes, 35.6 M parameters; 26.3 M for the 20 classes of VOC.

    size: at least 268, so that something is left of the last map.  options: score_threshold 0.01, iou_threshold 0.45,
    max_detections 200, top_k 400.
    """
    return SSD(VGGMaps(VGG(TABLE[16], features_only=True)), num_classes, size, SSD300_BOXES,
               inputs=inputs or Inputs(mean=MEAN, std=1 / 255), **options)
