"""What the tests of SSD, SSDLite and RefineDet share: drawn pictures, trials, torchvision's network beside ours."""
from __future__ import annotations

import numpy as np
from model_oracles import random_state
from torchvision_oracle import import_torchvision

import tinycnn
from tinycnn import Tensor, optim
from tinycnn import functional as F

COLOURS = np.array([[230, 40, 40], [40, 210, 60], [50, 60, 240]], np.uint8)  # of the classes


def drawn(count, size, seed=0):
    """Pictures, uint8 (size, size, 3), of two rectangles each; the last one is empty ground."""
    rng = np.random.default_rng(seed)
    images, boxes, labels = [], [], []
    for i in range(count):
        image = rng.integers(90, 140, (size, size, 3)).astype(np.uint8)
        found = []
        for left in (2, size // 2 + 2) if i < count - 1 else ():
            w, h = rng.integers(size // 4, size // 2 - 4, 2)
            top = rng.integers(2, size - h - 2)
            found.append((left, top, left + w, top + h))
        classes = rng.integers(0, 3, len(found))
        for (x1, y1, x2, y2), label in zip(found, classes):
            image[y1:y2, x1:x2] = COLOURS[label]
        images.append(image)
        boxes.append(np.array(found, np.float32).reshape(-1, 4))
        labels.append(classes)
    return images, boxes, labels


def batch(detector, count=3, seed=0):
    """Drawn pictures as the detector sees them, and dense targets."""
    images, boxes, labels = drawn(count, detector.size[0], seed)
    return detector.inputs(images, detector.size), detector.encode(boxes, labels)


def overfit(detector, steps, learning_rate, count=3):
    """Losses of so many planned steps on a few pictures; asserts that what is drawn there is found, and little else."""
    images, boxes, labels = drawn(count, detector.size[0])
    x, dense = batch(detector, count)
    step = tinycnn.compile_training_step(detector.train(), detector.criterion,
                                         optim.Adam(detector.parameters(), learning_rate), (x, dense))
    losses = [step(x, dense) for _ in range(steps)]
    detector.eval().score_threshold = 0.4
    for found, truths, classes in zip(detector.detect(images), boxes, labels, strict=True):
        assert len(found.labels) <= 2 * len(classes)
        for truth, label in zip(truths, classes):
            assert (F.box_iou(truth[None], found.boxes[found.labels == label]) > 0.5).any()
    return losses


def eager_and_planned(make, steps=3):
    """Losses of a few steps on the tape and of a plan, from the same start; and the plan's report."""
    found = []
    for planned in (False, True):
        tinycnn.manual_seed(5)
        detector = make()
        x, dense = batch(detector)
        optimizer = optim.SGD(detector.parameters(), 1e-4)
        if planned:
            step = tinycnn.compile_training_step(detector, detector.criterion, optimizer, (x, dense))
            found.append([step(x, dense) for _ in range(steps)])
        else:
            found.append([on_tape(detector, optimizer, x, dense) for _ in range(steps)])
    return *found, step.report()


def on_tape(detector, optimizer, x, dense):
    optimizer.zero_grad()
    total = sum(detector.criterion(detector(x), dense).values())
    total.backward()
    optimizer.step()
    return total.item()


def doubled(arrays, **options):
    """A dict of arrays or Tensors as Tensors of float64."""
    return {name: Tensor(np.array(getattr(x, "data", x), np.float64), **options) for name, x in arrays.items()}


def check_gradients(criterion, raw, dense, count=30, eps=1e-6, seed=0):
    """Of the sum of all losses, against differences, at elements of the raw heads that are chosen at random."""
    leaves, rng = doubled(raw, requires_grad=True), np.random.default_rng(seed)
    dense = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in dense]
    total = lambda leaves: sum(criterion(leaves, dense).values())  # noqa: E731
    total(leaves).backward()
    gradients, slopes = [], []
    for _ in range(count):
        name = rng.choice([*leaves])
        busy = np.argwhere(leaves[name].grad)  # most places are easy negatives, without a gradient
        at = tuple(busy[rng.integers(len(busy))])
        values = []
        for side in (eps, -eps):
            moved = doubled(leaves)
            moved[name].data[at] += side
            values.append(total(moved).item())
        gradients.append(leaves[name].grad[at])
        slopes.append((values[0] - values[1]) / (2 * eps))
    np.testing.assert_allclose(gradients, slopes, rtol=1e-5, atol=1e-8)


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
