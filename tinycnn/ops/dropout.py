"""Dropout, of elements and of whole rows: channels, images, weights.

All are functions of (seed, draw, index): the same mask for the same seed, however many threads there are.
"""
from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from .. import random
from .._kernels import kernels
from ..autograd import Function
from .contracts import as_tensor, require_elements


class Dropout(Function, op="dropout"):
    """Elements dropped at random, the others scaled up by as much on average; which, is a function of (seed, draw)."""

    attributes: ClassVar[tuple[str, ...]] = ("p", "seed", "draw")
    p: float
    seed: int
    draw: int

    def shapes(self, x):
        """The shape of x."""
        require_elements(self.op, "x", x)
        return x

    def forward(self, x):
        return self._masked(x)

    def backward(self, gy):
        """The same elements, by the same mask: made anew rather than kept."""
        return self._masked(gy)

    def _masked(self, x: np.ndarray) -> np.ndarray:
        y = np.empty_like(x)
        threshold, scale = min(round(self.p * 2**32), 2**32 - 1), 1 / (1 - self.p) if self.p < 1 else 0.0
        self._kernel(x, y, threshold, scale)
        return y

    def _kernel(self, x: np.ndarray, y: np.ndarray, threshold: int, scale: float) -> None:
        kernels(x.dtype).dropout(x.reshape(-1), y.reshape(-1), threshold, scale, self.seed, self.draw)


class DropoutRows(Dropout, op="dropout_rows"):
    """What lies under each index of the first `leading` axes, dropped together or kept and scaled up."""

    attributes = ("leading", "p", "seed", "draw")
    leading: int

    def shapes(self, x):
        """The shape of x, which must have the leading axes."""
        if len(x) < self.leading:
            raise ValueError(f"dropout_rows: x must have at least {self.leading} axes, got the shape {x}")
        return super().shapes(x)

    def _kernel(self, x, y, threshold, scale):
        rows = math.prod(x.shape[:self.leading]), -1
        kernels(x.dtype).dropout_rows(x.reshape(rows), y.reshape(rows), threshold, scale, self.seed, self.draw)


def _require_probability(op: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"{op}: p must be within [0, 1], got {p!r}")


def _dropped_rows(op: str, x: Any, leading: int, p: float, training: bool) -> Any:
    _require_probability(op, p)
    if not training or p == 0:
        return as_tensor(x)
    seed, draw = random.next_draw()
    return DropoutRows.apply(x, leading=leading, p=float(p), seed=seed, draw=draw)


def dropout(x, p: float = 0.5, training: bool = True):
    """x of any shape; in training each element is 0 with probability p, else x / (1 - p). Otherwise x itself.

    Which elements, depends on the seed (`tinycnn.manual_seed`), on how many draws there were since, and on the index
    of the element: never on threads or on the build.  Raises ValueError where p is not within [0, 1].
    Srivastava et al., "Dropout", JMLR 2014; scaled in training, so that inference does nothing.

    >>> import numpy as np
    >>> from tinycnn import Tensor, random
    >>> random.manual_seed(0)
    >>> sorted(set(dropout(Tensor(np.ones(100, "f")), 0.5).tolist()))
    [0.0, 2.0]
    """
    _require_probability("dropout", p)
    if not training or p == 0:
        return as_tensor(x)
    seed, draw = random.next_draw()
    return Dropout.apply(x, p=float(p), seed=seed, draw=draw)


def dropout2d(x, p: float = 0.5, training: bool = True):
    """x (N, C, H, W); in training each channel of each image is 0 with probability p, else x / (1 - p).

    Neighbouring pixels tell nearly the same, so that only whole maps are worth dropping: spatial dropout.  Raises
    ValueError for an x of other axes, or where p is not within [0, 1].
    Tompson et al., "Efficient object localization using convolutional networks", CVPR 2015, section 3.2.

    >>> import numpy as np
    >>> from tinycnn import random
    >>> random.manual_seed(0)
    >>> dropout2d(np.ones((1, 8, 5, 5), "f")).numpy().var((2, 3)).max().item()
    0.0
    """
    if len(x.shape) != 4:
        raise ValueError(f"dropout2d: x must be (N, C, H, W), got the shape {x.shape}")
    return _dropped_rows("dropout2d", x, 2, p, training)


def drop_connect(w, p: float = 0.5, training: bool = True):
    """Weights w of any shape; in training each is 0 with probability p, else w / (1 - p): DropConnect.

    One mask serves all examples of a batch, and the scale stands for the Gaussian that the paper samples at inference;
    the paper draws a mask for each example.  (What EfficientNet's code calls drop connect is `drop_path`.)
    Raises ValueError where p is not within [0, 1].
    Wan, Zeiler, Zhang, LeCun and Fergus, "Regularization of neural networks using DropConnect", ICML 2013.

    >>> import numpy as np
    >>> drop_connect(np.ones((2, 2), "f"), 1.0).tolist()
    [[0.0, 0.0], [0.0, 0.0]]
    """
    _require_probability("drop_connect", p)
    return dropout(w, p, training)


def stochastic_depth(x, p: float, mode: str, training: bool = True):
    """x (N, ...), the result of a residual branch; in training it is 0 with probability p, else x / (1 - p).

    mode: "row" decides for each image, "batch" for all at once.  Raises ValueError for another mode, or where p is not
    within [0, 1].  Huang, Sun, Liu, Sedra and Weinberger, "Deep networks with stochastic depth", ECCV 2016.

    >>> import numpy as np
    >>> stochastic_depth(np.ones((2, 3), "f"), 1.0, "batch").tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    if mode not in ("row", "batch"):
        raise ValueError(f"stochastic_depth: mode must be 'row' or 'batch', got {mode!r}")
    return _dropped_rows("stochastic_depth", x, 1 if mode == "row" else 0, p, training)


def drop_path(x, p: float = 0.0, training: bool = True):
    """`stochastic_depth` that decides for each image: x (N, ...), in training a row is 0 with probability p.

    Larsson, Maire and Shakhnarovich, "FractalNet", ICLR 2017, section 3, use the word for dropping joined paths.

    >>> import numpy as np
    >>> drop_path(np.ones((2, 3), "f"), 0.5, training=False).tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    return _dropped_rows("drop_path", x, 1, p, training)
