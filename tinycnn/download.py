"""One file from the network, checked before it is where it belongs; and where such files are kept."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

MIRROR = "TINYCNN_MIRROR"  # environment variable: a URL whose files are taken in place of the publishers'
SCHEMES = ("https", "http", "file")
_CHUNK = 1 << 16
_TIMEOUT = 30.0  # seconds without a byte
_TITLES = {"md5": "MD5", "sha256": "SHA-256"}


def home() -> Path:
    """Where downloads are kept: the environment variable TINYCNN_HOME, else tinycnn/ in the user's cache directory."""
    named = os.environ.get("TINYCNN_HOME")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinycnn"


def mirrored(url: str, mirror: str | None = None) -> str:
    """From where to take the file that is published at `url`: there, or from a mirror, which has it by its name alone.

    mirror: the URL of a directory; where not given, that in the environment variable TINYCNN_MIRROR, if any.

    >>> mirrored("https://publisher/models/net.pth", "file:///srv/mirror")
    'file:///srv/mirror/net.pth'
    """
    mirror = mirror or os.environ.get(MIRROR)
    return f"{mirror.rstrip('/')}/{url.rpartition('/')[2]}" if mirror else url


def download(url: str, path: str | os.PathLike[str], checksum: str, max_bytes: int = 1 << 30,
             opener: Callable[..., Any] | None = None) -> Path:
    """Fetch `url` (https, http or file) into the file `path`, whose directory is made where it is missing.

    checksum: what the publisher states, as "md5:" or "sha256:" and hexadecimal digits, all of them or the first ones.
    max_bytes: where to give up on an endless answer.  opener: what opens a URL, called as
    `opener(url, timeout=seconds)`; urllib's where not given.

    The file appears whole and checked, or not at all.  Raises ConnectionError where the network fails and ValueError
    where something else came than was published, or the URL is of another kind; all name the URL.
    """
    kind, _, expected = checksum.partition(":")
    if kind not in _TITLES or not expected:
        raise ValueError(f"download: checksum must be md5: or sha256: and digits, got {checksum!r}")
    if url.partition(":")[0] not in SCHEMES:
        raise ValueError(f"{url}: cannot be downloaded: expected a URL that begins with {', '.join(SCHEMES)}")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        found = _fetch(opener or _urlopen(), url, part, hashlib.new(kind, usedforsecurity=False), max_bytes)
        if not found.startswith(expected):
            raise ValueError(f"{url}: the file that came has the {_TITLES[kind]} checksum {found}, published is "
                             f"{expected}")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _urlopen() -> Callable[..., Any]:
    from urllib.request import urlopen  # imported here: it costs more than the rest of `import tinycnn`

    return urlopen


def _fetch(opener: Callable[..., Any], url: str, part: Path, digest: Any, max_bytes: int) -> str:
    """Write what the URL answers to `part`; its checksum."""
    from http.client import HTTPException

    size = 0
    with open(part, "wb") as file:
        try:
            with opener(url, timeout=_TIMEOUT) as answer:
                while chunk := answer.read(_CHUNK):
                    size += len(chunk)
                    if size > max_bytes:
                        raise ValueError(f"{url}: more than the {max_bytes:,} bytes expected at most")
                    digest.update(chunk)
                    file.write(chunk)
        except (OSError, HTTPException) as error:
            raise ConnectionError(f"{url}: cannot be downloaded: {error}") from error
    return digest.hexdigest()
