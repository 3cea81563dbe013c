"""What the mobile networks share: widths, how channel counts are rounded, channels weighed under timm's names."""
from __future__ import annotations

from collections.abc import Sequence

from .. import ops as F
from ..nn import Conv2d, Hardsigmoid, Module
from ..tensor import Tensor


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, but never more than a tenth below it, nor less than `divisor`.

    The rule of the MobileNets' and EfficientNets' published TensorFlow code.

    >>> make_divisible(32 * 1.4), make_divisible(16 * 0.35), make_divisible(8 * 1.4)
    (48, 8, 16)
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def require_width(network: str, width: float) -> None:
    """ValueError for a width that is not positive."""
    if not width > 0:
        raise ValueError(f"{network}: width must be positive, got {width!r}")


def require_widths(network: str, widths: Sequence[int], count: int) -> Sequence[int]:
    """The widths; ValueError where they are not so many whole numbers from 1."""
    fits = isinstance(widths, Sequence) and len(widths) == count and all(isinstance(w, int) and w > 0 for w in widths)
    if not fits:
        raise ValueError(f"{network}: widths must be {count} whole numbers from 1, got {widths!r}")
    return widths


class SqueezeExcite(Module):
    """What `nn.SqueezeExcitation` does, with timm's names: (N, channels, H, W) -> the same shape.

    gate: what makes factors of the last convolution's results.
    """

    def __init__(self, channels: int, squeezed: int, gate: type[Module] = Hardsigmoid) -> None:
        self.conv_reduce, self.conv_expand = Conv2d(channels, squeezed, 1), Conv2d(squeezed, channels, 1)
        self.gate = gate()

    def forward(self, x: Tensor) -> Tensor:
        squeezed = F.relu(self.conv_reduce(F.global_avg_pool2d(x)))
        return F.scale_channels(x, self.gate(self.conv_expand(squeezed)))
