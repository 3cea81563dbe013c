"""Milliseconds from an image on the canvas to its detections: network, decoding and suppression, against onnxruntime.

    python benchmarks/detection.py [yolov3_tiny nanodet_m ...] --threads 1 2 --rounds 9

The peer is the same network with the same weights in onnxruntime, then the same decoding in NumPy, then suppression by
torchvision's published algorithm in torch (nms.py).  Weights are random; the threshold is such that about 50 objects
stay, for more than that are seldom seen.  Outputs and detections are compared before anything is timed.  `post` is the
share of decoding and suppression in our time, by a clock that is read between the two in every call.  See harness.py
for how it is timed.
"""
from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import fma_probe, geometric_mean, interleave
from nms import by_class, greedy
from peers import onnxruntime_outputs

import tinycnn
from tinycnn._kernels import ISA
from tinycnn.autograd import no_grad
from tinycnn.detection import postprocess
from tinycnn.engine.passes import drop_dead
from tinycnn.engine.training.trees import flattened
from tinycnn.models import create_model

DETECTORS = {"ssdlite320_mobilenet_v2": 320, "yolov3_tiny": 416, "nanodet_m": 320}
OBJECTS = 50  # that stay
FEW = 4000  # numbers in boxes up to which torchvision suppresses all classes at once, on a CPU
TOLERANCE = 1e-3  # of the largest output
HALVINGS = 30  # of the range that the threshold is in
SMALL, LOUDER = 0.02, 30  # deviation of the weights of layers that begin by saying nothing; by how much they say more
PASSES = 10  # in training mode: without them activations die away with depth, and all places have one score


def torch_nms(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, iou_threshold: float,
              max_detections: int | None = None) -> np.ndarray:
    """`batched_nms` as torchvision's `batched_nms` does it, in torch."""
    if not len(boxes):
        return np.zeros(0, np.int64)
    arrays = [torch.from_numpy(np.ascontiguousarray(array)) for array in (boxes, scores, labels)]
    if boxes.size <= FEW:
        offset = arrays[2].to(arrays[0]) * (arrays[0].max() + 1)
        kept = greedy(arrays[0] + offset[:, None], arrays[1], iou_threshold)
    else:
        kept = by_class(*arrays, iou_threshold)
    return kept.numpy()[:max_detections]


@contextmanager
def suppression(by: Callable[..., Any]) -> Iterator[None]:
    """In which `postprocess.suppress` uses another algorithm."""
    before, postprocess.batched_nms = postprocess.batched_nms, by
    try:
        yield
    finally:
        postprocess.batched_nms = before


def prepared(name: str, size: int) -> Any:
    """A detector with random weights, scores that differ from place to place, and running statistics that suit them."""
    tinycnn.manual_seed(0)
    detector = create_model(name, size=size)
    for parameter in detector.parameters():
        if parameter.ndim == 4 and parameter.data.std() < SMALL:
            parameter.data[...] *= LOUDER
    rng = np.random.default_rng(1)
    with no_grad():
        for _ in range(PASSES):
            detector(rng.standard_normal((2, 3, size, size), np.float32))
    return detector.eval()


def set_threshold(detector: Any, raw: Any) -> None:
    """Let about 50 objects stay."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        detector.score_threshold = (low + high) / 2
        if len(detector.postprocess(raw)[0].boxes) > OBJECTS:
            low = detector.score_threshold
        else:
            high = detector.score_threshold


def measure(name: str, threads: int, rounds: int) -> float:
    """One detector: its line of the table; how many times as fast it is."""
    tinycnn.set_num_threads(threads)
    torch.set_num_threads(threads)
    size = DETECTORS[name]
    detector = prepared(name, size)
    x = np.random.default_rng(0).standard_normal((1, 3, size, size), np.float32)
    net = tinycnn.compile(detector, x, threads=threads)
    raw = net(x)
    set_threshold(detector, raw)
    leaves, rebuild = flattened(raw)

    with tempfile.TemporaryDirectory() as folder:
        session = onnxruntime_outputs(drop_dead(tinycnn.trace(detector, x)), Path(folder), threads)
        errors = [np.abs(a - b).max() / np.abs(b).max() for a, b in zip(session(x), leaves, strict=True)]
        if max(errors) > TOLERANCE:
            raise SystemExit(f"{name}: onnxruntime's outputs differ by {max(errors):.1e}")

        def peer() -> Any:
            with suppression(torch_nms):
                return detector.postprocess(rebuild(session(x)))
        ours, theirs = detector.postprocess(raw)[0], peer()[0]
        if abs(len(ours.boxes) - len(theirs.boxes)) > 1:  # a score may be at the threshold
            raise SystemExit(f"{name}: {len(ours.boxes)} objects, the peer has {len(theirs.boxes)}")
        shares = []

        def timed() -> Any:
            start = time.perf_counter()
            raw = net(x)
            between = time.perf_counter()
            found = detector.postprocess(raw)
            end = time.perf_counter()
            shares.append((end - between) / (end - start))
            return found
        calls: dict[str, Callable[[], Any]] = {
            "tinycnn": timed, "network": lambda: net(x), "peer": peer, "session": lambda: session(x)}
        times = interleave(calls, rounds, calls=5, probe=fma_probe(threads))
    ratio = times["peer"].ratio(times["tinycnn"])
    ms = {key: f"{1e3 * timing.median:7.2f}" for key, timing in times.items()}
    post = 100 * statistics.median(shares)
    print(f"{name:24} {threads}  {ms['tinycnn']} ms (network {ms['network']}, post {post:4.1f} %)  peer "
          f"{ms['peer']} ms (network {ms['session']})  ratio {ratio:4.2f}  {len(ours.boxes)} objects", flush=True)
    return ratio


def main() -> None:
    """Time all of it and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("detectors", nargs="*", default=list(DETECTORS))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    for threads in arguments.threads:
        print(f"{ISA}, float32, {threads} thread(s): median ms, median ratio peer / tinycnn")
        ratios = [measure(name, threads, arguments.rounds) for name in arguments.detectors]
        print(f"geometric mean {geometric_mean(ratios):.2f}, least {min(ratios):.2f}")


if __name__ == "__main__":
    main()
