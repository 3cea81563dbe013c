"""Detectors trained on scenes of Fashion-MNIST's garments, by one recipe each: AP, size, latency and minutes.

    python benchmarks/detectors.py                  train those that have no result yet; goes on where it was stopped
    python benchmarks/detectors.py nanodet_m        only these
    python benchmarks/detectors.py --smoke          a minute, to see that it works; nothing is kept
    python benchmarks/detectors.py --latency        time those that have results again, one after the other
    python benchmarks/detectors.py --write          put the table of all results into docs/detection.md
    python benchmarks/detectors.py --ship           the smallest one's weights into the package, a scene into examples/

8,000 scenes of 160x160 pixels to train on, 1,000 with other garments to test with.  AP is that of the last epoch, which
nothing was chosen by.  Backbones first learn to tell the 60,000 garments to train on apart, one by one on such ground;
that too goes on where it was stopped, and a detector's minutes include it.  Latency: one image, compiled, one thread,
with decoding and suppression.  Runs are kept in runs/detectors, results with date and commit in
benchmarks/results/detection.json.
"""
from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from harness import median_seconds, write_between

import tinycnn
from tinycnn.data import Scenes
from tinycnn.data.images import save_image
from tinycnn.detection import Finder, nms, read_detector, save_detector
from tinycnn.detection.files import load_into
from tinycnn.detection.finder import SAME, SHIPPED
from tinycnn.detection.metrics import CocoEvaluator
from tinycnn.ops import box_iou
from tinycnn.training.choices import DataChoice, NetworkChoice
from tinycnn.training.detection_jobs import DetectionChoice, DetectorChoice, run_detector_training
from tinycnn.training.detection_recipe import DetectionRecipe
from tinycnn.training.engines import Engine
from tinycnn.training.jobs import run_training
from tinycnn.training.recipe import Recipe
from tinycnn.training.results import RunFiles, write_json

SIZE = 160
BACKBONE, SMALL_BACKBONE = "shufflenet_v2_x1_0", "shufflenet_v2_x0_5"
FIRST = Recipe(epochs=10, batch_size=64, optimizer="sgd", lr=0.1, weight_decay=5e-4, warmup=0.05, clip=5.0,
               label_smoothing=0.1)  # of the backbones
FULL, BRIEF = 12, 4  # epochs; the latter to see that it learns
RECIPE = DetectionRecipe(batch_size=32, optimizer="adamw", lr=2e-3, weight_decay=0.05, ema=0.998, augment="flip",
                         test_every=5)
SCENES = DetectionChoice("scenes", scene_size=SIZE, keep=True)
PLANNED = Engine(tinycnn.compile_training_step, tinycnn.compile)


class Entry(NamedTuple):
    """A detector that is trained: its registered name, for how many epochs, and what it is built with."""

    model: str
    epochs: int
    size: int = SIZE
    backbone: str = BACKBONE
    fit_anchors: bool = False
    options: dict[str, Any] | None = None
    lr: float | None = None  # where the recipe's does not do

    def choice(self, weights: str | None = None) -> DetectorChoice:
        """As trainings are told; weights: of the backbone."""
        return DetectorChoice(self.model, backbone=self.backbone, size=self.size, fit_anchors=self.fit_anchors,
                              options=self.options or {}, backbone_weights=weights)


DETECTORS = {
    "ssdlite": Entry("ssdlite", FULL, options={"strides": [8, 16, 32], "maps": 5}),
    "yolov3_tiny": Entry("yolov3_tiny", FULL, size=192, fit_anchors=True, options={"width": 0.5}),
    "fcos": Entry("fcos_fpn", FULL),
    "nanodet_m": Entry("nanodet_m", FULL),
    "nanodet_m_x0_5": Entry("nanodet_m", 15, backbone=SMALL_BACKBONE),
    "yolov1": Entry("yolov1", 10, size=224, lr=5e-4),  # Adam moves each of 12,544 inputs of a linear layer at once
    "yolov2": Entry("yolov2", BRIEF, fit_anchors=True, options={"width": 128}),
    "yolov3": Entry("yolov3", BRIEF, fit_anchors=True, options={"width": 0.25}),
    "yolov4": Entry("yolov4", BRIEF, fit_anchors=True, options={"width": 0.25}),
    "retinanet": Entry("retinanet_fpn", BRIEF),
    "atss": Entry("atss_fpn", BRIEF),
    "gfl": Entry("gfl_fpn", BRIEF),
    "ssd": Entry("ssd", BRIEF, options={"maps": 5}),
    "refinedet": Entry("refinedet", BRIEF, size=192),
    "efficientdet_d0": Entry("efficientdet_d0", 2 * BRIEF, options={"anchor_scale": 3.0}),
}
SMALLEST = "nanodet_m_x0_5"  # comes with the package
SCENE, SCENE_SIZE = 737, 320  # of the test split, one of those where all is found; larger than the network sees it
PHOTO = Path(__file__).parents[1] / "examples" / "images" / "scene.png"
SMOKE_IMAGES, SMOKE_EPOCHS = 64, 2
CALLS = 100  # timed
LEAST_SCORE = 0.01  # of what counts as found
RUNS, RESULTS = Path("runs/detectors"), Path(__file__).parent / "results" / "detection.json"
PAGE = Path(__file__).parents[1] / "docs" / "detection.md"
BEGIN, END = "<!-- results: python benchmarks/detectors.py --write -->", "<!-- end of results -->"


def first(backbone: str, workers: int) -> dict[str, Any]:
    """The result of a backbone that learns to tell garments apart, once."""
    out = RUNS / backbone
    for result in out.glob("result-*.json"):
        return json.loads(result.read_text())
    return run_training(NetworkChoice(backbone), DataChoice("portraits"), FIRST, out, engine=PLANNED, workers=workers,
                        resume=RunFiles(out).checkpoint.exists())


def train(name: str, out: Path, workers: int) -> dict[str, Any]:
    """The result of a detector's run, which goes on where it was stopped."""
    entry = DETECTORS[name]
    before, weights = first(entry.backbone, workers), RunFiles(RUNS / entry.backbone).weights
    recipe = replace(RECIPE, epochs=entry.epochs, lr=entry.lr or RECIPE.lr)
    result = run_detector_training(entry.choice(str(weights)), SCENES, recipe, out, engine=PLANNED,
                                   workers=workers, resume=RunFiles(out).checkpoint.exists())
    return result | latency(out) | classification(out) | {"backbone_seconds": before["seconds"]}


def latency(out: Path) -> dict[str, float]:
    """Milliseconds from a scene to its detections, on one thread."""
    before = tinycnn.get_num_threads()
    tinycnn.set_num_threads(1)
    finder, image = Finder(weights=RunFiles(out).weights, compile=tinycnn.compile), Scenes("test")[0].image
    seconds = median_seconds(lambda: finder.find(image), CALLS)
    tinycnn.set_num_threads(before)
    return {"ms": round(1e3 * seconds, 3)}


def classification(out: Path) -> dict[str, float]:
    """What the classes cost on the scenes to test with: the share of the garments found, whatever they were taken for,
    AP50 of one class "garment", and the share of those found whose surest detection has the right class."""
    finder = Finder(weights=RunFiles(out).weights, threshold=LEAST_SCORE, compile=tinycnn.compile)
    scenes, garments, right, total = Scenes("test"), CocoEvaluator(), [], 0
    for scene in map(scenes.__getitem__, range(len(scenes))):
        found, count = finder.find(scene.image), len(scene.labels)
        kept = nms(found.boxes, found.scores, SAME)
        garments.update({"boxes": found.boxes[kept], "scores": found.scores[kept], "labels": np.zeros(len(kept), int)},
                        {"boxes": scene.boxes, "labels": np.zeros(count, int)})
        meets = box_iou(scene.boxes, found.boxes) >= 0.5  # detections come the surest first
        right += [scene.labels[i] == found.labels[meets[i].argmax()] for i in range(count) if meets[i].any()]
        total += count
    return {"found": len(right) / total, "AP50_of_garments": garments.evaluate().ap50, "right": float(np.mean(right))}


def ship() -> None:
    """What comes with tinycnn: a detector, as float16, and a scene for it."""
    weights = RunFiles(RUNS / SMALLEST).weights
    state, description = read_detector(weights)
    detector = description.build()
    load_into(detector, state, weights)
    SHIPPED.parent.mkdir(exist_ok=True)
    save_detector(SHIPPED, detector, description, half=True)
    save_image(PHOTO, Scenes("test", SCENE_SIZE)[SCENE].image)


def known() -> dict[str, Any]:
    """The results that there are."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def table(results: dict[str, Any]) -> str:
    """The results as a page has them, the best first."""
    rows = ["| detector | AP | AP50 | AP75 | AP50 of garments | class right | parameters | pixels | epochs "
            "| minutes (threads) | ms an image | date, commit |", "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for name, r in sorted(results.items(), key=lambda item: -item[1]["AP"]):
        minutes, settings = (r["seconds"] + r["backbone_seconds"]) / 60, r["settings"]
        rows.append(f"| {name} | {r['AP']:.3f} | {r['AP50']:.3f} | {r['AP75']:.3f} | {r['AP50_of_garments']:.3f} "
                    f"| {100 * r['right']:.1f} % | {r['parameters'] / 1e6:.2f} M "
                    f"| {settings['options']['size']} | {settings['epochs']} | {minutes:.0f} ({r['threads']}) "
                    f"| {r['ms']:.2f} | {r['date']}, {r['commit']} |")
    return "\n".join(rows)


def smoke(names: list[str], workers: int) -> dict[str, Any]:
    """A few scenes for each, in a directory that goes again."""
    found = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, name)
            found[name] = run_detector_training(DETECTORS[name].choice(), replace(SCENES, limit=SMOKE_IMAGES),
                                                replace(RECIPE, epochs=SMOKE_EPOCHS), out, engine=PLANNED,
                                                workers=workers) | latency(out) | classification(out) | {
                                                    "backbone_seconds": 0.0}
    return found


def main() -> None:
    """Train what is asked for, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("detectors", nargs="*", default=list(DETECTORS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--smoke", action="store_true", help="a few scenes for each; nothing is kept")
    parser.add_argument("--latency", action="store_true", help="only time those that have results, again")
    parser.add_argument("--write", action="store_true", help="only put the table into docs/detection.md")
    parser.add_argument("--ship", action="store_true", help="only put the smallest one into the package")
    arguments = parser.parse_args()
    tinycnn.set_num_threads(arguments.threads)
    if arguments.smoke:
        print(table(smoke(arguments.detectors, arguments.workers)))
        return
    if arguments.ship:
        ship()
        return
    if arguments.latency:
        write_json(RESULTS, {name: result | latency(RUNS / name) for name, result in known().items()})
    for name in () if arguments.write or arguments.latency else arguments.detectors:
        if name not in known():
            result = train(name, RUNS / name, arguments.workers)
            write_json(RESULTS, known() | {name: result})  # others may have been written meanwhile
    if arguments.write:
        write_between(PAGE, BEGIN, END, table(known()))
    print(table(known()))


if __name__ == "__main__":
    main()
