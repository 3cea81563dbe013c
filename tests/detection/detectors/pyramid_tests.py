"""What the tests of RetinaNet, FCOS and ATSS share: drawn scenes, promises of every detector, torchvision's network."""
from __future__ import annotations

import copy

import numpy as np
from model_oracles import random_state

import tinycnn
from tinycnn import Tensor, optim
from tinycnn import functional as F
from tinycnn.detection import centerness, encode_distances
from tinycnn.detection.detector import arrays

LAST = {"cls_logits": "classification_head.cls_logits", "bbox_regression": "regression_head.bbox_reg",
        "bbox_ctrness": "regression_head.bbox_ctrness"}
COLOURS = np.array([[230, 60, 50], [60, 200, 90], [70, 90, 230]], np.uint8)


def scenes(count: int, size: int = 64, seed: int = 0):
    """Images with one or two rectangles each, whose colour is their class; the last image has none."""
    rng = np.random.default_rng(seed)
    images, boxes, labels = [], [], []
    for i in range(count):
        image = rng.integers(90, 130, (size, size, 3)).astype(np.uint8)
        left, found = 2, []
        for _ in range(0 if i == count - 1 else 1 + i % 2):
            w, h = rng.integers(size // 4, size // 2 - 4, 2)
            top = rng.integers(2, size - h - 2)
            found.append((left, top, left + w, top + h))
            left += w + 4
        classes = rng.permutation(3)[:len(found)]
        for (x1, y1, x2, y2), c in zip(found, classes):
            image[y1:y2, x1:x2] = COLOURS[c]
        images.append(image)
        boxes.append(np.array(found, np.float32).reshape(-1, 4))
        labels.append(classes)
    return images, boxes, labels


def batch(detector, count: int = 4):
    images, boxes, labels = scenes(count, detector.size[0])
    return detector.inputs(images, detector.size), detector.encode(boxes, labels)


def overfit(detector, steps: int, lr: float = 2e-3, count: int = 4) -> list[float]:
    """The losses of steps of a planned training on the same few scenes, which are then found."""
    images, boxes, labels = scenes(count, detector.size[0])
    x, dense = batch(detector, count)
    detector.train()
    optimizer = optim.Adam(detector.parameters(), lr=lr)
    step = tinycnn.compile_training_step(detector, detector.criterion, optimizer, (x, dense))
    losses = [step(x, dense) for _ in range(steps)]
    detector.eval()
    detector.score_threshold = 0.3
    for found, truth, classes in zip(detector.detect(images), boxes, labels):
        assert len(found.scores) >= len(truth)
        for box, label in zip(truth, classes):
            iou = F.box_iou(box[None], found.boxes[found.labels == label])
            assert iou.size
            assert iou.max() > 0.5
    return losses


def planned_is_eager(detector, steps: int = 3) -> None:
    """The same losses, part by part, with and without a plan."""
    other = copy.deepcopy(detector)
    x, dense = batch(detector)
    optimizers = [optim.SGD(d.parameters(), lr=1e-3, momentum=0.9) for d in (detector, other)]
    step = tinycnn.compile_training_step(detector, detector.criterion, optimizers[0], (x, dense))
    for _ in range(steps):
        loss = step(x, dense)
        parts = other.criterion(other(x), dense)
        total = sum(parts.values())
        other.zero_grad()
        total.backward()
        optimizers[1].step()
        np.testing.assert_allclose(loss, total.item(), rtol=1e-4)
        for name, part in parts.items():
            np.testing.assert_allclose(step.losses[name], part.item(), rtol=1e-4, err_msg=name)


def compiled_is_eager(detector) -> None:
    x = batch(detector, 2)[0]
    detector.eval()
    net = tinycnn.compile(detector, x.shape)
    for (name, want), got in zip(detector(x).items(), net(x).values()):
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-4, atol=1e-4, err_msg=name)


def criterion_gradients(detector, dense, rng) -> None:
    """Gradients of the criterion by the raw heads, against differences; float64."""
    dense = [np.asarray(d, np.float64) if d.dtype.kind == "f" else d for d in dense]
    detector.eval()
    x = rng.standard_normal((len(dense[0]), 3, *detector.size))
    raw = {name: y.astype(np.float64) + 0.1 * rng.standard_normal(y.shape)
           for name, y in arrays(detector(x.astype(np.float32))).items()}
    if "bbox_ctrness" in raw:
        raw["bbox_regression"] = np.abs(raw["bbox_regression"]) + 0.3
    def loss(raw):
        return sum(detector.criterion(raw, dense).values())
    leaves = {name: Tensor(y, requires_grad=True) for name, y in raw.items()}
    loss(leaves).backward()
    for name in raw:
        direction = rng.standard_normal(raw[name].shape)
        eps = 1e-6
        ends = [loss({k: Tensor(v + sign * eps * direction if k == name else v) for k, v in raw.items()}).item()
                for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * eps)
        np.testing.assert_allclose((leaves[name].grad * direction).sum(), slope, rtol=1e-5, atol=1e-8, err_msg=name)


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
