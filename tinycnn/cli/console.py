"""What all commands share: how arguments are read, and how failures are said."""
from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

from ..serialize.atomic import write_atomically

FAILED = 2
HERE = "-"  # in place of a file: standard output
FORMS = ("json", "csv")  # of tables, in the place of text


class Parser(argparse.ArgumentParser):
    """argparse, but an error is one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command, and leave."""
        self.exit(FAILED, f"{self.prog}: {message} (see {self.prog} --help)\n")


def positive(text: str) -> int:
    """A whole number from 1, as argparse wants its types."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return number


def add_forms(parser: Any) -> None:
    """--json and --csv."""
    for name in FORMS:
        parser.add_argument(f"--{name}", nargs="?", const=HERE, metavar="FILE", help=f"write {name.upper()} to a file, "
                            "or print it instead of the table")


def put(path: str | None, text: str) -> None:
    """Print a text where the path is `HERE`, write it to a file where it is another, whole or not at all."""
    if path == HERE:
        print(text, end="")
    elif path is not None:
        write_atomically(path, lambda file: file.write(text.encode()))


def complain(reason: str) -> int:
    """One line on stderr; the exit code of a failure."""
    print(f"tinycnn: {shown(reason)}", file=sys.stderr)
    return FAILED


def reason_of(error: Exception) -> str:
    """What an exception says, on one line."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def shown(text: str) -> str:
    """Text that any terminal takes: file names may hold bytes that are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
