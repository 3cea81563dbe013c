"""Images of several sizes: resized, or pooled to a vector of one length."""
from __future__ import annotations

from functools import partial

from ....nn import ConvBNAct, Flatten, GlobalAvgPool2d, Identity, Linear, Module, Sequential, SpatialPyramidPooling
from .layers import CLASSES, STRIDES, WIDTHS
from .learning import OWN, Lesson, lessons_compared
from .trial import Answer, Budget, Say

SIDES = (20, 28, 36)  # pixels, to train on
TESTS = (*SIDES, 44)  # the last one never seen in training
LAST = OWN // 4  # side of the last map of an image of 28 x 28
BINS = (1, 2, 3)


def variable_input(budget: Budget, say: Say) -> Answer:
    """Images arrive in several sizes: all made 28 x 28, or any size, and its last map pooled.

    He et al., "Spatial pyramid pooling", ECCV 2014, section 2: in training each batch is of one size.  The accuracy is
    the mean over four sizes, one of them never seen in training; the time is that of 28 x 28, without resizing.
    """
    cells = sum(n * n for n in BINS)
    lessons = {
        "resize, flatten": Lesson(partial(_network, Identity(), LAST**2), sides=SIDES, tests=TESTS, shown=OWN),
        "resize, global pooling": Lesson(partial(_network, GlobalAvgPool2d(), 1), sides=SIDES, tests=TESTS, shown=OWN),
        "global pooling": Lesson(partial(_network, GlobalAvgPool2d(), 1), sides=SIDES, tests=TESTS),
        "spatial pyramid pooling": Lesson(partial(_network, SpatialPyramidPooling(BINS), cells), sides=SIDES,
                                          tests=TESTS)}
    return lessons_compared("variable-input", "Images of several sizes: resize, global pooling or a spatial pyramid?",
                            lessons, budget, say)


def _network(pool: Module, cells: int) -> Module:
    """Convolutions, a way to a vector, a linear layer; cells: numbers of each channel in the vector."""
    blocks = [ConvBNAct(a, b, stride=stride) for a, b, stride in zip(WIDTHS, WIDTHS[1:], STRIDES)]
    return Sequential(*blocks, pool, Flatten(), Linear(cells * WIDTHS[-1], CLASSES))
