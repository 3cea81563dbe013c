"""`tinycnn study`: what the literature says of light networks, measured on this machine."""
from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from .._kernels import get_num_threads, set_num_threads
from ..serialize.atomic import write_atomically
from .choices import FAILURES, complain_of
from .console import positive

GUIDELINES = {"g1": "equal channel widths", "g2": "group convolution", "g3": "fragmentation",
              "g4": "element-wise operations", "factorise": "k x k against 1 x k and k x 1"}
QUESTIONS = "questions"
NAMES = ("variable-input", "norm-order", "group-norm", "downsampling", "joining", "heads", "fusion")
QUICK_SECONDS, QUICK_ROUNDS = 0.2, 6


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser("study", help="experiments on what makes networks quick and good", description="g1 to "
                                 "g4: the guidelines of ShuffleNetV2 (Ma et al., ECCV 2018), at equal multiply-adds; "
                                 "factorise: k x k against 1 x k and k x 1; questions: small networks trained several "
                                 "times, which takes minutes.")
    parser.add_argument("study", choices=(*GUIDELINES, QUESTIONS), metavar="STUDY", help="; ".join(
        f"{name}: {about}" for name, about in GUIDELINES.items()) + "; questions: open questions of network design")
    parser.add_argument("--threads", type=positive, metavar="N", help="default: the CPUs this process may use")
    parser.add_argument("--json", metavar="FILE", help="write rows and what they say as JSON")
    parser.add_argument("--quick", action="store_true", help="a trial in seconds: small, and no figure to keep")
    latency = parser.add_argument_group("g1 to g4, factorise")
    latency.add_argument("--plot", metavar="DIR", help="write STUDY.png there (needs tinycnn[plot])")
    latency.add_argument("--eager", action="store_true", help="measure the tape's kernels as well: they fuse nothing")
    latency.add_argument("--aligned", action="store_true", help="numbers of channels that fill vector registers, in "
                         "place of the paper's")
    learning = parser.add_argument_group(QUESTIONS)
    learning.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    learning.add_argument("--data-root", metavar="DIR", help="directory of Fashion-MNIST's four files")
    parser.set_defaults(run=_study)


def _study(options: argparse.Namespace) -> int:
    threads = get_num_threads()
    if options.threads:
        set_num_threads(options.threads)
    try:
        found = _answered(options) if options.study == QUESTIONS else _measured(options)
        if options.json:
            text = json.dumps(found, indent=2) + "\n"
            write_atomically(options.json, lambda file: file.write(text.encode()))
    except FAILURES as error:
        return complain_of(error)
    finally:
        set_num_threads(threads)
    return 0


def _measured(options: argparse.Namespace) -> Mapping[str, Any]:
    """The document of a study of latency, printed as a table."""
    from ..analysis import plots, studies  # not needed by the other commands
    from ..analysis.studies import measuring, pictures, timing

    if options.plot:
        plots.new_figure(1, 1)  # what is missing is said before anything is measured
    experiment = studies.STUDIES[options.study](options.quick, options.aligned)
    seconds, fewest = (QUICK_SECONDS, QUICK_ROUNDS) if options.quick else (measuring.SECONDS, timing.FEWEST)
    found = studies.measure(experiment, eager=options.eager, seconds=seconds, fewest=fewest)
    print(studies.study_table(found))
    if options.plot:
        pictures.ratio_bars(found, os.path.join(options.plot, f"{options.study}.png"))
    return found


def _answered(options: argparse.Namespace) -> Mapping[str, Any]:
    """The document of all questions that were asked, each printed when it is answered."""
    from ..analysis.studies import questions

    if options.plot or options.eager or options.aligned:
        raise ValueError(f"study {QUESTIONS}: --plot, --eager and --aligned are of the other studies")
    budget = (questions.QUICK if options.quick else questions.FULL)._replace(root=options.data_root)
    answers = []
    for name in options.only:
        answers.append(questions.QUESTIONS[name](budget, _say))
        print(f"{answers[-1]}\n", flush=True)
    return questions.document(answers, budget)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
