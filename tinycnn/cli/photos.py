"""Photos as arguments: the files that they stand for, one by one, with a bar where it takes a while."""
from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..data.images import ImageError, image_files
from .console import reason_of

FEW = 3  # photos that need no progress bar


def expand(photos: Iterable[str], failures: dict[str, str]) -> list[Path]:
    """All files that the arguments stand for; a directory without any is a failure."""
    files: list[Path] = []
    for photo in photos:
        try:
            files += image_files(photo)
        except (ImageError, OSError) as error:
            failures[photo] = reason_of(error)
    return files


class PhotoProgress:
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

    def __enter__(self) -> PhotoProgress:
        return self

    def __iter__(self) -> Iterator[Path]:
        return iter(self.files)

    def __exit__(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.close()
