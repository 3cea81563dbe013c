"""Studies as pictures; they need the extra `tinycnn[plot]`."""
from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..machine import machine_line
from ..plots import COLOURS, new_figure, save_figure

BARS = {"compiled": COLOURS["pointwise"], "eager": COLOURS["depthwise"]}


def ratio_bars(found: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """The time of each variant beside the one that it is compared with, a bar for each engine, and its interval."""
    engines = list(found["verdicts"])
    names = list(dict.fromkeys(row["variant"] for row in found["rows"]))
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
            axes.annotate(f"{row['median_ms']:.2f} ms, {row['gigamacs_per_second']:.0f} G/s", (row["ratio_high"], place),
                          textcoords="offset points", xytext=(6, 0), va="center", fontsize=8)
    axes.axvline(1, color="black", lw=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.25 * max(row["ratio_high"] for row in found["rows"]))
    axes.set(xlabel="time beside the variant that it is compared with, with 95 % interval; ms and multiply-adds/s",
             title=found["title"])
    axes.annotate(f"{machine_line(found['machine'])}, {found['threads']} thread{'s' * (found['threads'] > 1)}, "
                  f"{found['date']}", (1, 0), xycoords="figure fraction", ha="right", va="bottom", fontsize=7)
    if len(engines) > 1:
        axes.legend(fontsize=8, loc="best")
    save_figure(figure, path)
