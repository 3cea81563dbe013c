"""Every loss of the package in a planned step, against the tape: what it gives, and what reaches the parameters."""
from __future__ import annotations

import numpy as np
import pytest
from training_nets import Pair, needs_float64

from tinycnn import losses, nn, optim

pytestmark = needs_float64
N, C, ANCHORS = 6, 4, ((10.0, 14.0), (40.0, 22.0))
rng = np.random.default_rng(0)


def numbers(*shape):
    return rng.standard_normal(shape)


def shares(*shape):
    values = rng.random(shape) + 0.1
    return values / values.sum(1, keepdims=True)


def yolo(per_anchor=5 + C, cells=5):
    """A raw map, and one truth in each image."""
    labels, boxes = np.full((2, 2, cells, cells), -1), np.zeros((2, 2, cells, cells, 4))
    truths = np.zeros((2, 1, 4))
    for n in range(2):
        truths[n, 0] = 20 + 16*n, 18, 52 + 16*n, 44
        labels[n, n, 1, 2], boxes[n, n, 1, 2] = n, truths[n, 0]
    return [numbers(2, 2*per_anchor, cells, cells)], [labels, boxes, truths]


def first_yolo(cells=3):
    labels = np.full((2, cells, cells), -1)
    labels[0, 1, 1], labels[1, 0, 2] = 2, 0
    return ([rng.random((2, cells, cells, 2, 5)) + 0.1, rng.random((2, cells, cells, C))],
            [labels, rng.random((2, cells, cells, 4))*0.5 + 0.2])


def dense(places=9):
    """Boxes with sides, of places of which some have a truth and some do not count."""
    corner = numbers(2, places, 2)
    boxes = np.concatenate([corner, corner + 2 + rng.random((2, places, 2))], -1)
    return boxes, [rng.choice([-1, C, C, 0, 2], (2, places)), boxes + rng.random((2, places, 4)) - 0.5]


def both_kinds(cells=5):
    """A raw map of a tree of three classes; an image with a truth, and one of which only the class is known."""
    raw, (labels, boxes, truths) = yolo(5 + 3, cells)
    return raw, [np.minimum(labels, 2), boxes, truths, np.array([-1, 2])]


LABELS, SIGNS = rng.integers(0, C, N), np.array([1.0, -1, 1, -1, -1, 1])
PAIR = [numbers(N, 3), numbers(N, 3)]
# The loss, what the network gives (all of it trained), what it is compared with.
EXAMPLES = {
    "BCELoss": (losses.BCELoss, [shares(N, C)], [rng.random((N, C))]),
    "BCEWithLogitsLoss": (losses.BCEWithLogitsLoss, [numbers(N, C)], [rng.random((N, C))]),
    "BatchHardTripletLoss": (losses.BatchHardTripletLoss, [numbers(N, 3)], [np.array([0, 0, 1, 1, 2, 2])]),
    "CTCLoss": (losses.CTCLoss, [np.log(shares(5, C, 2).transpose(0, 2, 1))],
                [np.array([[1, 2], [3, 1]]), np.array([5, 4]), np.array([2, 1])]),
    "CenterLoss": (lambda: losses.CenterLoss(C, 3), [numbers(N, 3)], [LABELS]),
    "ContrastiveLoss": (losses.ContrastiveLoss, PAIR, [(SIGNS > 0).astype(float)]),
    "CosineEmbeddingLoss": (losses.CosineEmbeddingLoss, PAIR, [SIGNS]),
    "CrossEntropyLoss": (lambda: losses.CrossEntropyLoss(np.arange(1.0, C + 1), label_smoothing=0.1), [numbers(N, C)],
                         [LABELS]),
    "DistributionFocalLoss": (losses.DistributionFocalLoss, [numbers(N, C + 1)], [rng.random(N)*C]),
    "FocalLoss": (losses.FocalLoss, [numbers(N, C)], [LABELS]),
    "HingeLoss": (losses.HingeLoss, [numbers(N)], [SIGNS]),
    "HuberLoss": (losses.HuberLoss, [2*numbers(N, C)], [numbers(N, C)]),
    "KLDivLoss": (losses.KLDivLoss, [np.log(shares(N, C))], [shares(N, C)]),
    "L1Loss": (losses.L1Loss, [numbers(N, C)], [numbers(N, C)]),
    "MSELoss": (losses.MSELoss, [numbers(N, C)], [numbers(N, C)]),
    "MarginRankingLoss": (losses.MarginRankingLoss, [numbers(N), numbers(N)], [SIGNS]),
    "MultiBoxLoss": (losses.MultiBoxLoss, [numbers(2, 9, C), numbers(2, 9, 4)],
                     [rng.choice([-1, 0, 0, 1, 3], (2, 9)), numbers(2, 9, 4)]),
    "MultiMarginLoss": (losses.MultiMarginLoss, [numbers(N, C)], [LABELS]),
    "NLLLoss": (losses.NLLLoss, [np.log(shares(N, C))], [LABELS]),
    "QualityFocalLoss": (losses.QualityFocalLoss, [numbers(N, C)], [rng.random((N, C))]),
    "SSELoss": (losses.SSELoss, [numbers(N, C)], [numbers(N, C)]),
    "SemiHardTripletLoss": (losses.SemiHardTripletLoss, [numbers(N, 3)], [np.array([0, 0, 1, 1, 2, 2])]),
    "SigmoidFocalLoss": (lambda: losses.SigmoidFocalLoss(reduction="mean"), [numbers(N, C)], [shares(N, C)]),
    "SmoothL1Loss": (losses.SmoothL1Loss, [2*numbers(N, C)], [numbers(N, C)]),
    "SquaredTripletLoss": (lambda: losses.SquaredTripletLoss(20.0), [*PAIR, numbers(N, 3)], []),
    "TripletMarginLoss": (losses.TripletMarginLoss, [*PAIR, numbers(N, 3)], []),
    "WingLoss": (losses.WingLoss, [20*numbers(N, C)], [numbers(N, C)]),
    "YOLOv1Loss": (losses.YOLOv1Loss, *first_yolo()),
    "YOLOv2Loss": (lambda: losses.YOLOv2Loss(ANCHORS, 16), *yolo()),
    "YOLOv3Loss": (lambda: losses.YOLOv3Loss(ANCHORS, 16), *yolo()),
    "YOLOv4Loss": (lambda: losses.YOLOv4Loss(ANCHORS, 16), *yolo()),
    "AuxiliaryLoss": (lambda: Listed(losses.AuxiliaryLoss(weights=(0.5, 0.25))), [numbers(N, C) for _ in range(3)],
                      [LABELS]),
}
BOXES, MATCHED = dense()
TREE = losses.WordTree.from_nested(["a", ["b", "c"]])
EXAMPLES |= {
    "FCOSLoss": (losses.FCOSLoss, [numbers(2, 9, C), BOXES, numbers(2, 9)], [*MATCHED, rng.random((2, 9))]),
    "RetinaNetLoss": (losses.RetinaNetLoss, [numbers(2, 9, C), BOXES], MATCHED),
    "YOLO9000Loss": (lambda: losses.YOLO9000Loss(ANCHORS, TREE, 16), *both_kinds()),
}


class Given(nn.Module):
    """What it gives are parameters, each times its input."""

    def __init__(self, values):
        self.values = [nn.Parameter(value, dtype=np.float64) for value in values]
        for i, value in enumerate(self.values):
            setattr(self, f"value{i}", value)

    def forward(self, *xs):
        return [value * x for value, x in zip(self.values, xs)]


class Compare(nn.Module):
    """A loss of lists."""

    def __init__(self, loss):
        self.loss = loss

    def forward(self, outputs, targets):
        return self.loss(*outputs, *targets)


class Listed(Compare):
    """A loss of a list, of which the target is the last here."""

    def forward(self, *inputs):
        return self.loss(inputs[:-1], inputs[-1])


@pytest.mark.parametrize("name", [name for name in losses.__all__ if issubclass(getattr(losses, name), nn.Module)])
def test_trains_as_the_tape_does(name):
    make, values, targets = EXAMPLES[name]
    pair = Pair(lambda: Given(values), lambda: Compare(make()), lambda parameters: optim.SGD(parameters, lr=1e-2))
    xs = tuple([np.ones_like(value) for value in values])
    eager, planned = [], []
    step = pair.compiled(xs, targets)
    for _ in range(3):
        pair.optimizers[0].zero_grad()
        value = pair.losses[0](pair.eager(*xs), targets)
        value = sum(value.values()) if isinstance(value, dict) else value
        value.backward()
        pair.optimizers[0].step()
        eager.append(value.item())
        planned.append(step(xs, targets))
    np.testing.assert_allclose(planned, eager, rtol=1e-9)
    pair.assert_same(1e-9)
    assert any((p.data != value).any() for p, value in zip(pair.planned.values, values))
    for buffer, other in zip(pair.losses[0].buffers(), pair.losses[1].buffers()):
        np.testing.assert_allclose(other.data, buffer.data, rtol=1e-9)
