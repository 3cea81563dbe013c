"""Operations on whole channels: their order, a factor for each; and between channels and pixels."""
from __future__ import annotations

from typing import ClassVar

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


# ---------------------------------------------------------------- between channels and pixels
class _Blocks(Function):
    """What operations share that move the pixels of a block to channels, or channels to pixels of a block."""

    contiguous = False
    unfolded: ClassVar[tuple[int, ...]]  # axes of (n, c, h, by, w, bx) as (n, channels..., h, w)

    def to_channels(self, x: np.ndarray, block: int) -> np.ndarray:
        """(N, C, H b, W b) to (N, C b b, H, W)."""
        n, c, h, w = x.shape
        parts = x.reshape(n, c, h//block, block, w//block, block).transpose(self.unfolded)
        return parts.reshape(n, c*block*block, h//block, w//block)

    def to_pixels(self, x: np.ndarray, block: int) -> np.ndarray:
        """The way back."""
        n, c, h, w = x.shape
        extents = (n, c//block**2, h, block, w, block)
        parts = x.reshape([extents[i] for i in self.unfolded]).transpose(np.argsort(self.unfolded))
        return parts.reshape(n, c//block**2, h*block, w*block)

    def require(self, x, block: int, divides: bool) -> None:
        """Refuse what is no map, or does not divide."""
        if len(x) != 4 or 0 in x:
            raise ValueError(f"{self.op}: x must have the axes (N, C, H, W), none of extent 0, got {x}")
        if block < 1 or not divides:
            raise ValueError(f"{self.op}: {self.attributes[0]}={block} does not fit x of shape {x}")


class PixelUnshuffle(_Blocks, op="pixel_unshuffle"):
    """Pixel (by, bx) of a block of channel c becomes channel (c b + by) b + bx."""

    attributes = ("downscale_factor",)
    unfolded = (0, 1, 3, 5, 2, 4)
    downscale_factor: int

    def shapes(self, x):
        """(N, C b b, H / b, W / b)."""
        b = self.downscale_factor
        self.require(x, b, b > 0 and len(x) == 4 and x[2] % b == 0 and x[3] % b == 0)
        return x[0], x[1]*b*b, x[2]//b, x[3]//b

    def forward(self, x):
        return self.to_channels(x, self.downscale_factor)

    def backward(self, gy):
        return self.to_pixels(gy, self.downscale_factor)


class PixelShuffle(_Blocks, op="pixel_shuffle"):
    """Channel (c b + by) b + bx becomes pixel (by, bx) of a block of channel c."""

    attributes = ("upscale_factor",)
    unfolded = PixelUnshuffle.unfolded
    upscale_factor: int

    def shapes(self, x):
        """(N, C / (b b), H b, W b)."""
        b = self.upscale_factor
        self.require(x, b, b > 0 and len(x) == 4 and x[1] % (b*b) == 0)
        return x[0], x[1]//(b*b), x[2]*b, x[3]*b

    def forward(self, x):
        return self.to_pixels(x, self.upscale_factor)

    def backward(self, gy):
        return self.to_channels(gy, self.upscale_factor)


class SpaceToDepth(_Blocks, op="space_to_depth"):
    """Pixel (by, bx) of a block of channel c becomes channel (by b + bx) C + c."""

    attributes = ("block",)
    unfolded = (0, 3, 5, 1, 2, 4)
    block: int

    def shapes(self, x):
        """(N, C b b, H / b, W / b)."""
        b = self.block
        self.require(x, b, b > 0 and len(x) == 4 and x[2] % b == 0 and x[3] % b == 0)
        return x[0], x[1]*b*b, x[2]//b, x[3]//b

    def forward(self, x):
        return self.to_channels(x, self.block)

    def backward(self, gy):
        return self.to_pixels(gy, self.block)


def pixel_shuffle(x, upscale_factor: int):
    """x (N, C r r, H, W) as (N, C, H r, W r): channel (c r + i) r + j gives the pixels (h r + i, w r + j) of channel c.

    Raises ValueError where r r does not divide the channels.  Shi et al., "Real-time single image and video
    super-resolution using an efficient sub-pixel convolutional neural network", CVPR 2016, equation 4.

    >>> import numpy as np
    >>> pixel_shuffle(np.arange(4, dtype="f").reshape(1, 4, 1, 1), 2).tolist()
    [[[[0.0, 1.0], [2.0, 3.0]]]]
    """
    return PixelShuffle.apply(x, upscale_factor=int(upscale_factor))


def pixel_unshuffle(x, downscale_factor: int):
    """x (N, C, H r, W r) as (N, C r r, H, W): undoes `pixel_shuffle`.

    Raises ValueError where r does not divide a side.

    >>> import numpy as np
    >>> pixel_unshuffle(np.arange(4, dtype="f").reshape(1, 1, 2, 2), 2).numpy().ravel().tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    return PixelUnshuffle.apply(x, downscale_factor=int(downscale_factor))


def space_to_depth(x, block: int):
    """x (N, C, H b, W b) as (N, C b b, H, W), a block of pixels stacked: the passthrough of YOLOv2.

    Channel (i b + j) C + c holds the pixels (h b + i, w b + j) of channel c: all channels of the upper left pixels come
    first (as TensorFlow orders them; `pixel_unshuffle` keeps what comes of one channel together).  The layer "reorg" of
    Darknet, which YOLOv2's published weights expect, does this to the same memory read as (N, C / (b b), H b b, W b b),
    and reads what it gives as (N, C b b, H, W) again: space_to_depth(x.reshape(N, C / (b b), H b b, W b b),
    b).reshape(N, C b b, H, W), which mixes pixels that are not neighbours.
    Raises ValueError where b does not divide a side.  Redmon and Farhadi, "YOLO9000", CVPR 2017, section 2.

    >>> import numpy as np
    >>> x = np.arange(8, dtype="f").reshape(1, 2, 2, 2)
    >>> space_to_depth(x, 2).numpy().ravel().tolist()
    [0.0, 4.0, 1.0, 5.0, 2.0, 6.0, 3.0, 7.0]
    """
    return SpaceToDepth.apply(x, block=int(block))
