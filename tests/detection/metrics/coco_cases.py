"""Detections and truths made by seed, and pycocotools to evaluate them."""
from __future__ import annotations

import contextlib
import io

import numpy as np

NAMES = ("boxes", "labels")


def random_boxes(rng, n, largest):
    size = np.exp(rng.uniform(np.log(4), np.log(largest), (n, 2)))
    return np.concatenate([rng.uniform(0, 200, (n, 2)), size], axis=1)


def random_image(rng, truths, classes, most=8, crowds=0.1, ties=False, extra=4):
    """One image: (detections, truths), xywh; detections are moved truths and some that hit nothing."""
    boxes = random_boxes(rng, truths, 160)
    labels = rng.choice(classes, truths)
    given = {"boxes": boxes, "labels": labels, "iscrowd": rng.random(truths) < crowds,
             "area": boxes[:, 2] * boxes[:, 3] * rng.uniform(0.3, 1, truths)}
    times = rng.integers(0, most, truths)
    moved = np.repeat(boxes, times, axis=0) + rng.normal(0, 3, (times.sum(), 4))
    moved[:, 2:] = np.maximum(moved[:, 2:], 1)
    found = np.concatenate([moved, random_boxes(rng, extra, 160)])
    found_labels = np.concatenate([np.repeat(labels, times), rng.choice(classes, extra)])
    scores = rng.random(len(found))
    scores = np.round(scores, 1) if ties else scores
    return {"boxes": found, "labels": found_labels, "scores": scores}, given


def random_set(seed, images=30, classes=(1, 2, 7, 90), **options):
    rng = np.random.default_rng(seed)
    pairs = [random_image(rng, int(rng.integers(0, 9)), classes, **options) for _ in range(images)]
    return [d for d, _ in pairs], [t for _, t in pairs]


def pycoco(detections, truths, classes):
    """pycocotools' evaluation of xywh boxes, ready to run: its COCOeval."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    annotations, results = [], []
    for image, (found, given) in enumerate(zip(detections, truths)):
        m = len(given["boxes"])
        area = given.get("area", [b[2] * b[3] for b in given["boxes"]])
        for j in range(m):
            annotations.append({"id": len(annotations) + 1, "image_id": image, "category_id": int(given["labels"][j]),
                                "bbox": [float(v) for v in given["boxes"][j]], "area": float(area[j]),
                                "iscrowd": int(given.get("iscrowd", np.zeros(m))[j])})
        results += [{"image_id": image, "category_id": int(c), "bbox": [float(v) for v in b], "score": float(s)}
                    for b, c, s in zip(found["boxes"], found["labels"], found["scores"])]
    with contextlib.redirect_stdout(io.StringIO()):
        there = COCO()
        there.dataset = {"images": [{"id": i} for i in range(len(truths))], "annotations": annotations,
                         "categories": [{"id": int(c)} for c in classes]}
        there.createIndex()
        return COCOeval(there, there.loadRes(results) if results else _nothing(there), "bbox")


def _nothing(there):
    """A result without detections, which loadRes cannot read."""
    from pycocotools.coco import COCO
    empty = COCO()
    empty.dataset = there.dataset | {"annotations": []}
    empty.createIndex()
    return empty


def run_pycoco(evaluation):
    """Let it evaluate; its twelve numbers."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats
