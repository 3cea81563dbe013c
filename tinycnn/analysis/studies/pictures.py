"""Studies as pictures; they need the extra `tinycnn[plot]`."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..machine import machine_line
from ..plots import COLOURS, new_figure, save_figure

ROOM = 1.3  # of the axis beside the longest bar, for what is written there
BARS = {"compiled": COLOURS["pointwise"], "eager": COLOURS["depthwise"]}


def ratio_bars(found: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """The time of each variant beside the one that it is compared with, a bar for each engine, and its interval.

    A diamond marks the memory access beside that one's: where bars end there, that alone would explain the time.
    """
    engines = list(found["verdicts"])
    names = list(dict.fromkeys(row["variant"] for row in found["rows"]))
    accesses = _accesses(found["rows"])
    figure, axes = new_figure(9, 1.6 + 0.5 * len(names) * (1 + 0.4 * (len(engines) - 1)))
    height = 0.8 / len(engines)
    for number, engine in enumerate(engines):
        rows = [row for row in found["rows"] if row["engine"] == engine]
        places = [i + (number - (len(engines) - 1) / 2) * height for i in range(len(rows))]
        ratios = [row["ratio"] for row in rows]
        spread = [[r["ratio"] - r["ratio_low"] for r in rows], [r["ratio_high"] - r["ratio"] for r in rows]]
        axes.barh(places, ratios, 0.9 * height, xerr=spread, color=BARS[engine], label=engine, capsize=3,
                  error_kw={"lw": 1})
        for place, row in zip(places, rows):
            end = max(row["ratio_high"], accesses[row["variant"]], 1.0)
            axes.annotate(f"{row['median_ms']:.2f} ms, {row['gigamacs_per_second']:.0f} G/s", (end, place),
                          textcoords="offset points", xytext=(6, 0), va="center", fontsize=8)
    axes.axvline(1, color="black", lw=0.8)
    axes.plot([accesses[name] for name in names], range(len(names)), "D", color=COLOURS["move"], markersize=5,
              markeredgecolor="white", label="memory access", zorder=3)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, ROOM * max(*[row["ratio_high"] for row in found["rows"]], *accesses.values()))
    axes.set(xlabel="time (95 % interval) and memory access beside the variant that it is compared with",
             title=found["title"])
    axes.annotate(f"{machine_line(found['machine'])}, {found['threads']} thread{'s' * (found['threads'] > 1)}, "
                  f"{found['date']}", (1, 0), xycoords="figure fraction", ha="right", va="bottom", fontsize=7)
    figure.legend(fontsize=8, ncols=3, loc="outside lower left")
    save_figure(figure, path)


def _accesses(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Of each variant, beside that of the one that it is compared with; by multiply-adds where its time is."""
    own = {row["variant"]: row for row in rows}
    return {name: row["memory_access"] / own[row["against"]]["memory_access"]
            / (row["macs_ratio"] if row["equal"] else 1.0) for name, row in own.items()}
