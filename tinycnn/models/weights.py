"""Weights from files into networks: checked, renamed, whole or not at all."""
from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..nn import Module, StateDictError
from ..serialize import CheckpointError, load
from ..serialize.darknet import has_darknet_header
from .backbone import Backbone
from .darknet_files import darknet_state
from .published import WEIGHTS, Preprocessing, Weights, WeightsNotFound

__all__ = ["WEIGHTS", "Preprocessing", "Weights", "WeightsNotFound", "load_features", "load_pretrained",
           "load_weights", "preprocessing"]
DESCRIPTION = "network"  # array of a file that says what it is of: `training.described`; no weights
_SHOWN = 3  # misfits of each sort that an error about a file spells out
log = logging.getLogger("tinycnn")


def preprocessing(name: str) -> Preprocessing:
    """What the known weights of a network expect; what torchvision's ImageNet networks expect, if there are none.

    >>> preprocessing("mobilenet_v2").crop
    224
    """
    return WEIGHTS[name].preprocessing if name in WEIGHTS else Preprocessing()


def load_pretrained(model: Any, name: str, download: bool = False,
                    build: Callable[..., Any] | None = None) -> Weights:
    """Load the known weights of the network `name` into `model`; returns where they come from.

    download: let the file be fetched where it is not here, see `Weights.path`.  Where the model has another number of
    classes, or features_only, its own head stays as it is; a detector's needs build for that, which makes the same
    network of any num_classes.  The licence is logged, and which parameters of a detector stay.  Raises
    WeightsNotFound, which says how to get them; CheckpointError for a damaged file or a model of another shape.
    """
    if name not in WEIGHTS:
        raise WeightsNotFound(f"no weights are known for {name}; `tinycnn models` lists those for which some are. "
                              "models.load_weights(model, path) loads a file of yours")
    weights = WEIGHTS[name]
    path = weights.path(download)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if not digest.startswith(weights.sha256):
        raise CheckpointError(f"{path}: its SHA-256 begins with {digest[:8]}, expected {weights.sha256[:8]}: "
                              "the file is damaged or another one")
    classifier = isinstance(model, Backbone)
    _load_into(model, _completed(model, _state(model, path), weights) if classifier
               else _of_detector(model, path, weights, build), path)
    log.info("weights of %s: licence %s; %s", name, weights.licence, weights.source)
    return weights


def _of_detector(model: Any, path: Path, weights: Weights, build: Callable[..., Any] | None) -> dict[str, Any]:
    """The values of a file for a detector; its own where their shape depends on the number of classes."""
    if model.num_classes == weights.num_classes:
        return _state(model, path)
    if build is None:
        raise CheckpointError(f"{path}: the weights are of {weights.num_classes} classes, the network is of "
                              f"{model.num_classes}")
    own, state = model.state_dict(), _state(build(num_classes=weights.num_classes), path)
    kept = {key: value for key, value in own.items() if key in state and state[key].shape != value.shape}
    log.info("the weights are of %d classes, the network is of %d: these parameters begin anew: %s",
             weights.num_classes, model.num_classes, ", ".join(kept))
    return state | kept


def _completed(model: Backbone, state: Mapping[str, Any], weights: Weights) -> dict[str, Any]:
    """The values of a file; the model's own where it has another head, none for parts that it is built without."""
    if model.features_only:
        return _trunk(model, state)
    own: dict[str, Any] = model.state_dict()
    own_head: tuple[str, ...] = ()
    if model.num_classes != weights.num_classes:
        own_head = (*model.head_modules[-1:], *weights.auxiliary)
    absent = [part for part in weights.auxiliary if not isinstance(getattr(model, part, None), Module)]
    taken = {key: value for key, value in state.items() if not _within(key, (*own_head, *absent))}
    return taken | {key: value for key, value in own.items() if _within(key, own_head)}


def _trunk(model: Backbone, state: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a classifier's file for the maps that a model gives; its own for its classifiers."""
    own, heads = model.state_dict(), (*model.head_modules, *model.auxiliary)
    taken = {key: value for key, value in state.items() if key in own and not _within(key, heads)}
    return taken | {key: value for key, value in own.items() if _within(key, heads)}


def load_weights(model: Module, path: str | os.PathLike[str], other_classes: bool = False) -> None:
    """Load a file of weights into `model`: `.npz`, `.safetensors`, torch's `.pth` or `.pt`, Darknet's `.weights`.

    Its names may be the model's own or those of the published weights in `WEIGHTS`; Darknet's has none, and must hold
    just as many numbers as the model.  other_classes: the file may be of
    another number of classes than the model, a Backbone, whose last layer then stays as it is.  Raises CheckpointError
    for a file that is damaged or does not fit, FileNotFoundError where there is none; the model then is as it was.
    """
    state = _state(model, path)
    if other_classes:
        state |= _unlike(model, state)
    _load_into(model, state, path)


def load_features(model: Backbone, path: str | os.PathLike[str]) -> None:
    """Load the trunk of a classifier's file of weights into `model`, the same network built with features_only.

    What the file has beyond the model's feature maps is left out.  Files and errors: see `load_weights`.
    """
    _load_into(model, _trunk(model, _state(model, path)), path)


def _state(model: Module, path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a file means for `model`, by our names."""
    if has_darknet_header(path):
        return darknet_state(model, path)
    state = load(path)
    state.pop(DESCRIPTION, None)
    return _renamed(model, state)


def _unlike(model: Any, state: Mapping[str, Any]) -> dict[str, Any]:
    """The model's last layer, where a file has one of other shapes."""
    own = {key: value for key, value in model.state_dict().items() if _within(key, model.head_modules[-1:])}
    fits = all(key not in state or state[key].shape == value.shape for key, value in own.items())
    return {} if fits or not own.keys() <= state.keys() else own


def _load_into(model: Module, state: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    try:
        model.load_state_dict(state)
    except StateDictError as error:
        raise CheckpointError(f"{os.fspath(path)}: {error.summary(_SHOWN, separator='; ')}") from error


def _within(key: str, modules: Iterable[str]) -> bool:
    return any(key.startswith(f"{module}.") for module in modules)


# ---- names
def _efficientnet_pytorch(model: Any) -> dict[str, str]:
    """Modules of the package efficientnet_pytorch, whose blocks are counted through: theirs -> ours."""
    names = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    separable = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    inverted = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
                "_project_conv": "conv_pwl", "_bn2": "bn3"}
    blocks = [(f"blocks.{i}.{k}", block) for i, row in enumerate(model.blocks) for k, block in enumerate(row)]
    for count, (path, block) in enumerate(blocks):
        rules = inverted if hasattr(block, "conv_pwl") else separable
        names.update({f"_blocks.{count}.{theirs}": f"{path}.{ours}" for theirs, ours in rules.items()})
    return names


def _torchvision_densenet(model: Module) -> dict[str, str]:
    """Modules of torchvision's older files, which call norm1 norm.1: theirs -> ours."""
    found = (re.fullmatch(r"(.*denselayer\d+\.(?:norm|conv))([12])", path) for path, _ in model.named_modules())
    return {f"{match[1]}.{match[2]}": match[0] for match in found if match}


RENAMINGS: dict[str, Callable[[Any], dict[str, str]]] = {  # by the class of the network
    "DenseNet": _torchvision_densenet,
    "EfficientNetLite": _efficientnet_pytorch,
}


def _renamed(model: Module, state: Mapping[str, Any]) -> dict[str, Any]:
    """The same values under our names; a name that no rule knows stays."""
    rules = RENAMINGS.get(type(model).__name__)
    names = rules(model) if rules else {}
    split = {key: key.rpartition(".") for key in state}
    ours = {f"{names[module]}.{leaf}" if module in names else key: state[key]
            for key, (module, _, leaf) in split.items()}
    return ours if any(map(_is_counter, ours)) else _counters(model) | ours


def _is_counter(key: str) -> bool:
    return key.endswith(".num_batches_tracked")


def _counters(model: Module) -> dict[str, Any]:
    """The model's own counts of batches, which files of torch before 0.4.1 lack, all of them."""
    return {key: value for key, value in model.state_dict().items() if _is_counter(key)}
