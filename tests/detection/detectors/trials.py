"""What every detector promises, to be asked of one: it compiles, trains by plans, survives empty images, finds."""
from __future__ import annotations

import numpy as np
import pytest

import tinycnn
from tinycnn import Tensor, optim
from tinycnn import functional as F
from tinycnn.detection.detector import arrays

CLASSES = 3
COLOURS = np.array([[230, 50, 45], [55, 205, 80], [60, 75, 235]], np.uint8)  # of the classes
NONE = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)


def pictures(count, size, seed=0):
    """Pictures, uint8 (size, size, 3), of two rectangles side by side, whose colour is their class, on noisy grey; the
    last of several is empty ground.  Their boxes and labels.
    """
    rng = np.random.default_rng(seed)
    images = list(rng.integers(90, 130, (count, size, size, 3)).astype(np.uint8))
    truths = [NONE if i == count - 1 > 0 else two_rectangles(size, rng) for i in range(count)]
    for image, (found, classes) in zip(images, truths):
        for (x1, y1, x2, y2), label in zip(found.astype(int), classes):
            image[y1:y2, x1:x2] = COLOURS[label]
    return images, [found for found, _ in truths], [classes for _, classes in truths]


def two_rectangles(size, rng):
    """One in the left half, one in the right, of different classes."""
    half = size // 2
    sides = rng.integers(size // 4, half - 4, (2, 2))
    low = rng.integers([[2, 2], [half, 2]], [[half + 1, size - 1], [size - 1, size - 1]] - sides)
    return np.concatenate([low, low + sides], 1).astype(np.float32), rng.permutation(CLASSES)[:2]


def batch(detector, count=3, seed=0):
    """Pictures as the detector sees them, and its dense targets."""
    images, boxes, labels = pictures(count, detector.size[0], seed)
    return detector.inputs(images, detector.size), detector.encode(boxes, labels)


def total(losses):
    return sum(losses.values())


def shaken(module, seed=1):
    """Every parameter and running statistic moved off its start."""
    rng = np.random.default_rng(seed)
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if value.dtype.kind == "f":
            value.data[...] += (0.1 * rng.uniform(0, 1, value.shape) if name.endswith("var")
                                else 0.02 * rng.standard_normal(value.shape))
    return module


def leaves(raw):
    """The Tensors or arrays of raw heads by name."""
    if isinstance(raw, dict):
        return dict(raw)
    return dict(enumerate(raw)) if isinstance(raw, (tuple, list)) else {None: raw}


def like(raw, found):
    """Raw heads made of others' leaves: the inverse of `leaves`."""
    if isinstance(raw, dict):
        return found
    return tuple(found.values()) if isinstance(raw, (tuple, list)) else found[None]


def noisy(detector, count=3, spread=0.1, seed=0):
    """What a detector says of noise, and noise on that: raw heads in float64."""
    rng = np.random.default_rng(seed)
    raw = detector.eval()(rng.standard_normal((count, 3, *detector.size)).astype(np.float32))
    return like(raw, {name: part.numpy() + spread * rng.standard_normal(part.shape)
                      for name, part in leaves(raw).items()})


def compiles(detector, *sizes):
    """The plan gives what the network gives, to 1e-4, for images of its own size and of others."""
    detector.eval()
    for height, width in (detector.size, *sizes):
        x = np.random.default_rng(2).uniform(-1, 1, (1, 3, height, width)).astype(np.float32)
        with tinycnn.no_grad():
            want = leaves(detector(Tensor(x)))
        got = leaves(tinycnn.compile(detector, x.shape)(x))
        assert [*got] == [*want]
        for name, part in want.items():
            np.testing.assert_allclose(got[name], part.numpy(), rtol=0, atol=1e-4 * np.abs(part.numpy()).max(),
                                       err_msg=name)


def trains_by_plan(build, steps=3, lr=1e-4, x_and_dense=None):
    """The losses of planned steps, part by part, are those of the tape, to 1e-4; returns the plan's report."""
    tinycnn.manual_seed(5)
    eager, planned = build().train(), build().train()
    planned.load_state_dict(eager.state_dict())
    x, dense = x_and_dense or batch(eager)
    first, second = (optim.SGD(detector.parameters(), lr, momentum=0.9) for detector in (eager, planned))
    step = tinycnn.compile_training_step(planned, planned.criterion, second, (x, dense))
    for _ in range(steps):
        parts = eager.criterion(eager(Tensor(x)), dense)
        first.zero_grad()
        total(parts).backward()
        first.step()
        np.testing.assert_allclose(step(x, dense), total(parts).item(), rtol=1e-4)
        assert {**step.losses} == {name: pytest.approx(part.item(), rel=1e-3, abs=1e-5) for name, part in parts.items()}
    return step.report()


def survives_empty_images(detector, nothing=()):
    """No truth in any image, and in one of two: losses and gradients are finite, losses named in `nothing` 0."""
    images, boxes, labels = pictures(2, detector.size[0])
    x = detector.inputs(images, detector.size)
    for truths in (([NONE[0]] * 2, [NONE[1]] * 2), (boxes, labels)):
        dense = detector.encode(*truths)
        detector.train().zero_grad()
        parts = detector.criterion(detector(Tensor(x)), dense)
        total(parts).backward()
        assert np.isfinite([part.item() for part in parts.values()]).all()
        assert all(np.isfinite(p.grad).all() for p in detector.parameters() if p.grad is not None)
        if truths[0] is not boxes:
            assert {name: parts[name].item() for name in nothing} == dict.fromkeys(nothing, 0)
    assert [array.shape for array in detector.encode([NONE[0]], [NONE[1]])] == [(1, *a.shape[1:]) for a in dense]


def overfits(detector, steps, lr=2e-3, count=3, fall=0.4):
    """Losses fall to a share, and every rectangle is found, IoU > 0.5, with its class, and nothing else as surely."""
    images, boxes, labels = pictures(count, detector.size[0])
    x, dense = batch(detector, count)
    step = tinycnn.compile_training_step(detector.train(), detector.criterion,
                                         optim.Adam(detector.parameters(), lr), (x, dense))
    losses = [step(x, dense) for _ in range(steps)]
    assert np.mean(losses[-3:]) < fall * losses[0]
    detector.eval().score_threshold = 0.3
    for found, truths, classes in zip(detector.detect(images), boxes, labels, strict=True):
        assert len(found.scores) <= 2 * len(classes)
        for truth, label in zip(truths, classes):
            assert (F.box_iou(truth[None], found.boxes[found.labels == label]) > 0.5).any()


def in_double(dense):
    """Dense targets with floats in float64."""
    return tuple(d.astype(np.float64) if d.dtype.kind == "f" else d for d in dense)


def criterion_gradients(detector, raw, dense, terms=None, eps=1e-6, seed=0):
    """Gradients of the criterion by each of the raw heads, against differences along a random direction; float64.

    terms: those that are looked at; None: all.
    """
    rng = np.random.default_rng(seed)
    dense = in_double(dense)
    values = {name: np.asarray(part, np.float64) for name, part in leaves(arrays(raw)).items()}

    def loss(parts):
        losses = detector.criterion(like(raw, parts), dense)
        return sum(part for name, part in losses.items() if terms is None or name in terms)
    tensors = {name: Tensor(value, requires_grad=True) for name, value in values.items()}
    loss(tensors).backward()
    for name, value in values.items():
        direction = rng.standard_normal(value.shape)
        ends = [loss({key: Tensor(v + side * eps * direction if key == name else v) for key, v in values.items()})
                for side in (1, -1)]
        slope, gradient = (ends[0] - ends[1]).item() / (2 * eps), (tensors[name].grad * direction).sum()
        np.testing.assert_allclose(gradient, slope, rtol=1e-5, atol=1e-7, err_msg=name)


def follows_size(detector, size=(96, 64)):
    """Heads, targets and detections of images of another size, from one step to the next."""
    detector.size = size
    raw = detector.eval()(np.zeros((1, 3, *size), np.float32))
    losses = detector.criterion(raw, detector.encode([[[4, 4, 40, 50]]], [[1]]))
    assert np.isfinite(total(losses).item())
    for found in detector.postprocess(raw):
        assert (found.boxes <= [size[1], size[0]] * 2).all()
    return raw


def parameters(detector):
    """How many numbers are trained."""
    return sum(p.size for p in detector.parameters())
