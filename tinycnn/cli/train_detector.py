"""`tinycnn train-detector`: a detector, trained on annotated images or on scenes of garments."""
from __future__ import annotations

import argparse
import sys
from typing import Any

from .._kernels import get_num_threads
from ..data.detection import RECIPES
from ..data.detection_tasks import SCENES, DetectionTask
from ..training.detection_jobs import SCENE_SIZE, DetectionChoice, DetectorChoice, run_detector_training
from ..training.detection_recipe import MULTI_SCALE, DetectionRecipe
from .choices import (
    FAILURES,
    add_course,
    add_option,
    add_run,
    add_running,
    complain_of,
    engine_choice,
    list_faults,
    resumable,
)
from .console import positive

FEW = 3  # names that a line has room for


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser("train-detector", help="train a network to find objects", description="Train a "
                                 "detector. Into the directory of the run go log.csv, a row per epoch; checkpoint.npz, "
                                 "from which --resume goes on; weights.npz, and best.npz, those that tested best, for "
                                 "`tinycnn detect`; and result-DATE.json.")
    _add_network(parser.add_argument_group("network"))
    _add_data(parser.add_argument_group("images"))
    _add_recipe(parser)
    run = add_run(parser)
    add_running(run)
    parser.set_defaults(run=_train)


def _add_network(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--model", required=True, metavar="NAME", help="one that `tinycnn models --task detection` "
                       "lists")
    group.add_argument("--backbone", metavar="NAME", help="a network that `tinycnn models` lists, where the detector "
                       "has the choice (default: its own)")
    group.add_argument("--size", type=positive, metavar="PIXELS", help="side of what the network is shown (default: "
                       "its own, for scenes theirs)")
    group.add_argument("--fit-anchors", action="store_true", help="of YOLO v2 to v4: anchors by k-means of the boxes "
                       "to train on, in place of the published ones")
    group.add_argument("--weights", metavar="FILE", help="weights of such a detector to begin with; what tells classes "
                       "apart may be of others")
    group.add_argument("--backbone-weights", metavar="FILE", help="weights of a classifier, as `tinycnn train` writes "
                       "them, for the backbone to begin with")
    add_option(group)


def _add_data(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--data", required=True, metavar=f"{SCENES}|FILE.json|FOLDER", help="scenes of Fashion-MNIST's "
                       "garments, annotations as COCO has them, or a folder as VOC has it: Annotations and JPEGImages, "
                       "or XML files and images side by side")
    group.add_argument("--images", metavar="DIR", help="where the images are (default: beside FILE.json; JPEGImages "
                       "or the folder itself)")
    group.add_argument("--val", metavar="FILE.json|FOLDER", help="images to test with (default: those that VOC's "
                       "ImageSets/Main/val.txt names, or a share of the images)")
    group.add_argument("--val-images", metavar="DIR", help="where those are (default: as --images)")
    group.add_argument("--val-split", type=float, default=0.1, metavar="SHARE", help="share of the images that is kept "
                       "to test with (default: %(default)s)")
    group.add_argument("--scene-size", type=positive, default=SCENE_SIZE, metavar="PIXELS", help="default: %(default)s")
    group.add_argument("--data-root", metavar="DIR", help="directory of Fashion-MNIST's four files (default: where "
                       "they are installed or downloaded)")
    group.add_argument("--skip-bad", action="store_true", help="leave out images and entries that cannot be used; else "
                       "they are listed and nothing is done")
    group.add_argument("--limit", type=positive, metavar="N", help="take only N images of each side: a quick trial")
    group.add_argument("--keep", action="store_true", help="keep all images in memory once they are drawn or decoded")


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    group = add_course(parser, DetectionRecipe, RECIPES)
    group.add_argument("--multi-scale", action="store_true", help="images of other sizes every 10 batches: "
                       f"{MULTI_SCALE[0]}, {MULTI_SCALE[1]} to {MULTI_SCALE[-1]} pixels, or --sizes")
    group.add_argument("--sizes", type=positive, nargs="+", default=[], metavar="PIXELS")
    group.add_argument("--test-every", type=positive, default=1, metavar="N", help="epochs between two tests (default: "
                       "%(default)s)")


def _recipe(options: argparse.Namespace) -> DetectionRecipe:
    names = set(DetectionRecipe.__dataclass_fields__) - {"families", "sizes"}
    sizes = tuple(options.sizes) or (MULTI_SCALE if options.multi_scale else ())
    return DetectionRecipe(**{name: getattr(options, name) for name in names}, sizes=sizes)


def _tell(task: DetectionTask) -> None:
    """What is about to be used, on stderr, and what is not."""
    list_faults(task.faults)
    print(f"{len(task.train):,} images to train on, {len(task.test):,} to test with, {len(task.classes)} classes, "
          f"{len(task.faults)} images and entries left out", file=sys.stderr)


def _tell_unlike(names: list[str]) -> None:
    rest = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    print(f"begin anew, for they are of other shapes: {', '.join(names[:FEW])}{rest}", file=sys.stderr)


def _train(options: argparse.Namespace) -> int:
    out = options.out or f"runs/{options.model}"
    try:
        with resumable("epoch"):
            result = run_detector_training(
                DetectorChoice(options.model, options.weights, options.backbone, options.size, options.fit_anchors,
                               dict(options.option), options.backbone_weights),
                DetectionChoice(options.data, options.images, options.val, options.val_images, options.val_split,
                                options.skip_bad, options.data_root, options.scene_size, options.limit,
                                options.keep),
                _recipe(options), out, engine=engine_choice(options), resume=options.resume,
                overwrite=options.overwrite, workers=options.workers, tell=_tell, tell_unlike=_tell_unlike)
    except FAILURES as error:
        return complain_of(error)
    print(f"{options.model}: AP {result['AP']:.3f}, AP50 {result['AP50']:.3f} on {result['settings']['test_images']:,} "
          f"images after {options.epochs} epochs in {result['seconds']:.0f} s on {get_num_threads()} threads; "
          f"see {out}")
    return 0
