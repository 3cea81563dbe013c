"""Studies as pictures; they need the extra `tinycnn[plot]`."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..machine import machine_line
from ..plots import COLOURS, new_figure, save_figure

ROOM = 1.4  # of the axis beside the longest bar, for what is written there
BARS = {"compiled": COLOURS["pointwise"], "eager": COLOURS["depthwise"]}


def ratio_bars(found: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """The time of each variant beside the one that it is compared with, a bar for each engine, and its interval.

    A diamond marks the memory access beside that one's: where bars end there, that alone would explain the time.
    """
    engines = list(found["verdicts"])
    names = list(dict.fromkeys(row["variant"] for row in found["rows"]))
    accesses = _accesses(found["rows"])
    figure, axes = new_figure(9, 1.8 + 0.5 * len(names) * (1 + 0.4 * (len(engines) - 1)))
    most, height = max(*[row["ratio"] for row in found["rows"]], *accesses.values()), 0.8 / len(engines)
    for number, engine in enumerate(engines):
        rows = [row for row in found["rows"] if row["engine"] == engine]
        _bars(axes, rows, BARS[engine], (number - (len(engines) - 1) / 2) * height, 0.9 * height)
    axes.axvline(1, color="black", lw=0.8)
    axes.plot([accesses[name] for name in names], range(len(names)), "D", color=COLOURS["move"], markersize=5,
              markeredgecolor="white", label="memory access", zorder=3)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlim=(0, ROOM * most),
             xlabel="time (95 % interval) and memory access beside the variant that it is compared with")
    figure.suptitle(found["title"])
    axes.set_title(f"{found['blocks']} blocks, maps of {found['side']} x {found['side']}; "
                   f"{machine_line(found['machine'])}, {found['threads']} thread{'s' * (found['threads'] > 1)}, "
                   f"{found['date']}", fontsize=8)
    figure.legend(fontsize=8, ncols=3, loc="outside lower center")
    save_figure(figure, path)


def _bars(axes: Any, rows: Sequence[Mapping[str, Any]], colour: str, shift: float, height: float) -> None:
    """The bars of an engine, and at the right what each took."""
    places = [i + shift for i in range(len(rows))]
    spread = [[r["ratio"] - r["ratio_low"] for r in rows], [r["ratio_high"] - r["ratio"] for r in rows]]
    axes.barh(places, [row["ratio"] for row in rows], height, xerr=spread, color=colour, label=rows[0]["engine"],
              capsize=3, error_kw={"lw": 1})
    for place, row in zip(places, rows):
        axes.text(0.99, place, f"{row['median_ms']:.2f} ms, {row['gigamacs_per_second']:.0f} G multiply-adds/s",
                  transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=8,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})


def _accesses(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Of each variant, beside that of the one that it is compared with; by multiply-adds where its time is."""
    own = {row["variant"]: row for row in rows}
    return {name: row["memory_access"] / own[row["against"]]["memory_access"]
            / (row["macs_ratio"] if row["equal"] else 1.0) for name, row in own.items()}
