"""The command line: parses, calls, prints.

Exit codes: 0, all went well; 2, something did not (one line on stderr says what; of several photos the others are still
classified); 130 after Ctrl-C; 141 where the reader of the output went away.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ._kernels import ISA, get_num_threads, set_num_threads
from .classification import Answer, Classifier
from .data.images import ImageError, image_files
from .models import list_models
from .models.weights import WEIGHTS
from .serialize import CheckpointError
from .versions import __version__, show_versions

FAILED, INTERRUPTED, BROKEN_PIPE = 2, 130, 141
FEW = 3  # photos that need no progress bar
SCHEMA = 1  # of the JSON document; a number that changes when its keys do


class Parser(argparse.ArgumentParser):
    """argparse, but an error is one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command, and leave."""
        self.exit(FAILED, f"{self.prog}: {message} (see {self.prog} --help)\n")


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


# ---------------------------------------------------------------- parsing
def _parser() -> Parser:
    parser = Parser(prog="tinycnn", description="A convolutional-network engine, small enough to read.")
    parser.add_argument("--version", action="version", version=f"tinycnn {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_classify(commands.add_parser("classify", help="say what photos show",
                                      description="Say which of ImageNet's 1000 classes photos show. A photo that "
                                      "cannot be read is reported, the others are classified, and the exit code is 2."))
    models = commands.add_parser("models", help="list the networks and where their weights come from")
    models.add_argument("pattern", nargs="?", default="*", metavar="PATTERN", help="such as '*mobilenet*'")
    models.set_defaults(run=_models)
    versions = commands.add_parser("versions", help="what is installed and what it runs on, for a bug report")
    versions.set_defaults(run=_versions)
    return parser


def _add_classify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="an image file, or a directory of them")
    parser.add_argument("--model", default="efficientnet_lite0", help="a name that `tinycnn models` lists "
                        "(default: %(default)s)")
    parser.add_argument("--weights", metavar="FILE", help="a weights file for it: .npz, .safetensors, .pth "
                        "(default: the known weights, from their installed package)")
    parser.add_argument("--top", type=_positive, default=5, metavar="K", help="classes to print (default: %(default)s)")
    parser.add_argument("--threads", type=_positive, metavar="N", help="default: the CPUs this process may use")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_classify)


def _positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return number


# ---------------------------------------------------------------- commands
def _versions(_: argparse.Namespace) -> int:
    show_versions()
    return 0


def _models(options: argparse.Namespace) -> int:
    names = list_models(options.pattern)
    if not names:
        return _complain(f"no model matches {options.pattern!r}; `tinycnn models` lists them all")
    for name in names:
        weights = WEIGHTS.get(name)
        print(f"{name:24}{f'weights: {weights.install}  (licence: {weights.licence})' if weights else ''}".rstrip())
    return 0


def _classify(options: argparse.Namespace) -> int:
    if options.threads:
        set_num_threads(options.threads)
    try:
        classifier = Classifier(options.model, options.weights, options.top)
    except (ImportError, OSError, ValueError) as error:
        return _complain(_reason(error))
    print(f"{options.model}: weights from {classifier.source}; licence: {classifier.licence}", file=sys.stderr)
    answers: list[Answer] = []
    failures: dict[str, str] = {}
    with _Progress(_expand(options.photos, failures)) as progress:
        for photo in progress:
            try:
                answers.append(classifier(photo))
            except (ImageError, CheckpointError, OSError) as error:
                failures[str(photo)] = _reason(error)
                continue
            if not options.json:
                progress.write(_text(answers[-1]))
    for reason in failures.values():
        _complain(reason)
    if options.json:
        print(json.dumps(_document(options.model, classifier, answers, failures), indent=2))
    return FAILED if failures else 0


def _expand(photos: Iterable[str], failures: dict[str, str]) -> list[Path]:
    """All files that the arguments stand for; a directory without any is a failure."""
    files: list[Path] = []
    for photo in photos:
        try:
            files += image_files(photo)
        except (ImageError, OSError) as error:
            failures[photo] = _reason(error)
    return files


# ---------------------------------------------------------------- printing
class _Progress:
    """The files one by one, with a bar on stderr where there are more than a few and someone watches."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files: Iterable[Path] = files
        self.write: Callable[[str], Any] = print
        self.bar: Any = None
        if len(files) > FEW and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:  # a bar is a comfort, no more
                return
            self.files = self.bar = tqdm(files, unit="photo", file=sys.stderr)
            self.write = tqdm.write

    def __enter__(self) -> _Progress:
        return self

    def __iter__(self) -> Iterator[Path]:
        return iter(self.files)

    def __exit__(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.close()


def _text(answer: Answer) -> str:
    head = f"{_shown(answer.file)}  (decode {answer.decode_ms:.1f} ms, network {answer.network_ms:.1f} ms)"
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


def _complain(reason: str) -> int:
    print(f"tinycnn: {_shown(reason)}", file=sys.stderr)
    return FAILED


def _reason(error: Exception) -> str:
    """What an exception says, on one line."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def _shown(text: str) -> str:
    """Text that any terminal takes: file names may hold bytes that are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
