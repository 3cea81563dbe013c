"""Windows of k x k against 1 x k and then k x 1."""
from __future__ import annotations

from collections.abc import Iterator

from ...nn import Conv2d, Sequential
from .experiment import QUICKER, SMALL, Experiment, Size, Variant, square_maps, stacked

WIDTHS = {3: (144, 176), 5: (112, 176), 7: (128, 240)}  # of k x k; the one at which the pair costs as much
MIDDLE = Size(14, 4)
SOURCE = 'Szegedy et al., "Rethinking the Inception architecture", CVPR 2016, section 3.2'


def square(channels: int, k: int) -> Conv2d:
    """k x k, keeping the size of the map."""
    return Conv2d(channels, channels, k, padding=k // 2, bias=False)


def pair(channels: int, k: int) -> Sequential:
    """1 x k and then k x 1."""
    return Sequential(Conv2d(channels, channels, (1, k), padding=(0, k // 2), bias=False),
                      Conv2d(channels, channels, (k, 1), padding=(k // 2, 0), bias=False))


def factorise(quick: bool = False, aligned: bool = False) -> Experiment:
    """2 k c^2 multiply-adds for each position in place of k^2 c^2: is the time less too, and at equal multiply-adds?

    The pair comes twice: as wide as the square, where it should be quicker, and so much wider (c sqrt(k / 2)) that it
    costs the same.  An engine may compute 3 x 3 with fewer multiplications (Winograd), for which a pair has no match.
    All channels fill registers, so `aligned` changes nothing.
    """
    size = SMALL if quick else MIDDLE
    return Experiment("factorise", "k x k against 1 x k and then k x 1", SOURCE, size, list(_variants(size)))


def _variants(size: Size) -> Iterator[Variant]:
    for k, (c, wide) in WIDTHS.items():
        parts, first = f"1x{k} {k}x1", f"{k}x{k}, {c} channels"
        yield Variant(first, stacked(size, square, c, k), square_maps(c, size), against=first)
        yield Variant(f"{parts}, {c} channels", stacked(size, pair, c, k), square_maps(c, size), None, first, QUICKER,
                      equal=False)
        yield Variant(f"{parts}, {wide} channels", stacked(size, pair, wide, k), square_maps(wide, size), None, first,
                      None)
