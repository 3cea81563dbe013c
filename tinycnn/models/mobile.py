"""What the mobile networks share: widths, and how channel counts are rounded."""
from __future__ import annotations


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
