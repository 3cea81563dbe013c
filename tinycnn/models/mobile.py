"""What the mobile networks share: how channel counts are rounded, how parameters start."""
from __future__ import annotations

from ..nn import Conv2d, Linear, Module, init


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, but never more than a tenth below it, nor less than `divisor`.

    The rule of the MobileNets' and EfficientNets' published TensorFlow code.

    >>> make_divisible(32 * 1.4), make_divisible(16 * 0.35), make_divisible(8 * 1.4)
    (48, 8, 16)
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def start(module: Module) -> None:
    """Convolutions by He's rule from what one input reaches, classifiers small; `model.apply(start)`."""
    if isinstance(module, Conv2d):
        init.kaiming_normal(module.weight, "fan_out", groups=module.groups)
    elif isinstance(module, Linear) and module.bias is not None:
        init.normal(module.weight, 0.01)
        init.constant(module.bias, 0.0)
