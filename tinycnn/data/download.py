"""One file from the network, checked before it is where it belongs."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CHUNK = 1 << 16
_TIMEOUT = 30.0  # seconds without a byte


def download(url: str, path: str | os.PathLike[str], md5: str, max_bytes: int = 1 << 28,
             opener: Callable[..., Any] | None = None) -> Path:
    """Fetch `url` into the file `path`, whose directory is made where it is missing.

    md5: the checksum that the publisher states, in hexadecimal.  max_bytes: where to give up on an endless answer.
    opener: what opens a URL, called as `opener(url, timeout=seconds)`; urllib's where not given.

    The file appears whole and checked, or not at all.  Raises ConnectionError where the network fails and ValueError
    where something else came than was published; both name the URL.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        found = _fetch(opener or _urlopen(), url, part, max_bytes)
        if found != md5:
            raise ValueError(f"{url}: the file that came has the MD5 checksum {found}, published is {md5}")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _urlopen() -> Callable[..., Any]:
    from urllib.request import urlopen  # imported here: it costs more than the rest of `import tinycnn`

    return urlopen


def _fetch(opener: Callable[..., Any], url: str, part: Path, max_bytes: int) -> str:
    """Write what the URL answers to `part`; its MD5."""
    digest, size = hashlib.md5(usedforsecurity=False), 0
    with open(part, "wb") as file:
        try:
            with opener(url, timeout=_TIMEOUT) as answer:
                while chunk := answer.read(_CHUNK):
                    size += len(chunk)
                    if size > max_bytes:
                        raise ValueError(f"{url}: more than the {max_bytes:,} bytes expected at most")
                    digest.update(chunk)
                    file.write(chunk)
        except OSError as error:
            raise ConnectionError(f"{url}: cannot be downloaded: {error}") from error
    return digest.hexdigest()
