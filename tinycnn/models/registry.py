"""The registry: networks by name."""
from __future__ import annotations

import difflib
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

from .weights import load_pretrained

Builder = TypeVar("Builder", bound=Callable[..., Any])
_BUILDERS: dict[str, Callable[..., Any]] = {}
_TASKS: dict[str, str] = {}
OTHERS = ("detection",)  # packages of other tasks, above this one, that register their networks when imported


def register_model(builder: Builder, task: str = "classification") -> Builder:
    """Decorator: make a function that builds a network available to `create_model` under its own name.

    The function takes the `Options` of every `Backbone`, and options of its own, all with defaults; where the task is
    another one, options of its own alone.  Raises ValueError for a name that is taken.
    """
    name = builder.__name__
    if name in _BUILDERS:
        raise ValueError(f"register_model: {name!r} is registered already, by {_BUILDERS[name].__module__}")
    _BUILDERS[name], _TASKS[name] = builder, task
    return builder


def create_model(name: str, pretrained: bool = False, download: bool = False, **options: Any) -> Any:
    """Build a network by name.

    pretrained: load real weights, from an installed package or what was downloaded before; download: let them be
    fetched where they are not here (`tinycnn.models.published` has the list); what tells classes apart begins anew
    where there are others.  options: num_classes (1000; 0 for
    pooled features without a classifier), in_chans (3), features_only (False; True for a list of feature maps instead
    of logits), out_indices, drop_rate, drop_path_rate, stem_stride (see `Backbone`), and those of the network's own
    function; detectors have options of their own alone.

    Raises ValueError for an unknown name, with those that are close, `WeightsNotFound` where there are no weights.

    >>> model = create_model("shufflenet_v2_x0_5", num_classes=10)
    >>> sum(p.size for p in model.parameters())
    352042
    """
    if name not in _BUILDERS:
        _import_others()
    if name not in _BUILDERS:
        close = difflib.get_close_matches(name, _BUILDERS, n=5, cutoff=0.5)
        hint = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(list_models())}"
        raise ValueError(f"create_model: there is no model {name!r}; {hint}")
    model = _BUILDERS[name](**options)
    if pretrained:
        load_pretrained(model, name, download, partial(_BUILDERS[name], **options))
    return model


def list_models(pattern: str = "*", task: str = "classification") -> list[str]:
    """Names of the registered networks of a task ("classification", "detection") that match a shell pattern, sorted.

    >>> list_models("mobilenet_v*")
    ['mobilenet_v2', 'mobilenet_v3_large', 'mobilenet_v3_small']
    """
    if task != "classification":
        _import_others()
    return sorted(name for name in _BUILDERS if _TASKS[name] == task and fnmatchcase(name, pattern))


def _import_others() -> None:
    for name in OTHERS:
        import_module(f"{__package__.partition('.')[0]}.{name}")
