"""Suppression of 10,000 boxes of 80 classes against torchvision's algorithms, written in torch.

    python benchmarks/nms.py --threads 1 2 [--boxes 10000] [--classes 80]

"trick" moves the boxes of each class to a place of their own and suppresses all of them at once; "by class" takes one
class after the other: torchvision takes the first for few boxes and the second for many.  Scenes: "spread", boxes
anywhere, of which most stay; "crowded", boxes about 100 objects, of which most go.  Tasks: "labels", one class for each
box; "scores", a score of each class for each box, from which the best 400 of each class above 0.01 are taken first, as
SSD does, by the same lines for both.  What stays is compared before anything is timed; see harness.py for how.
"""
from __future__ import annotations

import argparse

import numpy as np
import torch
from harness import interleave

import tinycnn
from tinycnn._kernels import ISA
from tinycnn.detection.postprocess import class_candidates
from tinycnn.detection.suppression import batched_nms

IOU, SCORE, TOP_K, SIDE = 0.5, 0.01, 400, 640


def scene(kind: str, n: int, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (n, 4), scores (n, classes), labels (n,), of whole numbers, so that no rounding decides what stays."""
    rng = np.random.default_rng(0)
    if kind == "spread":
        centre, side = rng.uniform(0, SIDE, (n, 2)), rng.uniform(8, 96, (n, 2))
    else:
        objects = rng.integers(0, 100, n)
        centre = rng.uniform(0, SIDE, (100, 2))[objects] + rng.normal(0, 4, (n, 2))
        side = rng.uniform(30, 200, (100, 2))[objects] * rng.uniform(0.85, 1.15, (n, 2))
    boxes = np.round(np.concatenate([centre - side / 2, centre + side / 2], 1)).astype(np.float32)
    scores = rng.permutation(n * classes).reshape(n, classes).astype(np.float32) / (n * classes)
    return boxes, scores, rng.integers(0, classes, n)


def greedy(boxes: torch.Tensor, scores: torch.Tensor, iou: float = IOU) -> torch.Tensor:
    """Which boxes stay, sorted by falling score."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order, kept = scores.sort(descending=True, stable=True)[1], []
    while len(order):
        i, order = order[0], order[1:]
        kept.append(i)
        low, high = torch.maximum(boxes[i, :2], boxes[order, :2]), torch.minimum(boxes[i, 2:], boxes[order, 2:])
        common = (high - low).clamp(min=0).prod(1)
        order = order[common / (area[i] + area[order] - common) <= iou]
    return torch.stack(kept)


def trick(boxes: torch.Tensor, scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    offset = labels.to(boxes) * (boxes.max() - boxes.min() + 1)
    return greedy(boxes + offset[:, None], scores)


def by_class(boxes: torch.Tensor, scores: torch.Tensor, labels: torch.Tensor, iou: float = IOU) -> torch.Tensor:
    kept = []
    for label in labels.unique():
        own = torch.where(labels == label)[0]
        kept.append(own[greedy(boxes[own], scores[own], iou)])
    places = torch.cat(kept)
    return places[scores[places].sort(descending=True)[1]]


def tasks(kind: str, n: int, classes: int) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Boxes, scores and labels of each task."""
    boxes, scores, labels = scene(kind, n, classes)
    places, of, chosen = class_candidates(scores, SCORE, TOP_K)
    return {"labels": (boxes, scores[np.arange(n), labels], labels), "scores": (boxes[places], chosen, of)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--boxes", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(f"tinycnn {tinycnn.__version__} ({ISA}), torch {torch.__version__}; IoU {IOU}")
    for threads in args.threads:
        tinycnn.set_num_threads(threads)
        torch.set_num_threads(threads)
        for kind in ("spread", "crowded"):
            for name, arrays in tasks(kind, args.boxes, args.classes).items():
                report(threads, kind, name, arrays, args.rounds)


def report(threads: int, kind: str, name: str, arrays: tuple, rounds: int) -> None:
    tensors = [torch.from_numpy(array) for array in arrays]
    engines = {"tinycnn": lambda: batched_nms(*arrays, IOU), "by class": lambda: by_class(*tensors)}
    if name == "labels":
        engines["trick"] = lambda: trick(*tensors)
    kept = engines["tinycnn"]()
    for other in list(engines)[1:]:
        np.testing.assert_array_equal(np.sort(engines[other]().numpy()), np.sort(kept), err_msg=other)
    times = interleave(engines, rounds, calls=2)
    ours = times.pop("tinycnn")
    ratios = ", ".join(f"{other} {t.median * 1e3:.1f} ms: {t.ratio(ours):.1f} times" for other, t in times.items())
    print(f"{threads} threads, {kind:7}, {name}: {len(kept)} of {len(arrays[0])} stay, "
          f"{ours.median * 1e3:.2f} ms; {ratios}", flush=True)


if __name__ == "__main__":
    main()
