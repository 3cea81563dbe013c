"""torchvision's detectors beside ours, with the same random values."""
from __future__ import annotations

import numpy as np
from model_oracles import random_state
from torchvision_oracle import import_torchvision

import tinycnn
from tinycnn import Tensor
from tinycnn.detection import centerness, encode_distances
from tinycnn.detection.detector import arrays

LAST = {"cls_logits": "classification_head.cls_logits", "bbox_regression": "regression_head.bbox_reg",
        "bbox_ctrness": "regression_head.bbox_ctrness"}


def on_resnet18(kind, classes, **options):
    """torchvision's detector of a name on a pyramid of ResNet 18, which is light."""
    from torchvision.models import detection, resnet18
    from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
    from torchvision.ops.feature_pyramid_network import LastLevelP6P7
    pyramid = _resnet_fpn_extractor(resnet18(), 5, [2, 3, 4], LastLevelP6P7(256, 256))
    return getattr(detection, kind)(pyramid, classes, **options)


def as_torchvision(torch, theirs, ours):
    """Both with the same random weights and running statistics, in evaluation mode; names and shapes are equal.

    What ends the head is scaled until its results spread as logits do.
    """
    shapes = {name: tuple(value.shape) for name, value in theirs.state_dict().items()}
    assert {name: np.shape(value) for name, value in ours.state_dict().items()} == shapes
    assert list(ours.state_dict()) == list(shapes)
    state = random_state(shapes, np.random.default_rng(0))
    x = np.random.default_rng(2).standard_normal((1, 3, *ours.size)).astype(np.float32)
    for spread in (None, 1.0):
        if spread is not None:
            raw = torchvision_raw(torch, theirs, x)[0]
            for name in raw:
                state[f"head.{LAST[name]}.weight"] *= spread / raw[name].std().item()
        theirs.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
        theirs.eval()
    ours.load_state_dict(state)
    return theirs, ours.eval()


def torchvision_raw(torch, theirs, x):
    """What torchvision's head says, with what it keeps to make sense of it."""
    from torchvision.models.detection.image_list import ImageList
    with torch.set_grad_enabled(theirs.training):
        features = list(theirs.backbone(torch.tensor(x)).values())
        raw = theirs.head(features)
    images = ImageList(torch.tensor(x), [x.shape[2:]] * len(x))
    return raw, theirs.anchor_generator(images, features), [f.shape[2] * f.shape[3] for f in features]


def same_detections(got, want, boxes_atol: float = 1e-2) -> None:
    """Detections as torchvision's dict of them; boxes in pixels."""
    assert len(got.scores) == len(want["scores"]) > 10
    np.testing.assert_array_equal(got.labels, want["labels"].numpy())
    np.testing.assert_allclose(got.scores, want["scores"].numpy(), rtol=1e-4)
    np.testing.assert_allclose(got.boxes, want["boxes"].numpy(), atol=boxes_atol)


def nms_in_torch(torch, monkeypatch) -> None:
    """Give torchvision a batched NMS, which its package cannot run beside this torch."""
    import torchvision

    def batched_nms(boxes, scores, labels, threshold):
        iou = torchvision.ops.box_iou(boxes, boxes)
        kept = []
        for i in scores.argsort(descending=True, stable=True).tolist():
            if not any(labels[i] == labels[k] and iou[i, k] > threshold for k in kept):  # NaN: both stay
                kept.append(i)
        return torch.tensor(kept, dtype=torch.int64)
    monkeypatch.setattr(torchvision.ops.boxes, "batched_nms", batched_nms)


def same_training(torch, theirs, ours, classes: int) -> None:
    """Losses, and their gradients by every parameter, in training mode and float64."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 3, *ours.size))
    boxes = [np.array([[34, 49, 486, 402], [243, 162, 722, 749], [25, 567, 162, 723]]) / 8, np.zeros((0, 4))]
    labels = [np.array([1, classes - 1, 0]), np.zeros(0, np.int64)]
    dense = [d if d.dtype.kind == "i" else d.astype(np.float64) for d in ours.encode(boxes, labels)]
    if len(dense) == 3:  # centre-ness, which float32 rounds
        dense[2] = centerness(encode_distances(dense[1], ours.points.astype(np.float64))) * (dense[0] < classes)
    losses = ours.to(np.float64).train().criterion(ours(x), dense)
    sum(losses.values()).backward()
    theirs = theirs.double().train()
    raw, anchors, levels = torchvision_raw(torch, theirs, x)
    targets = [{"boxes": torch.tensor(b), "labels": torch.tensor(c)} for b, c in zip(boxes, labels)]
    arguments = (levels,) if "bbox_ctrness" in raw else ()
    want = theirs.compute_loss(targets, raw, anchors, *arguments)
    sum(want.values()).backward()
    assert list(losses) == list(want)
    for name, value in want.items():
        np.testing.assert_allclose(losses[name].item(), value.item(), rtol=1e-7, err_msg=name)
    gradients = {name: p.grad for name, p in ours.named_parameters()}
    for name, p in theirs.named_parameters():
        most = p.grad.abs().max().item()
        np.testing.assert_allclose(gradients[name], p.grad.numpy(), rtol=1e-7, atol=1e-7 * most, err_msg=name)


def same_results(torch, theirs, ours, monkeypatch, threshold: float) -> None:
    """Raw heads, and detections of them, in evaluation mode."""
    nms_in_torch(torch, monkeypatch)
    x = np.random.default_rng(2).standard_normal((2, 3, *ours.size)).astype(np.float32)
    raw, anchors, levels = torchvision_raw(torch, theirs, x)
    mine = arrays(ours(x))
    assert list(mine) == list(raw)
    for name, y in raw.items():
        scale = np.abs(y.numpy()).max()
        np.testing.assert_allclose(mine[name], y.numpy(), rtol=1e-4, atol=1e-4 * scale, err_msg=name)
    per_cell = len(anchors[0]) // sum(levels)
    counts = [n * per_cell for n in levels]
    ours.score_threshold = theirs.score_thresh = threshold
    ours.topk_candidates = theirs.topk_candidates = 200
    split = {name: list(y.split(counts, 1)) for name, y in raw.items()}
    want = theirs.postprocess_detections(split, [list(a.split(counts)) for a in anchors], [ours.size] * len(x))
    ours.iou_threshold = theirs.nms_thresh
    found = ours.postprocess({name: y.numpy() for name, y in raw.items()})
    for got, expected in zip(found, want):
        same_detections(got, expected)


def doubled(values, **options):
    """A dict of arrays or Tensors as Tensors of float64."""
    return {name: Tensor(np.array(getattr(x, "data", x), np.float64), **options) for name, x in values.items()}


class Twins:
    """A detector of ours and torchvision's of the same name, with the same random values, in evaluation mode."""

    def __init__(self, name, dtype=np.float32):
        self.vision = import_torchvision()
        import torch
        self.torch = torch
        torch.manual_seed(0)
        self.theirs = getattr(self.vision.models.detection, name)(weights=None, weights_backbone=None).eval()
        self.ours = tinycnn.models.create_model(name).eval()
        shapes = {key: value.shape for key, value in self.ours.state_dict().items()}
        state = random_state(shapes, np.random.default_rng(1))
        self.ours.load_state_dict(state)
        self.theirs.load_state_dict({key: torch.as_tensor(np.asarray(value)) for key, value in state.items()})
        if dtype == np.float64:
            self.ours.to(dtype)
            self.theirs.double()

    def images(self, count, dtype=np.float32):
        return np.random.default_rng(3).standard_normal((count, 3, *self.ours.size)).astype(dtype)

    def raw(self, x):
        """Their raw heads and default boxes."""
        x = self.torch.tensor(x)
        maps = [*self.theirs.backbone(x).values()]
        images = self.vision.models.detection.image_list.ImageList(x, [self.ours.size] * len(x))
        return self.theirs.head(maps), self.theirs.anchor_generator(images, maps)
