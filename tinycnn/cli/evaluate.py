"""`tinycnn evaluate`: how often networks are right, and how long they take."""
from __future__ import annotations

import argparse
import csv
import dataclasses
import io
import json
import sys
from typing import Any

from ..training.choices import NetworkChoice
from ..training.described import Described
from ..training.evaluate import Measures
from ..training.jobs import run_evaluations
from ..training.results import circumstances
from .choices import (
    FAILURES,
    add_data,
    add_option,
    add_running,
    complain_of,
    data_choice,
    engine_choice,
    network_choice,
    tell,
)
from .console import HERE, add_forms, positive, put

SCHEMA = 1  # of the JSON document; a number that changes when its keys do
IMAGES = 5_000  # of Fashion-MNIST's test images, unless told otherwise
Row = dict[str, Any]


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser("evaluate", help="measure networks' accuracy and time", description="Run networks, "
                                 "one after the other, over Fashion-MNIST's test images, or the photos of a folder by "
                                 "class: top-1, top-5, and the milliseconds of the network for an image, after warming "
                                 "up, loading excluded. What the weights' file says, or `tinycnn train` wrote beside "
                                 "it, is taken into account.")
    _add_networks(parser)
    add_data(parser, limit=f"images to test with (default: {IMAGES:,} of Fashion-MNIST's 10,000, all of a folder)")
    group = parser.add_argument_group("run")
    group.add_argument("--batch-size", type=positive, default=1, metavar="N", help="images that a network is given "
                       "at once (default: %(default)s)")
    add_forms(group)
    add_running(group)
    parser.set_defaults(run=_evaluate)


def _add_networks(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("networks")
    group.add_argument("--model", nargs="+", default=[], metavar="NAME", help="those that `tinycnn models` lists: one "
                       "for each file of weights, or one for all (default: what the files say)")
    source = group.add_mutually_exclusive_group()
    source.add_argument("--weights", nargs="+", default=[], metavar="FILE", help="weights files: .npz, .safetensors, "
                        ".pth")
    source.add_argument("--pretrained", action="store_true", help="the networks' known weights")
    group.add_argument("--stem-stride", type=positive, metavar="N", help="stride of the first convolution, where a "
                       "network has the choice: 1 for images of 28 to 64 pixels")
    add_option(group)


def _evaluate(options: argparse.Namespace) -> int:
    try:
        rows = _rows(options)
        _print(options, rows)
    except FAILURES as error:
        return complain_of(error)
    return 0


def _rows(options: argparse.Namespace) -> list[Row]:
    """What each network came to; of several, each is told on stderr when it is done."""
    networks, data = _networks(options), data_choice(options)
    if data.of_garments and data.limit is None:
        data = dataclasses.replace(data, limit=IMAGES)
    found = run_evaluations(networks, data, batch_size=options.batch_size, engine=engine_choice(options), tell=tell)
    rows: list[Row] = []
    for network, measures in zip(networks, found):
        rows.append({"model": network.model, "weights": network.weights, **dataclasses.asdict(measures)})
        if len(networks) > 1:
            print(f"{len(rows)}/{len(networks)} {network.model}", file=sys.stderr, flush=True)
    return rows


def _networks(options: argparse.Namespace) -> list[NetworkChoice]:
    """The networks that were asked for: each file with its model."""
    names, files = options.model, options.weights or [None] * len(options.model)
    if not names:
        names = [_name(file) for file in files]
    elif len(names) == 1:
        names = names * len(files)
    if len(names) != len(files):
        raise ValueError(f"model: expected one name, or one for each of {len(files)} files, got {len(names)}")
    if not names:
        raise ValueError("model: expected names (--model), or files that say what they are of (--weights), got neither")
    return [network_choice(argparse.Namespace(**{**vars(options), "model": name, "weights": file}))
            for name, file in zip(names, files)]


def _name(file: str) -> str:
    described = Described.of(file)
    if described is None:
        raise ValueError(f"{file}: neither the file nor a network.json beside it says what network it is of; "
                         "name it (--model)")
    return described.model


# ---------------------------------------------------------------- what is printed
def _print(options: argparse.Namespace, rows: list[Row]) -> None:
    about = {**circumstances(), "batch_size": options.batch_size}
    several = {"rows": rows} if len(rows) > 1 else rows[0]
    put(options.json, json.dumps({"schema": SCHEMA, "data": options.data, **about, **several}, indent=2) + "\n")
    put(options.csv, _csv(rows, about))
    if HERE in (options.json, options.csv):
        return
    if len(rows) > 1:
        print(_table(rows, about))
        return
    row = rows[0]
    print(f"{row['model']}: {row['images']:,} images, top-1 {100 * row['top1']:.2f} %, top-5 {100 * row['top5']:.2f} "
          f"%, {row['ms_median']:.3f} ms an image (median; mean {row['ms_mean']:.3f})")


def _table(rows: list[Row], about: Row) -> str:
    """A line for each network, then on what it was measured."""
    from ..analysis.machine import description, machine_line  # not needed by the other commands
    from ..analysis.table import text_table

    lines = [[row["model"], row["weights"] or "known", f"{row['images']:,}", f"{100 * row['top1']:.2f}",
              f"{100 * row['top5']:.2f}", f"{row['ms_median']:.3f}", f"{row['ms_mean']:.3f}"] for row in rows]
    return (text_table(["network", "weights", "images", "top-1 %", "top-5 %", "ms an image", "mean"], lines, left=2)
            + f"\n\nbatch size {about['batch_size']}, threads: {about['threads']}; {machine_line(description())}, "
              f"{about['date']}")


def _csv(rows: list[Row], about: Row) -> str:
    text = io.StringIO()
    own = ("model", "weights", *(field.name for field in dataclasses.fields(Measures)))
    more = ("batch_size", "threads", "isa", "date", "commit")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([[*own, *more], *[[*[row[key] for key in own], *[about[key] for key in more]] for row in rows]])
    return text.getvalue()
