"""The smallest detector: three convolutions, a map of stride 8, each object in the cell of its centre."""
from __future__ import annotations

from functools import partial

import numpy as np

from tinycnn import nn
from tinycnn import ops as F
from tinycnn.data.detection import DetectionImage, DetectionSet, Sample
from tinycnn.detection import Detector, multiclass_nms
from tinycnn.models import register_model

STRIDE = 8
CLASSES = ("red", "green")


class Tiny(Detector):
    divisor = STRIDE

    def __init__(self, num_classes, size, width=16, **options):
        super().__init__(num_classes, size, **options)
        layers, channels = [], 3
        for _ in range(3):
            layers += [nn.Conv2d(channels, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        self.trunk = nn.Sequential(*layers)
        self.classes = nn.Conv2d(width, num_classes, 3, padding=1)
        self.sides = nn.Conv2d(width, 4, 3, padding=1)
        self.classes.bias.data[...] = -3

    def forward(self, x):
        x = self.trunk(x)
        return self.classes(x), self.sides(x)

    def encode(self, boxes, labels):
        h, w = self.size[0] // STRIDE, self.size[1] // STRIDE
        classes, sides, mask = (np.zeros((len(boxes), n, h, w), np.float32) for n in (self.num_classes, 4, 4))
        for i, (of_image, kinds) in enumerate(zip(boxes, labels)):
            for box, label in zip(of_image, kinds):
                x, y = ((box[:2] + box[2:]) / 2 / STRIDE).astype(int).clip(0, (w - 1, h - 1))
                classes[i, label, y, x], mask[i, :, y, x] = 1, 1
                centre = (np.array([x, y]) + 0.5) * STRIDE
                sides[i, :, y, x] = np.concatenate([centre - box[:2], box[2:] - centre]) / STRIDE
        return classes, sides, mask

    def criterion(self, raw, dense):
        classes, sides, mask = dense
        return {"classes": F.binary_cross_entropy_with_logits(raw[0], classes, reduction="mean") * 20,
                "sides": F.l1_loss(raw[1] * mask, sides, reduction="mean") * 20}

    def decode(self, raw):
        found = []
        for classes, sides in zip(*raw):
            h, w = classes.shape[1:]
            ys, xs = np.mgrid[:h, :w] * STRIDE + STRIDE / 2
            left, top, right, bottom = sides * STRIDE
            boxes = np.stack([xs - left, ys - top, xs + right, ys + bottom], -1).reshape(-1, 4).astype(np.float32)
            scores = 1 / (1 + np.exp(-classes.reshape(len(classes), -1).T))
            found.append(multiclass_nms(boxes, scores, self.score_threshold, self.iou_threshold,
                                        max_detections=self.max_detections))
        return found


@partial(register_model, task="detection")
def tiny_detector(num_classes=2, size=32, **options):
    return Tiny(num_classes, size, **options)


def rectangles(rng, n, height=40, width=48):
    """A grey image with n rectangles, red ones and green ones."""
    image = rng.integers(90, 110, (height, width, 3)).astype(np.uint8)
    boxes, labels = [], rng.integers(0, 2, n)
    for label in labels:
        w, h = rng.integers(12, 24, 2)
        x, y = rng.integers(0, width - w), rng.integers(0, height - h)
        image[y:y + h, x:x + w] = 40
        image[y:y + h, x:x + w, label] = 230
        boxes.append([x, y, x + w, y + h])
    return Sample(image, boxes, labels)


class Rectangles:
    """A side of a task: some images in memory, of several shapes, the last without objects."""

    def __init__(self, count=12, seed=0):
        rng = np.random.default_rng(seed)
        self.samples = [rectangles(rng, 0 if i == count - 1 else 1, 40 + 8 * (i % 2)) for i in range(count)]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]

    def truths(self, index):
        return {"boxes": self.samples[index].boxes, "labels": self.samples[index].labels}


def write_set(directory, count=12, seed=0):
    """The same as files; returns the data set that says what they hold."""
    from PIL import Image
    directory.mkdir(parents=True, exist_ok=True)
    images = []
    for i, sample in enumerate(Rectangles(count, seed).samples):
        path = directory / f"{i:03}.png"
        Image.fromarray(sample.image).save(path)
        n, (height, width) = len(sample.boxes), sample.size
        flags = np.zeros(n, bool)
        images.append(DetectionImage(path, width, height, sample.boxes.astype(float), sample.labels, flags, flags,
                                     np.full(n, 100.0), i))
    return DetectionSet(images, CLASSES)
