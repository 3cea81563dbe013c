"""`tinycnn evaluate`: how often a network is right, and how long it takes."""
from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

from ..training.jobs import run_evaluation
from ..training.results import circumstances
from .choices import (
    FAILURES,
    add_data,
    add_network,
    add_running,
    complain_of,
    data_choice,
    engine_choice,
    network_choice,
    tell,
)
from .console import positive

SCHEMA = 1  # of the JSON document; a number that changes when its keys do


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser("evaluate", help="measure a network's accuracy and time", description="Run a network "
                                 "over Fashion-MNIST's test images, or all photos of a folder by class: top-1, top-5, "
                                 "and the milliseconds of the network for an image, after warming up, loading "
                                 "excluded. What `tinycnn train` wrote beside its weights is taken into account.")
    add_network(parser)
    add_data(parser)
    group = parser.add_argument_group("run")
    group.add_argument("--batch-size", type=positive, default=1, metavar="N", help="images that the network is given "
                       "at once (default: %(default)s)")
    group.add_argument("--json", action="store_true", help="print one JSON document")
    add_running(group)
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    try:
        found = run_evaluation(network_choice(options), data_choice(options), batch_size=options.batch_size,
                               engine=engine_choice(options), tell=tell)
    except FAILURES as error:
        return complain_of(error)
    if options.json:
        print(json.dumps({"schema": SCHEMA, "model": options.model, "data": options.data, **circumstances(),
                          "batch_size": options.batch_size, **dataclasses.asdict(found)}, indent=2))
        return 0
    print(f"{options.model}: {found.images:,} images, top-1 {100 * found.top1:.2f} %, top-5 {100 * found.top5:.2f} %, "
          f"{found.ms_median:.3f} ms an image (median; mean {found.ms_mean:.3f})")
    return 0
