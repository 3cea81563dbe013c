"""A photo in, its classes out: what `tinycnn classify` does, without the printing.

    classifier = Classifier("efficientnet_lite0")
    answer = classifier("cat.jpg")
    answer.classes[0].name, answer.network_ms
"""
from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np

from .autograd import no_grad
from .data.imagenet import class_names
from .data.images import load_image, prepare, require_pillow
from .models import create_model
from .models.weights import WEIGHTS, load_weights, preprocessing
from .nn import Module
from .serialize import CheckpointError


@dataclass(frozen=True)
class Guess:
    """A class and how likely the network finds it."""

    index: int  # among ImageNet's 1000
    name: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """The likeliest classes of one photo, likeliest first, and how long the two halves of the work took."""

    file: str
    classes: list[Guess]
    decode_ms: float  # reading, decoding, resizing
    network_ms: float


def probabilities(model: Module, batch: np.ndarray) -> np.ndarray:
    """Softmax of the logits of `model` in its present mode: float64 (N, classes) from float32 (N, 3, S, S).

    Raises CheckpointError where they are not finite, which damaged weights bring about.
    """
    with no_grad():
        logits = model(batch).numpy().astype(np.float64)
    if not np.isfinite(logits).all():
        raise CheckpointError("the network's answer is not a number: its weights are damaged, or another network's")
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


class Classifier:
    """An ImageNet network with its weights, the view of an image they expect, and the names of the classes.

    model: a name in `tinycnn.models.list_models()`.  weights: a file for it (.npz, .safetensors, .pth); without one,
    the known weights, from their installed package or what was downloaded before; download: let them be fetched where
    they are not here.  top: how many classes an answer has, 1 to 1000.

    Raises ValueError for an unknown model or a bad `top`, CheckpointError for a file that is damaged or does not fit,
    FileNotFoundError where there are no weights, ConnectionError where a download fails, ImportError naming the extra
    to install.
    """

    def __init__(self, model: str = "efficientnet_lite0", weights: str | os.PathLike[str] | None = None,
                 top: int = 5, download: bool = False) -> None:
        require_pillow()
        self.names = class_names()
        if not 1 <= top <= len(self.names):
            raise ValueError(f"top must be 1 to {len(self.names)}, got {top}")
        self.top = top
        self.network = create_model(model, pretrained=weights is None, download=download).eval()
        if weights is not None:
            load_weights(self.network, weights)
        self.preprocessing = preprocessing(model)
        self.source, self.licence = _origin(model, weights)

    def __call__(self, photo: str | os.PathLike[str]) -> Answer:
        """The classes of a photo file.  Raises ImageError where it cannot be read, OSError as `open` does."""
        start = time.perf_counter()
        batch = prepare(load_image(photo), self.preprocessing)
        decoded = time.perf_counter()
        chances = probabilities(self.network, batch)[0]
        done = time.perf_counter()
        best = np.argsort(-chances, kind="stable")[:self.top]
        guesses = [Guess(int(i), self.names[i], float(chances[i])) for i in best]
        return Answer(os.fspath(photo), guesses, 1e3 * (decoded - start), 1e3 * (done - decoded))


def _origin(model: str, weights: str | os.PathLike[str] | None) -> tuple[str, str]:
    """Where weights come from, and their licence."""
    if weights is not None:
        return os.fspath(weights), "that of the file given"
    return WEIGHTS[model].source, WEIGHTS[model].licence
