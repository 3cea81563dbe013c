"""The command line: parses, calls, prints.

Exit codes: 0, all went well; 2, something did not (one line on stderr says what; of several photos the others are still
classified, and of bad data each file has a line of its own); 130 after Ctrl-C; 141 where the reader of the output went
away.
"""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from ..models import list_models
from ..models.weights import WEIGHTS
from ..versions import __version__, show_versions
from . import classify, compare, detect, evaluate, netadapt, profile, study, summary, train, train_detector
from .console import Parser, complain

INTERRUPTED, BROKEN_PIPE = 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command (without the program's name; default: of this process) and return its exit code."""
    try:
        options = _parser().parse_args(arguments)
        code = options.run(options)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more as it exits; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _parser() -> Parser:
    parser = Parser(prog="tinycnn", description="A convolutional-network engine, small enough to read.")
    parser.add_argument("--version", action="version", version=f"tinycnn {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    classify.add_to(commands)
    train.add_to(commands)
    for command in (evaluate, detect, train_detector, summary, profile, compare, study, netadapt):
        command.add_to(commands)
    models = commands.add_parser("models", help="list the networks and where their weights come from")
    models.add_argument("pattern", nargs="?", default="*", metavar="PATTERN", help="such as '*mobilenet*'")
    models.add_argument("--task", choices=("classification", "detection"), default="classification")
    models.set_defaults(run=_models)
    versions = commands.add_parser("versions", help="what is installed and what it runs on, for a bug report")
    versions.set_defaults(run=_versions)
    return parser


def _versions(_: argparse.Namespace) -> int:
    show_versions()
    return 0


def _models(options: argparse.Namespace) -> int:
    names = list_models(options.pattern, options.task)
    if not names:
        return complain(f"no model matches {options.pattern!r}; `tinycnn models` lists them all")
    for name in names:
        weights = WEIGHTS.get(name)
        shown = f"weights: {' or '.join(weights.ways())}  (licence: {weights.licence})" if weights else ""
        print(f"{name:24}{shown}".rstrip())
    return 0
