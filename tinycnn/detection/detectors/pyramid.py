"""What detectors on a feature pyramid share: RetinaNet, FCOS, ATSS."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...losses.dense import FCOSLoss
from ...models.backbone import Backbone
from ...nn import Module
from ..boxes import clip_boxes_to_image
from ..coders import encode_distances
from ..detector import Detector
from ..inputs import Inputs
from ..necks import FeaturePyramidNetwork, LastLevelP6P7, Maps
from ..points import centerness
from ..postprocess import Detections, logit_candidates, suppress
from ..targets import batch_targets
from .maps import grid_sizes

Size = tuple[int, int]
LIGHT: dict[str, Any] = {"channels": 64, "num_convs": 2}  # of heads that suit light backbones


class BackboneWithFPN(Module):
    """A backbone and the pyramid of its maps, in torchvision's names: `body` and `fpn`.

    body: built with features_only.  channels: of each level.  extra_levels: two more levels, from the backbone's last
    map ("c5", RetinaNet), from the pyramid's ("p5", FCOS), or None.  strides: pixels from cell to cell of each level.
    """

    def __init__(self, body: Backbone, channels: int = 256, extra_levels: str | None = "p5") -> None:
        if extra_levels not in (None, "c5", "p5"):
            raise ValueError(f"BackboneWithFPN: extra_levels must be 'c5', 'p5' or None, got {extra_levels!r}")
        if not body.features_only:
            raise ValueError("BackboneWithFPN: body must be built with features_only=True, it gives logits")
        self.body, self.channels = body, channels
        last, more = body.channels[-1] if extra_levels == "c5" else channels, None
        self.strides = tuple(body.reduction)
        if extra_levels is not None:
            more = LastLevelP6P7(last, channels)
            self.strides += (2 * self.strides[-1], 4 * self.strides[-1])
        self.fpn = FeaturePyramidNetwork(body.channels, channels, more)

    def forward(self, x: Any) -> Maps:
        return self.fpn(self.body(x))


class PyramidDetector(Detector):
    """A backbone with a pyramid, and a head on all its levels; see `heads` for what it gives.

    topk_candidates: so many pairs of a place and a class go on from each level to the suppression.  sqrt_score: the
    score is the root of the class's probability times centre-ness, not their product; without centre-ness it is the
    probability.  Further options: `Detector`.

    A class gives `boxes_of`, and `anchors`, how many there are at each place of a map.
    """

    default_inputs = Inputs("corner")
    anchors: ClassVar[int] = 1

    def __init__(self, backbone: BackboneWithFPN, head: Module, num_classes: int, size: int | Size,
                 topk_candidates: int = 1000, sqrt_score: bool = True, **options: Any) -> None:
        super().__init__(num_classes, size, **options)
        self.backbone, self.head = backbone, head
        self.topk_candidates, self.sqrt_score = topk_candidates, sqrt_score

    def forward(self, x: Any) -> dict[str, Any]:
        """x (N, 3, H, W) -> raw heads: "cls_logits", "bbox_regression", "bbox_ctrness", see `heads`."""
        return self.head(self.backbone(x))

    def boxes_of(self, codes: Any, places: Any = slice(None)) -> Any:
        """Boxes (..., 4) in pixels of what the head says at some places; arrays or Tensors."""
        raise NotImplementedError

    @property
    def grids(self) -> list[Size]:
        """Rows and columns of each level."""
        return grid_sizes(self.size, self.backbone.strides)

    @property
    def level_sizes(self) -> list[int]:
        """Anchors or points of each level."""
        return [h * w * self.anchors for h, w in self.grids]

    def decode(self, raw: Any) -> list[Detections]:
        logits, codes = raw["cls_logits"], raw["bbox_regression"]
        quality = raw.get("bbox_ctrness", [None] * len(logits))
        if logits.shape[1] != sum(self.level_sizes):
            raise ValueError(f"{type(self).__name__}.decode: raw heads have {logits.shape[1]} places, expected "
                             f"{sum(self.level_sizes)} for the size {self.size}")
        return [self._detections(*of_image) for of_image in zip(logits, codes, quality)]

    def _detections(self, logits: np.ndarray, codes: np.ndarray, quality: np.ndarray | None) -> Detections:
        found = logit_candidates(logits, self.score_threshold, self.topk_candidates, self.level_sizes, quality,
                                 self.sqrt_score)
        boxes = clip_boxes_to_image(self.boxes_of(codes[found.places], found.places), self.size)
        return suppress(boxes, found.scores, found.labels, self.iou_threshold, self.max_detections)


class CenternessDetector(PyramidDetector):
    """A detector that also says how near to the middle of its object a point is; `loss` is its criterion's.

    A class gives `match`, and `points` (P, 2), in pixels.
    """

    loss: FCOSLoss

    @property
    def points(self) -> np.ndarray:
        """Where the places of all levels are."""
        raise NotImplementedError

    def match(self, boxes: np.ndarray) -> np.ndarray:
        """For each point (P,) the number of its truth among boxes (M, 4), or BACKGROUND."""
        raise NotImplementedError

    def encode(self, boxes: Sequence[Any], labels: Sequence[Any]) -> tuple[np.ndarray, ...]:
        """Classes (N, P), num_classes for background; the truths' boxes (N, P, 4) and their centre-ness (N, P)."""
        classes, where = batch_targets(boxes, labels, self.match, self.num_classes)
        return classes, where, centerness(encode_distances(where, self.points)) * (classes < self.num_classes)

    def criterion(self, raw: Any, dense: Any) -> dict[str, Any]:
        labels, boxes, quality = dense
        found, said = self.boxes_of(raw["bbox_regression"]), raw["bbox_ctrness"]
        return self.loss(raw["cls_logits"], found, said.reshape(*said.shape[:2]), labels, boxes, quality)
