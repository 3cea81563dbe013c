"""`tinycnn profile`: how long each layer of a network takes."""
from __future__ import annotations

import argparse
import json
import os
from typing import Any

from .._kernels import get_num_threads, set_num_threads
from .choices import FAILURES, complain_of
from .console import positive
from .measured import add_measured, network

SCHEMA = 1  # of the JSON document; a number that changes when its keys do


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser("profile", help="measure the layers of a network", description="Time of every layer "
                                 "of the compiled network beside its costs, and beside the most that this machine "
                                 "computes and moves, which is measured the first time, in two seconds.")
    parser.add_argument("model", metavar="MODEL", help="a name that `tinycnn models` lists, or a detector's")
    add_measured(parser)
    parser.add_argument("--rounds", type=positive, metavar="N", help="rounds, of which the quickest quarter "
                        "counts (default: those of three seconds)")
    parser.add_argument("--threads", type=positive, metavar="N", help="default: the CPUs this process may use")
    parser.add_argument("--measure-machine", action="store_true", help="measure the machine even if it was before")
    parser.add_argument("--plot", metavar="DIR", help="write roofline.png and kinds.png there (needs tinycnn[plot])")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_profile)


def _profile(options: argparse.Namespace) -> int:
    from ..analysis import peaks, plots, profile  # not needed by the other commands

    if options.threads:
        set_num_threads(options.threads)
    try:
        if options.plot:
            plots.new_figure(1, 1)  # what is missing is said before anything is measured
        model, shape = network(options.model, options)
        peak = peaks(get_num_threads(), again=options.measure_machine)
        found = profile(model, shape, rounds=options.rounds, peak=peak)
        if options.plot:
            title = f"{options.model}, {peak.threads} thread{'s' * (peak.threads > 1)}"
            plots.roofline(found, os.path.join(options.plot, "roofline.png"), title)
            plots.time_by_kind({options.model: found}, os.path.join(options.plot, "kinds.png"), title)
    except FAILURES as error:
        return complain_of(error)
    if options.json:
        print(json.dumps({"schema": SCHEMA, "model": options.model, "input": list(shape), **found.document()},
                         indent=2))
    else:
        print(f"{options.model}, {'x'.join(map(str, shape))}\n\n{found}")
    return 0
