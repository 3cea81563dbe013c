"""`tinycnn train`: a network, trained on Fashion-MNIST or a folder of photos by class."""
from __future__ import annotations

import argparse
from typing import Any

from .._kernels import get_num_threads
from ..data.tasks import AUGMENTATIONS
from ..training.jobs import run_training
from ..training.recipe import Recipe
from .choices import (
    FAILURES,
    add_course,
    add_data,
    add_network,
    add_run,
    add_running,
    complain_of,
    data_choice,
    engine_choice,
    network_choice,
    resumable,
    tell,
)


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser("train", help="train a network on images", description="Train a network. Into the "
                                 "directory of the run go log.csv, a row per epoch; checkpoint.npz, from which "
                                 "--resume goes on; weights.npz and network.json, for `tinycnn evaluate`; and "
                                 "result-DATE.json.")
    add_network(parser)
    add_data(parser)
    _add_validation(parser)
    _add_recipe(parser)
    _add_run(parser)
    parser.set_defaults(run=_train)


def _add_validation(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--val", metavar="FOLDER", help="a folder of photos by class to test with after each epoch")
    group.add_argument("--val-split", type=float, default=0.1, metavar="SHARE", help="share of each class that is "
                       "kept for that, of a folder without --val (default: %(default)s)")


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    group = add_course(parser, Recipe, AUGMENTATIONS, "Fashion-MNIST flip, photos crop, with --cache-features none")
    for name, meaning in (("label_smoothing", "share of the target that all classes divide among them"),
                          ("mixup", "alpha of MixUp, 0 for none")):
        group.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(Recipe, name), metavar="FLOAT",
                           help=f"{meaning} (default: %(default)s)")


def _add_run(parser: argparse.ArgumentParser) -> None:
    group = add_run(parser)
    group.add_argument("--freeze-backbone", action="store_true", help="train the last layer alone")
    group.add_argument("--cache-features", action="store_true", help="with a frozen backbone: compute its features "
                       "once, and train on these")
    add_running(group)


def _recipe(options: argparse.Namespace) -> Recipe:
    usual = "flip" if data_choice(options).of_garments else "crop"
    names = set(Recipe.__dataclass_fields__) - {"augment", "families"}
    return Recipe(**{name: getattr(options, name) for name in names},
                  augment=options.augment or ("none" if options.cache_features else usual))


def _train(options: argparse.Namespace) -> int:
    out = options.out or f"runs/{options.model}"
    try:
        with resumable("epoch"):
            result = run_training(
                network_choice(options), data_choice(options, validation=options.val, share=options.val_split),
                _recipe(options), out, engine=engine_choice(options), resume=options.resume,
                overwrite=options.overwrite, freeze=options.freeze_backbone, cache=options.cache_features,
                workers=options.workers, tell=tell)
    except FAILURES as error:
        return complain_of(error)
    print(f"{options.model}: accuracy {100 * result['accuracy']:.2f} % of {result['settings']['test_images']:,} images "
          f"after {options.epochs} epochs in {result['seconds']:.0f} s on {get_num_threads()} threads; see {out}")
    return 0
