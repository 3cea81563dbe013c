"""Measures of a classifier over a data set."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..autograd import no_grad


@contextmanager
def evaluation(model: Any) -> Iterator[Any]:
    """The model in evaluation mode, recording nothing; afterwards each of its parts is in the mode it was in."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield model
    finally:
        for module, training in before:
            module.training = training


def accuracy(model: Any, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """Share of images whose largest score is that of their label (top-1), between 0 and 1.

    model: scores (N, classes) for images.  batches: pairs (images, labels), a Loader for instance.
    Raises ValueError where there are none.
    """
    right = seen = 0
    with evaluation(model):
        for x, y in batches:
            right += int((np.asarray(model(x)).argmax(1) == y).sum())
            seen += len(y)
    if not seen:
        raise ValueError("accuracy: batches is empty")
    return right / seen
