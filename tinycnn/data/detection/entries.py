"""Entries of JSON files, of which nothing is taken on trust: each getter returns what it names or says what came."""
from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .records import BadEntryError


def read_json(path: Path) -> Any:
    """What a JSON file holds."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadEntryError(f"cannot be read: {error.strerror}") from error
    if not data.strip():
        raise BadEntryError("is empty")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadEntryError(f"not JSON: {error}") from error


def require_mapping(entry: Any) -> Mapping[str, Any]:
    """The entry, if it has names."""
    if not isinstance(entry, dict):
        raise BadEntryError(f"is {shown(entry)}, expected an object")
    return entry


def require_whole(entry: Mapping[str, Any], name: str) -> int:
    """An integer of 64 bits."""
    value = entry.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**63:
        raise BadEntryError(f"{name} is {shown(value)}, expected a whole number")
    return value


def require_number(entry: Mapping[str, Any], name: str) -> float:
    """A finite number."""
    value = entry.get(name)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) <= sys.float_info.max:
        raise BadEntryError(f"{name} is {shown(value)}, expected a finite number")
    return float(value)


def require_text(entry: Mapping[str, Any], name: str) -> str:
    """Some text, which may be part of a file's name."""
    value = entry.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        raise BadEntryError(f"{name} is {shown(value)}, expected text")
    return value


def shown(value: Any) -> str:
    """A value for a message, which may be anything of any length."""
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def coco_label(entry: Mapping[str, Any], labels: Mapping[int, int]) -> int:
    """The label of the entry's category."""
    number = require_whole(entry, "category_id")
    if number not in labels:
        raise BadEntryError(f"unknown category {number}")
    return labels[number]


def coco_box(entry: Mapping[str, Any]) -> list[float]:
    """x, y, width, height."""
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        raise BadEntryError(f"bbox is {shown(box)}, expected [x, y, width, height]")
    return [require_number({"a number of bbox": value}, "a number of bbox") for value in box]
