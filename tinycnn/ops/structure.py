"""Operations on whole channels: their order, a factor for each."""
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


class ConcatShuffleSplit(Function, op="concat_shuffle_split"):
    """The channels of a and of b in turn; the first half of them, and the second."""

    inputs = ("a", "b")

    def shapes(self, a, b):
        """Twice the shape of a."""
        if len(a) < 2 or a != b:
            raise ValueError(f"concat_shuffle_split: a and b must both be (N, C, ...), got the shapes {a} and {b}")
        require_elements("concat_shuffle_split", "a", a)
        return [a, a]

    def forward(self, a, b):
        return self._run("concat_shuffle_split_forward", a, b)

    def backward(self, gleft, gright):
        """The channels, dealt back."""
        return self._run("concat_shuffle_split_backward", gleft, gright)

    def _run(self, name: str, one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        results = np.empty_like(one), np.empty_like(two)
        getattr(kernels(one.dtype), name)(*[x.reshape(planes(x.shape)) for x in (one, two, *results)])
        return results


def concat_shuffle_split(a, b):
    """The halves of channel_shuffle(concat([a, b]), 2), as one operation: a pass over memory instead of three.

    a, b: (N, C, ...), of one shape; the result: two Tensors of that shape.  Channel q of what is halved is channel
    q // 2 of a where q is even, else of b.  This is what lies between two units of ShuffleNetV2.  Raises ValueError
    where the shapes differ or are empty.  Ma, Zhang, Zheng and Sun, "ShuffleNet V2", ECCV 2018, section 3.2.

    >>> import numpy as np
    >>> a, b = np.array([[0.0, 1.0, 2.0]], "f"), np.array([[10.0, 11.0, 12.0]], "f")
    >>> [half.tolist() for half in concat_shuffle_split(a, b)]
    [[[0.0, 10.0, 1.0]], [[11.0, 2.0, 12.0]]]
    """
    return ConcatShuffleSplit.apply(a, b)


class ScaleChannels(Function, op="scale_channels"):
    """Each plane times its factor."""

    inputs = ("x", "scale")

    def shapes(self, x, scale):
        """The shape of x."""
        if len(x) < 3 or scale != (*x[:2], *[1]*(len(x) - 2)):
            raise ValueError(f"scale_channels: scale must have the shape (N, C, 1, ...) for x (N, C, ...), got {scale} "
                             f"for {x}")
        require_elements("scale_channels", "x", x)
        return x

    def forward(self, x, scale):
        self.save(x=x, scale=scale)
        y = np.empty_like(x)
        kernels(x.dtype).scale_channels_forward(_rows(x), scale.reshape(-1), _rows(y))
        return y

    def backward(self, gy):
        """gx = scale gy; gscale, the sum of gy x over each plane."""
        x, scale = self.saved.x, self.saved.scale
        gx, gscale = np.empty_like(x), np.empty_like(scale)
        kernels(x.dtype).scale_channels_backward(_rows(x), scale.reshape(-1), _rows(gy), _rows(gx), gscale.reshape(-1))
        return gx, gscale


def _rows(x: np.ndarray) -> np.ndarray:
    """(N, C, ...) as (N C, P)."""
    return x.reshape(x.shape[0]*x.shape[1], -1)


def scale_channels(x, scale):
    """x (N, C, H, W) times scale (N, C, 1, 1), a factor for each plane: what broadcasting gives, in one pass each way.

    gx = scale gy; gscale = the sum of gy x over the plane.  Raises ValueError for other shapes.

    >>> import numpy as np
    >>> scale_channels(np.ones((1, 2, 1, 2), "f"), np.array([[[[2.0]], [[3.0]]]], "f")).tolist()
    [[[[2.0, 2.0]], [[3.0, 3.0]]]]
    """
    return ScaleChannels.apply(x, scale)
