"""What every detector promises, to be asked of one: it compiles, trains by plans, survives empty images, finds."""
from __future__ import annotations

import numpy as np

import tinycnn
from tinycnn import Tensor, nn, optim
from tinycnn import functional as F

CLASSES = 3


def drawn(count: int, size: int, objects: int = 2, seed: int = 0):
    """Noisy images float32 (count, 3, size, size) with bright rectangles, red, green or blue: x, boxes, labels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.1, (count, 3, size, size)).astype(np.float32)
    boxes, labels = [], []
    for image in x:
        sides = rng.integers(size // 4, size // 2, (objects, 2))
        low = rng.integers(0, size - sides)
        classes = rng.integers(CLASSES, size=objects)
        for (x1, y1), (w, h), label in zip(low, sides, classes):
            image[:, y1:y1 + h, x1:x1 + w] = -1
            image[label, y1:y1 + h, x1:x1 + w] = 2
        boxes.append(np.concatenate([low, low + sides], 1).astype(np.float32))
        labels.append(classes)
    return x, boxes, labels


def shaken(module: nn.Module, seed: int = 1) -> nn.Module:
    """Every parameter and running statistic moved off its start."""
    rng = np.random.default_rng(seed)
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if value.dtype.kind == "f":
            value.data[...] += (0.1 * rng.uniform(0, 1, value.shape) if name.endswith("var")
                                else 0.02 * rng.standard_normal(value.shape))
    return module


def total(losses):
    return sum(losses.values())


def compiles(detector) -> None:
    """The plan gives what the network gives, to 1e-4."""
    height, width = detector.size
    x = np.random.default_rng(2).standard_normal((1, 3, height, width), np.float32)
    shaken(detector).eval()
    for got, want in zip(tinycnn.compile(detector, x.shape)(x), detector(Tensor(x)), strict=True):
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-4, atol=1e-4)


def trains_by_plan(build, steps: int = 3) -> None:
    """Losses of planned steps are those of the tape, to 1e-4."""
    eager, planned = build().train(), build().train()
    planned.load_state_dict(eager.state_dict())
    x, boxes, labels = drawn(2, eager.size[0])
    dense = eager.encode(boxes, labels)
    optimizers = [optim.SGD(detector.parameters(), 1e-3, momentum=0.9) for detector in (eager, planned)]
    step = tinycnn.compile_training_step(planned, planned.criterion, optimizers[1], (x, dense))
    for _ in range(steps):
        loss = total(eager.criterion(eager(Tensor(x)), dense))
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        np.testing.assert_allclose(step(x, dense), loss.item(), rtol=1e-4)


def survives_empty_images(detector) -> None:
    """No truth in any image, and in one of two: losses and gradients are finite, and something is learnt."""
    x, boxes, labels = drawn(2, detector.size[0])
    none = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    for truths in (([none[0]] * 2, [none[1]] * 2), ([boxes[0], none[0]], [labels[0], none[1]])):
        dense = detector.encode(*truths)
        detector.train().zero_grad()
        loss = total(detector.criterion(detector(Tensor(x)), dense))
        loss.backward()
        assert np.isfinite(loss.item())
        assert loss.item() > 0
        assert all(np.isfinite(p.grad).all() for p in detector.parameters() if p.grad is not None)
    assert [array.shape for array in detector.encode([none[0]], [none[1]])] == [(1, *a.shape[1:]) for a in dense]


def overfits(detector, steps: int, lr: float = 2e-3, images: int = 2) -> None:
    """Losses fall, and every drawn rectangle is found, IoU > 0.5, with its class, before anything that is none."""
    x, boxes, labels = drawn(images, detector.size[0])
    detector.train()
    dense = detector.encode(boxes, labels)
    step = tinycnn.compile_training_step(detector, detector.criterion, optim.AdamW(detector.parameters(), lr),
                                         (x, dense))
    losses = [step(x, dense) for _ in range(steps)]
    assert np.mean(losses[-5:]) < 0.4 * np.mean(losses[:5])
    for found, truths, classes in zip(detector.eval().postprocess(detector(Tensor(x))), boxes, labels, strict=True):
        iou = F.box_iou(truths, found.boxes)
        for row, label in zip(iou, classes):
            assert ((row > 0.5) & (found.labels == label) & (found.scores > 0.3)).any()
        assert iou[:, :len(truths)].max(0).min() > 0.5
