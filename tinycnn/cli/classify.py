"""`tinycnn classify`: what photos show."""
from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from typing import Any

from .._kernels import ISA, get_num_threads, set_num_threads
from ..classification import Answer, Classifier
from ..data.images import ImageError
from ..serialize import CheckpointError
from ..versions import __version__
from .console import FAILED, complain, positive, reason_of, shown
from .photos import PhotoProgress, expand

SCHEMA = 1  # of the JSON document; a number that changes when its keys do


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser("classify", help="say what photos show", description="Say which of ImageNet's 1000 "
                                 "classes photos show. A photo that cannot be read is reported, the others are "
                                 "classified, and the exit code is 2.")
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="an image file, or a directory of them")
    parser.add_argument("--model", default="efficientnet_lite0", help="a name that `tinycnn models` lists "
                        "(default: %(default)s)")
    parser.add_argument("--weights", metavar="FILE", help="a weights file for it: .npz, .safetensors, .pth "
                        "(default: the known weights, from their installed package)")
    parser.add_argument("--download", action="store_true", help="fetch the known weights where they are not here")
    parser.add_argument("--top", type=positive, default=5, metavar="K", help="classes to print (default: %(default)s)")
    parser.add_argument("--threads", type=positive, metavar="N", help="default: the CPUs this process may use")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_classify)


def _classify(options: argparse.Namespace) -> int:
    if options.threads:
        set_num_threads(options.threads)
    try:
        classifier = Classifier(options.model, options.weights, options.top, options.download)
    except (ImportError, OSError, ValueError) as error:
        return complain(reason_of(error))
    print(f"{options.model}: weights from {classifier.source}; licence: {classifier.licence}", file=sys.stderr)
    answers: list[Answer] = []
    failures: dict[str, str] = {}
    with PhotoProgress(expand(options.photos, failures)) as progress:
        for photo in progress:
            try:
                answers.append(classifier(photo))
            except (ImageError, CheckpointError, OSError) as error:
                failures[str(photo)] = reason_of(error)
                continue
            if not options.json:
                progress.write(_text(answers[-1]))
    for reason in failures.values():
        complain(reason)
    if options.json:
        print(json.dumps(_document(options.model, classifier, answers, failures), indent=2))
    return FAILED if failures else 0


# ---------------------------------------------------------------- printing
def _text(answer: Answer) -> str:
    head = f"{shown(answer.file)}  (decode {answer.decode_ms:.1f} ms, network {answer.network_ms:.1f} ms)"
    return "\n".join([head, *(f"  {100 * g.probability:5.1f} %  {g.index:4}  {g.name}" for g in answer.classes)])


def _document(model: str, classifier: Classifier, answers: list[Answer], failures: dict[str, str]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "tinycnn": __version__,
        "isa": ISA,
        "threads": get_num_threads(),
        "model": model,
        "weights": {"source": classifier.source, "licence": classifier.licence},
        "results": [dataclasses.asdict(answer) for answer in answers],
        "errors": [{"file": file, "error": error} for file, error in failures.items()],
    }
