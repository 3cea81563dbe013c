"""What YOLO from version 2 on shares: of each anchor of each cell the head says a box, an objectness and classes.

Images are seen as Darknet shows them: letterboxed on grey, colours from 0 to 1.
"""
from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ... import ops as F
from ...losses.yolo import AnchorLoss
from ...models.backbone import Backbone, start_convolutions
from ...nn import Conv2d, ModuleList, init
from ...tensor import Tensor
from ..boxes import clip_boxes_to_image
from ..coders import decode_logistic, logit, sigmoid
from ..detector import Detector
from ..inputs import Inputs
from ..postprocess import Detections, multiclass_nms
from ..targets import pad_truths
from ..yolo_anchors import YOLOScale, yolo_priors
from ..yolo_cells import yolo_targets
from .maps import require_maps_among

MOST_TRUTHS = 90  # of an image, that predictions are compared with before "no object" is asked of them: as in Darknet
PRIORS_KEPT = 16  # sizes of images: multi-scale training has 10 from 320 to 608
_priors = lru_cache(PRIORS_KEPT)(yolo_priors)


class AnchorYOLO(Detector):
    """A YOLO with anchors.

    raw: for each of scales a map (N, A (5 + C), H, W), A anchors, C classes, see `losses.yolo`.  dense: of each map
    labels (N, A, H, W), boxes (N, A, H, W, 4) and weights (N, A, H, W), then all truths (N, 90, 4); those of an image
    beyond 90 are looked for, but what overlaps them is not spared.  match_threshold: see `yolo_targets`.  options:
    `Detector`.

    A subclass gives `forward` and `make_loss`.  `size` may be changed between steps of training, to multiples of 32
    (Redmon and Farhadi, "YOLO9000", CVPR 2017, section 2, "multi-scale training": 320 to 608).
    """

    default_inputs: ClassVar[Inputs] = Inputs("centre", 0.5, 0.0, 1.0)
    takes_weights: ClassVar[bool] = True
    suppression: ClassVar[str] = "greedy"  # see `postprocess.suppress`

    def __init__(self, num_classes: int, size: int | tuple[int, int], scales: Sequence[YOLOScale],
                 match_threshold: float | None = None, iou_threshold: float = 0.45, **options: Any) -> None:
        super().__init__(num_classes, size, iou_threshold=iou_threshold, **options)
        self.scales = tuple(scale._replace(anchors=tuple((w, h) for w, h in scale.anchors)) for scale in scales)
        self.match_threshold = match_threshold
        self.losses = ModuleList([self.make_loss(scale) for scale in self.scales])

    def make_loss(self, scale: YOLOScale) -> AnchorLoss:
        """The loss of one map."""
        raise NotImplementedError

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Those of classes, (K, C), given an object: each by itself."""
        return sigmoid(logits)

    def outputs(self, scale: YOLOScale) -> int:
        """Channels of a map: A (5 + C)."""
        return len(scale.anchors) * (5 + self.num_classes)

    def checked(self, backbone: Backbone) -> Backbone:
        """A backbone, if it has maps at the strides of the scales; ValueError if not."""
        require_maps_among(type(self).__name__, backbone, strides_of(self.scales))
        return backbone

    def maps(self, backbone: Backbone, x: Tensor) -> list[Tensor]:
        """The backbone's maps at the strides of the scales, in their order."""
        maps = backbone(x)
        return [maps[backbone.reduction.index(scale.stride)] for scale in self.scales]

    def encode(self, boxes: Sequence[Any], labels: Sequence[Any],
               weights: Sequence[Any] | None = None) -> tuple[np.ndarray, ...]:
        most = max((int(np.max(of_image)) for of_image in labels if len(of_image)), default=-1)
        if most >= self.num_classes:
            raise ValueError(f"{type(self).__name__}.encode: labels has {most}, but there are {self.num_classes} "
                             "classes, counted from 0")
        grids = [(self.size[0] // scale.stride, self.size[1] // scale.stride) for scale in self.scales]
        cells = yolo_targets(boxes, labels, grids, self.scales, self.match_threshold, weights)
        return (*[array for of_map in cells for array in of_map],
                pad_truths([of_image[:MOST_TRUTHS] for of_image in boxes], MOST_TRUTHS))

    def criterion(self, raw: Any, dense: Any) -> dict[str, Any]:
        """The terms of each map's loss, summed over maps."""
        terms: dict[str, Any] = {}
        cells = zip(*[dense[i:-1:3] for i in range(3)])
        for loss, of_map, (labels, boxes, weights) in zip(self.losses, raw, cells, strict=True):
            for name, term in loss(of_map, labels, boxes, dense[-1], weights).items():
                terms[name] = terms[name] + term if name in terms else term
        return terms

    def decode(self, raw: Any) -> list[Detections]:
        """A score is objectness times the class's probability, so that only anchors of enough objectness are looked at.
        """
        priors = _priors(tuple(of_map.shape[2:] for of_map in raw), self.scales)
        rows = [of_map.reshape(len(of_map), len(scale.anchors), 5 + self.num_classes, -1)
                for of_map, scale in zip(raw, self.scales, strict=True)]
        canvas = tuple(side * self.scales[0].stride for side in raw[0].shape[2:])
        return [self._decode_image(maps, priors, canvas) for maps in zip(*rows)]

    def _decode_image(self, maps: Sequence[np.ndarray], priors: tuple[np.ndarray, ...],
                      canvas: tuple[int, ...]) -> Detections:
        """maps: (A, 5 + C, H W) each."""
        least, codes, places, first = logit(self.score_threshold), [], [], 0
        for of_map in maps:
            anchors, cells = np.nonzero(of_map[:, 4] > least)
            codes.append(of_map[anchors, :, cells])
            places.append(first + anchors * of_map.shape[2] + cells)
            first += len(of_map) * of_map.shape[2]
        said, at = np.concatenate(codes), np.concatenate(places)
        boxes = decode_logistic(said[:, :4], *[prior[at] for prior in priors])
        scores = sigmoid(said[:, 4:5]) * self.probabilities(said[:, 5:])
        found = multiclass_nms(boxes, scores, self.score_threshold, self.iou_threshold,
                               max_detections=self.max_detections, method=self.suppression)
        return found._replace(boxes=clip_boxes_to_image(found.boxes, canvas))  # type: ignore[arg-type]


def strides_of(scales: Sequence[YOLOScale]) -> list[int]:
    """Those of the maps of some scales."""
    return [scale.stride for scale in scales]


def output_layer(in_channels: int, outputs: int) -> Conv2d:
    """The last convolution of a head, which at first says next to nothing."""
    layer = Conv2d(in_channels, outputs, 1).apply(start_convolutions)
    init.normal(layer.weight, 0.01)
    return layer


def upsampled(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, 2 H, 2 W), every pixel four times."""
    return F.interpolate(x, scale_factor=2)
