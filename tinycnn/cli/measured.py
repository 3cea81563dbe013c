"""Which network is measured, and on what: arguments that `summary`, `profile` and `compare` share."""
from __future__ import annotations

import argparse
from typing import Any

from ..models import create_model, preprocessing
from .choices import add_option

Shape = tuple[int, ...]


def add_measured(parser: argparse.ArgumentParser) -> None:
    """The network's options, and what it is shown."""
    parser.add_argument("--input", type=shape, metavar="N,C,H,W", help="shape of the images (default: one of the size "
                        "that the network is meant for)")
    add_option(parser)


def shape(text: str) -> Shape:
    """Four whole numbers, as argparse wants its types.

    >>> shape("1,3,224,224")
    (1, 3, 224, 224)
    """
    parts = text.split(",")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"expected four whole numbers from 1, as 1,3,224,224, got {text!r}")
    return tuple(map(int, parts))


def network(name: str, options: argparse.Namespace) -> tuple[Any, Shape]:
    """The network, without weights of its own, and the shape that it is shown.

    Raises ValueError for an unknown name or option.
    """
    try:
        model = create_model(name, **dict(options.option))
    except TypeError as error:  # an option that the network's function does not take
        raise ValueError(f"{name}: {error}") from error
    if options.input is not None:
        return model, options.input
    side = preprocessing(name).crop
    return model, (1, getattr(model, "in_chans", 3), *getattr(model, "size", (side, side)))
