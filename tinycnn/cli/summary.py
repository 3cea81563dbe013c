"""`tinycnn summary`: what a network costs, layer by layer."""
from __future__ import annotations

import argparse
import json
from typing import Any

from ..versions import __version__
from .choices import FAILURES, complain_of
from .console import positive
from .measured import add_measured, network

SCHEMA = 1  # of the JSON document; a number that changes when its keys do


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser("summary", help="count what a network costs", description="Parameters, multiply-adds "
                                 "and FLOPs (2 x multiply-adds), activations, memory access and arithmetic intensity "
                                 "of every operation, totals, and shares by kind and by part. Nothing is run.")
    parser.add_argument("model", metavar="MODEL", help="a name that `tinycnn models` lists, or a detector's")
    add_measured(parser)
    parser.add_argument("--depth", type=positive, metavar="N", help="a row for each module N levels down")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_summary)


def _summary(options: argparse.Namespace) -> int:
    from ..analysis import summary  # not needed by the other commands

    try:
        model, shape = network(options.model, options)
        found = summary(model, shape)
    except FAILURES as error:
        return complain_of(error)
    rows = found if options.depth is None else found.layers(options.depth)
    if options.json:
        totals = {name: getattr(found, name) for name in (
            "params", "macs", "flops", "elementwise", "activations", "memory_access", "bytes")}
        print(json.dumps({"schema": SCHEMA, "tinycnn": __version__, "model": options.model, "input": list(shape),
                          "totals": totals, "rows": [{**row._asdict(), "flops": row.flops} for row in rows.rows]},
                         indent=2))
        return 0
    print(f"{options.model}, {'x'.join(map(str, shape))}\n\n{rows}")
    return 0
