"""Arguments that `train` and `evaluate` share, and what they choose."""
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .._kernels import set_num_threads
from ..data.faults import BadDataError, Fault
from ..data.folder import MIN_SIDE
from ..data.tasks import FASHION_MNIST, PORTRAITS, Task
from ..training.choices import DataChoice, NetworkChoice
from ..training.engines import Engine
from ..training.recipe import SCHEDULES, Course
from .console import complain, positive, reason_of, shown

FAILURES = (ImportError, OSError, ValueError, FloatingPointError)  # what is said in a line; others are faults of ours


def add_network(parser: argparse.ArgumentParser) -> None:
    """Which network."""
    group = parser.add_argument_group("network")
    group.add_argument("--model", required=True, metavar="NAME", help="one that `tinycnn models` lists")
    source = group.add_mutually_exclusive_group()
    source.add_argument("--weights", metavar="FILE", help="a weights file for it: .npz, .safetensors, .pth")
    source.add_argument("--pretrained", action="store_true", help="its known weights")
    group.add_argument("--stem-stride", type=positive, metavar="N", help="stride of the first convolution, where the "
                       "network has the choice: 1 for images of 28 to 64 pixels")
    add_option(group)


def add_data(parser: argparse.ArgumentParser, limit: str = "take only N images of each side: a quick trial",
             default: str | None = None) -> None:
    """Which images; limit: what is said of --limit.  default: which, where they need not be named."""
    group = parser.add_argument_group("images")
    group.add_argument("--data", required=default is None, default=default,
                       metavar=f"{FASHION_MNIST}|{PORTRAITS}|FOLDER", help="the data set, its garments in colour as "
                       "scenes have them (to train what a detector begins with), or a folder with a folder of photos "
                       "for each class")
    group.add_argument("--data-root", metavar="DIR", help="directory of Fashion-MNIST's four files (default: where "
                       "they are installed or downloaded)")
    group.add_argument("--download", action="store_true", help="fetch data or known weights that are not here")
    group.add_argument("--size", type=positive, metavar="PIXELS", help="side of what the network is shown (default: "
                       "28 for Fashion-MNIST, 64 for portraits, for photos what the network's known weights expect)")
    group.add_argument("--in-chans", type=positive, metavar="N", help="1 or 3 (default: 1 for Fashion-MNIST, else "
                       "3)")
    group.add_argument("--skip-bad", action="store_true", help="leave out files that cannot be used; else they are "
                       "listed and nothing is done")
    group.add_argument("--min-side", type=positive, default=MIN_SIDE, metavar="PIXELS", help="a photo with a shorter "
                       "side cannot be used (default: %(default)s)")
    group.add_argument("--limit", type=positive, metavar="N", help=limit)


def add_course(parser: argparse.ArgumentParser, recipe: type[Course], augmentations: Iterable[str],
               augment: str | None = None) -> argparse._ArgumentGroup:
    """What all recipes have, with the defaults of one; augment: what is said of its default where that depends."""
    defaults, group = recipe(), parser.add_argument_group("recipe")
    for name, kind, meaning in (
            ("epochs", int, "passes over the images"), ("batch_size", int, "images per step"),
            ("warmup", float, "share of all steps in which the learning rate rises"),
            ("ema", float, "decay of the weights' running mean, such as 0.999, 0 for none"),
            ("seed", int, "of all randomness"), ("clip", float, "longest gradient")):
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, default=getattr(defaults, name),
                           metavar=kind.__name__.upper(), help=f"{meaning} (default: %(default)s)")
    group.add_argument("--optimizer", choices=recipe.families, default=defaults.optimizer, help="default: %(default)s")
    rates = {name: family.lr for name, family in recipe.families.items()}
    group.add_argument("--lr", type=float, help=f"highest learning rate (default, by optimiser: {rates})")
    group.add_argument("--weight-decay", type=float, metavar="FLOAT", help="default: the optimiser's own")
    group.add_argument("--schedule", choices=SCHEDULES, default=defaults.schedule, help="default: %(default)s")
    group.add_argument("--augment", choices=augmentations, default=None if augment else defaults.augment,
                       help=f"how images differ from epoch to epoch (default: {augment or '%(default)s'})")
    return group


def add_run(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Where a run is kept, and how it goes on."""
    group = parser.add_argument_group("run")
    group.add_argument("--out", metavar="DIR", help="directory of the run (default: runs/MODEL)")
    group.add_argument("--resume", action="store_true", help="go on with the run in --out")
    group.add_argument("--overwrite", action="store_true", help="start anew where --out holds a run")
    group.add_argument("--workers", type=int, default=1, metavar="N", help="threads that make batches ahead "
                       "(default: %(default)s)")
    return group


def add_running(parser: argparse._ActionsContainer) -> None:
    """How it runs."""
    parser.add_argument("--threads", type=positive, metavar="N", help="default: the CPUs this process may use")
    parser.add_argument("--eager", action="store_true", help="by the tape instead of a plan: slower")


def add_option(parser: Any) -> None:
    """--option: whatever else the network's function takes."""
    parser.add_argument("--option", type=_option, action="append", default=[], metavar="NAME=VALUE",
                        help="an option of the network's function, such as width=0.5; may come several times")


def _option(text: str) -> tuple[str, Any]:
    """NAME=VALUE, as argparse wants its types; a value is JSON, or else text."""
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def network_choice(options: argparse.Namespace) -> NetworkChoice:
    """The network that was asked for; only what was said is passed on."""
    chosen = dict(options.option)
    if options.stem_stride is not None:
        chosen["stem_stride"] = options.stem_stride
    return NetworkChoice(options.model, options.weights, options.pretrained, options.download, chosen)


def data_choice(options: argparse.Namespace, **more: Any) -> DataChoice:
    """The images that were asked for."""
    return DataChoice(options.data, options.data_root, options.download, size=options.size,
                      channels=options.in_chans, skip_bad=options.skip_bad, min_side=options.min_side,
                      limit=options.limit, **more)


def engine_choice(options: argparse.Namespace) -> Engine:
    """By what it runs, on as many threads as were asked for."""
    if options.threads:
        set_num_threads(options.threads)
    if options.eager:
        return Engine()
    from ..engine import compile  # not needed by the other commands
    from ..engine.training import compile_training_step

    return Engine(compile_training_step, compile)


def tell(task: Task) -> None:
    """What is about to be used, on stderr, and what is not."""
    list_faults(task.faults)
    print(f"{len(task.train[1]):,} images to train on, {len(task.test[1]):,} to test with, "
          f"{len(task.classes)} classes, {len(task.faults)} files left out", file=sys.stderr)


def list_faults(faults: Iterable[Fault]) -> None:
    """A line on stderr for each file that cannot be used."""
    for fault in faults:
        print(f"tinycnn: {shown(str(fault))}", file=sys.stderr)


def complain_of(error: Exception) -> int:
    """Say what went wrong; of bad data, file by file."""
    if isinstance(error, BadDataError):
        list_faults(error.faults)
        remedy = " (--skip-bad leaves them out)" if error.skippable else ""
        return complain(f"{error.root}: {len(error.faults)} {error.what} cannot be used; nothing was done{remedy}")
    return complain(reason_of(error))


@contextmanager
def resumable(after: str) -> Iterator[None]:
    """Where Ctrl-C ends what runs within, it is said from where --resume goes on: an epoch, say."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\ntinycnn: stopped; --resume goes on after the last finished {after}", file=sys.stderr)
        raise
