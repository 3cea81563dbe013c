"""Tables of text: a line of titles, rows, numbers to the right."""
from __future__ import annotations

from collections.abc import Sequence

GAP = "  "


def text_table(titles: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns as wide as what is in them; the first `left` of them begin at the left, the others end at the right.

    >>> print(text_table(["layer", "FLOPs"], [["stem", "12"], ["head", "3,456"]]))
    layer  FLOPs
    stem      12
    head   3,456
    """
    widths = [max(map(len, column)) for column in zip(titles, *rows)]
    def line(cells: Sequence[str]) -> str:
        return GAP.join(cell.ljust(width) if i < left else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(cells, widths))).rstrip()
    return "\n".join(map(line, [titles, *rows]))


def scaled(number: float, unit: str = "") -> str:
    """A number with three digits, and its magnitude.

    >>> scaled(568_740_352), scaled(4_231_976 * 4, "B"), scaled(0.5)
    ('569 M', '16.9 MB', '0.5')
    """
    for magnitude in ("", "k", "M", "G", "T"):
        if abs(number) < 999.5 or magnitude == "T":
            break
        number /= 1000
    return f"{number:.3g} {magnitude}{unit}".rstrip() if number < 999.5 else f"{number:.0f} {magnitude}{unit}"
