"""Operations on the order of channels."""
from __future__ import annotations

import numpy as np

from .._kernels import kernels
from ..autograd import Function
from .contracts import planes, require_elements


class ChannelShuffle(Function, op="channel_shuffle"):
    """Channels as a matrix of `groups` rows, transposed."""

    attributes = ("groups",)
    groups: int

    def shapes(self, x):
        """The shape of x, where groups divide its channels."""
        if len(x) < 2:
            raise ValueError(f"channel_shuffle: x must be (N, C, ...), got the shape {x}")
        require_elements("channel_shuffle", "x", x)
        if self.groups < 1 or x[1] % self.groups:
            raise ValueError(f"channel_shuffle: groups={self.groups} does not divide the {x[1]} channels of x {x}")
        return x

    def forward(self, x):
        return _shuffle(x, self.groups)

    def backward(self, gy):
        """The inverse: a transposed matrix has C / groups rows."""
        return _shuffle(gy, gy.shape[1] // self.groups)


def _shuffle(x: np.ndarray, groups: int) -> np.ndarray:
    y = np.empty_like(x)
    kernels(x.dtype).channel_shuffle(x.reshape(planes(x.shape)), y.reshape(planes(x.shape)), groups)
    return y


def channel_shuffle(x, groups: int):
    """x (N, C, ...) with channel i C/groups + j moved to j groups + i, so that every group meets every other.

    Raises ValueError where `groups` does not divide C.  Zhang et al., "ShuffleNet", CVPR 2018, section 3.1.

    >>> import numpy as np
    >>> channel_shuffle(np.arange(6, dtype="f").reshape(1, 6, 1, 1), 2).numpy().ravel().tolist()
    [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
    """
    return ChannelShuffle.apply(x, groups=int(groups))
