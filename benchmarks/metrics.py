"""COCO's metrics here and in pycocotools, on the same 5,000 made-up images.

    python benchmarks/metrics.py [--images 5000]

Of pycocotools evaluation and accumulation count; of ours the reading of its arrays too.  The numbers of both are
compared first.  Sets: `coco` has 80 classes, about 7 objects and 100 detections an image, as COCO's validation set has
them; `scenes` has 10 classes, 5 objects, 15 detections; `one class` 7 objects and 60 detections.  Prints seconds and
the ratio (above 1: tinycnn is faster), of rounds taken in turns.
"""
from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from harness import Timing

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "detection" / "metrics"))
from coco_cases import pycoco, random_image, run_pycoco

from tinycnn.detection.metrics import coco_map

SETS = {  # classes, objects, largest number of detections near each, detections elsewhere
    "coco": (80, 7, 12, 60),
    "scenes": (10, 5, 4, 7),
    "one class": (1, 7, 12, 20),
}


def seconds(run) -> tuple[float, object]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def measure(name: str, images: int, rounds: int) -> None:
    classes, truths, most, extra = SETS[name]
    rng = np.random.default_rng(0)
    pairs = [random_image(rng, truths, range(classes), most, crowds=0.02, extra=extra) for _ in range(images)]
    detections, given = [d for d, _ in pairs], [t for _, t in pairs]
    times: dict[str, list[float]] = {"pycocotools": [], "tinycnn": []}
    for _ in range(rounds):
        evaluation = pycoco(detections, given, range(classes))
        theirs_seconds, theirs = seconds(lambda e=evaluation: run_pycoco(e))
        ours_seconds, ours = seconds(lambda: coco_map(detections, given, "xywh"))
        np.testing.assert_allclose(list(ours.stats.values()), theirs, rtol=0, atol=1e-9)
        times["pycocotools"].append(theirs_seconds)
        times["tinycnn"].append(ours_seconds)
    theirs, ours = (Timing(tuple(times[who])) for who in ("pycocotools", "tinycnn"))
    print(f"{name:10} {images} images, {sum(len(d['scores']) for d in detections)} detections: pycocotools "
          f"{theirs.median:.2f} s, tinycnn {ours.median:.2f} s, ratio {theirs.ratio(ours):.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    arguments = parser.parse_args()
    for name in arguments.sets:
        measure(name, arguments.images, arguments.rounds)


if __name__ == "__main__":
    main()
