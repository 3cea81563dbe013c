"""What trials of a detector share: drawn pictures, a short training, and whether it then finds what is there."""
from __future__ import annotations

import numpy as np

import tinycnn
from tinycnn import optim
from tinycnn.ops.boxes import box_iou


def drawn(n, size, classes=3, seed=0, objects=2):
    """n pictures, float32 (n, 3, size, size), of bright rectangles on dark ground, a colour for each class."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.05, (n, 3, size, size)).astype(np.float32)
    boxes, labels = [], []
    for image in x:
        sides = rng.integers(size // 4, size // 2, (objects, 2))
        corners = rng.integers(0, size - sides)
        corners[:, 0] = np.minimum(corners[:, 0] // 2 + np.arange(objects) * size // objects, size - sides[:, 0])
        boxes.append(np.concatenate([corners, corners + sides], 1).astype(np.float32))
        labels.append(rng.integers(0, classes, objects))
        for (x1, y1, x2, y2), label in zip(boxes[-1].astype(int), labels[-1]):
            image[:, y1:y2, x1:x2] = -1
            image[label % 3, y1:y2, x1:x2] = 2
    return x, boxes, labels


def overfit(detector, x, dense, steps, learning_rate=2e-3):
    """Totals of the loss of so many planned steps."""
    optimizer = optim.Adam(detector.parameters(), learning_rate)
    step = tinycnn.compile_training_step(detector, detector.criterion, optimizer, (x, dense))
    return [step(x, dense) for _ in range(steps)]


def finds_all(detector, x, boxes, labels):
    """Whether each truth has a detection of its class with an IoU above 0.5."""
    detector.eval()
    return all((box_iou(found.boxes[found.labels == label], box[None]) > 0.5).any()
               for found, truths, classes in zip(detector.postprocess(detector(x)), boxes, labels)
               for box, label in zip(truths, classes))


def eager_and_planned(make, x, dense, steps=3, learning_rate=1e-3):
    """Losses of a few steps on the tape and of the plan, from the same start; and the plan's report."""
    losses = []
    for planned in (False, True):
        tinycnn.manual_seed(5)
        detector = make()
        optimizer = optim.SGD(detector.parameters(), learning_rate)
        if planned:
            step = tinycnn.compile_training_step(detector, detector.criterion, optimizer, (x, dense))
            losses.append([step(x, dense) for _ in range(steps)])
            return *losses, step.report()
        losses.append([on_tape(detector, optimizer, x, dense) for _ in range(steps)])
    raise AssertionError


def on_tape(detector, optimizer, x, dense):
    optimizer.zero_grad()
    total = sum(detector.criterion(detector(x), dense).values())
    total.backward()
    optimizer.step()
    return total.item()


def as_leaves(raw, dtype=np.float64):
    """Raw heads as Tensors that take gradients."""
    return tuple(tinycnn.Tensor(part.numpy().astype(dtype), requires_grad=True) for part in raw)


def in_double(dense):
    return tuple(array.astype(np.float64) if array.dtype == np.float32 else array for array in dense)


def check_gradients(criterion, raw, dense, count=24, step=1e-6, seed=0):
    """Differences of the loss in float64 along single elements of the heads, chosen at random."""
    leaves, dense = as_leaves(raw), in_double(dense)
    sum(criterion(leaves, dense).values()).backward()
    rng, slopes, gradients = np.random.default_rng(seed), [], []
    for _ in range(count):
        which = int(rng.integers(len(leaves)))
        place = tuple(int(rng.integers(n)) for n in leaves[which].shape)
        values = []
        for side in (step, -step):
            moved = [leaf.data.copy() for leaf in leaves]
            moved[which][place] += side
            values.append(sum(criterion(tuple(map(tinycnn.Tensor, moved)), dense).values()).item())
        slopes.append((values[0] - values[1]) / (2 * step))
        gradients.append(leaves[which].grad[place])
    np.testing.assert_allclose(gradients, slopes, rtol=1e-5, atol=1e-7)

