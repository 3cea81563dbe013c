"""`tinycnn detect`: what objects there are in photos, and where."""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data.detection import DetectionImage, DetectionSet, write_coco_results
from ..data.images import ImageError, load_image, require_pillow, save_image
from ..detection import Detections, Finder, draw_detections
from ..detection.finder import THRESHOLD
from ..serialize import CheckpointError
from .choices import FAILURES, add_option, add_running, engine_choice
from .console import FAILED, complain, positive, reason_of, shown
from .photos import PhotoProgress, expand

DRAWN = "-detected.png"  # how the names of pictures end: none of them is that of a photo


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser("detect", help="find objects in photos", description="Find objects in photos: a line "
                                 "for each, with its class, score and box (left, top, right, bottom, in pixels). A "
                                 "photo that cannot be read is reported, the others are looked at, and the exit code "
                                 "is 2.")
    parser.add_argument("photos", nargs="+", metavar="IMAGE", help="an image file, or a directory of them")
    parser.add_argument("--model", metavar="NAME", help="a detector that `tinycnn models --task detection` lists; not "
                        "needed for weights that say what they are of")
    parser.add_argument("--weights", metavar="FILE", help="such as `tinycnn train-detector` writes, .npz or "
                        ".safetensors; .pth or Darknet's .weights (default: those that come with tinycnn)")
    parser.add_argument("--classes", metavar="FILE", help="the names of the classes, one a line, where the weights do "
                        "not have them")
    parser.add_argument("--threshold", type=float, default=THRESHOLD, metavar="SCORE", help="objects with a lower "
                        "score are not shown (default: %(default)s)")
    parser.add_argument("--class-agnostic", action="store_true", help="of boxes that overlap much show the surest "
                        "alone, whatever their classes")
    parser.add_argument("--size", type=positive, metavar="PIXELS", help="side of what the network is shown (default: "
                        "that of the weights)")
    add_option(parser)
    parser.add_argument("--out", metavar="DIR", help=f"draw the objects, into DIR/NAME{DRAWN}")
    parser.add_argument("--json", metavar="FILE", help="write the objects as COCO's results file")
    add_running(parser)
    parser.set_defaults(run=_detect)


def _detect(options: argparse.Namespace) -> int:
    try:
        require_pillow()
        finder = _finder(options)
        if options.out is not None:
            Path(options.out).mkdir(parents=True, exist_ok=True)
    except FAILURES as error:
        return complain(reason_of(error))
    print(f"{finder.name}: weights from {finder.source}", file=sys.stderr)
    failures: dict[str, str] = {}
    results: list[tuple[DetectionImage, Detections]] = []
    pictures = Pictures(options.out)
    with PhotoProgress(expand(options.photos, failures)) as progress:
        for photo in progress:
            try:
                results.append(_found(finder, photo, pictures))
            except (ImageError, CheckpointError, OSError) as error:
                failures[str(photo)] = reason_of(error)
                continue
            for line in _lines(finder, photo, results[-1][1]):
                progress.write(line)
    try:
        if options.json is not None:
            _write(options.json, finder, results)
    except OSError as error:
        failures[options.json] = reason_of(error)
    for reason in failures.values():
        complain(reason)
    return FAILED if failures else 0


def _finder(options: argparse.Namespace) -> Finder:
    chosen = dict(options.option)
    if options.size is not None:
        chosen["size"] = options.size
    names = None
    if options.classes is not None:
        names = Path(options.classes).read_text(encoding="utf-8").splitlines()
    return Finder(options.model, options.weights, options.threshold, names, engine_choice(options).compile,
                  options.class_agnostic, **chosen)


class Pictures:
    """What is drawn, into a directory; None: nothing is."""

    def __init__(self, directory: str | None) -> None:
        self.directory, self.taken = directory, set[str]()

    def draw(self, photo: Path, image: np.ndarray, found: Detections, classes: Sequence[str]) -> None:
        """A photo with what was found in it; of two that have the same name the second gets a number."""
        if self.directory is None:
            return
        stem, count = photo.stem, 1
        while stem in self.taken:
            stem, count = f"{photo.stem}-{count + 1}", count + 1
        save_image(Path(self.directory, f"{stem}{DRAWN}"), draw_detections(image, found._asdict(), classes))
        self.taken.add(stem)


def _found(finder: Finder, photo: Path, pictures: Pictures) -> tuple[DetectionImage, Detections]:
    """What is in a photo."""
    image = load_image(photo)
    found = finder.find(image)
    pictures.draw(photo, image, found, finder.classes)
    return DetectionImage(photo, image.shape[1], image.shape[0]), found


def _lines(finder: Finder, photo: Path, found: Detections) -> list[str]:
    return [shown(f"{photo}: {finder.classes[label]} {score:.3f}  " + " ".join(f"{side:.1f}" for side in box))
            for box, score, label in zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist())]


def _write(path: str, finder: Finder, results: list[tuple[DetectionImage, Detections]]) -> None:
    """COCO's results file; photos named by numbers, as COCO's are, have these, else they are counted from 1."""
    stems = [image.path.stem for image, _ in results]
    numbers = {int(stem) for stem in stems if stem.isascii() and stem.isdigit()}
    named = len(numbers) == len(results)
    images = [replace(image, id=int(stem) if named else i)
              for i, ((image, _), stem) in enumerate(zip(results, stems), 1)]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_coco_results(path, [found._asdict() for _, found in results],
                       DetectionSet(images, finder.classes, finder.category_ids), names=True)
