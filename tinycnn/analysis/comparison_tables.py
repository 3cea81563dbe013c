"""Comparisons as tables: of one machine, of two, and as CSV."""
from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from .comparing import fps_bound, ranking
from .machine import machine_line
from .table import scaled, text_table

Row = Mapping[str, Any]


def speed(row: Row, timed: Row) -> float:
    """Multiply-adds a second, in billions."""
    return row["macs"] / timed["median_ms"] / 1e6


def comparison_table(found: Mapping[str, Any], target_ms: float | None = None, peak: float | None = None) -> str:
    """The big table; below it the machine, rankings for a latency, fps bounds for a peak in FLOPs a second."""
    counts = sorted({timed["threads"] for row in found["rows"] for timed in row["latency"]})
    titles = ["model", "parameters", "multiply-adds", "FLOPs", "memory access", "fp32"]
    for count in counts:
        titles += [f"ms ({count} thread{'s' * (count > 1)})", "p95", "G multiply-adds/s"]
    parts = [text_table([*titles, "accuracy"], [_cells(row, counts) for row in found["rows"]]),
             text_table(["model", "structure"], [[row["model"], row["structure"]] for row in found["rows"]], left=2),
             f"memory access: elements, operation by operation; measured on {machine_line(found['machine'])}, "
             f"{found['date']}"]
    parts += [] if target_ms is None else _rankings(found, target_ms)
    if peak is not None:
        rows = [[row["model"], f"{fps_bound(found, row, peak):.1f}"] for row in found["rows"]]
        parts.append(f"images a second at {scaled(peak, 'FLOP/s')}, with the share of the peak that is reached here\n"
                     + text_table(["model", "at most"], rows))
    return "\n\n".join(parts)


def _cells(row: Row, counts: list[int]) -> list[str]:
    cells = [row["model"], *[scaled(row[key]) for key in ("params", "macs", "flops", "memory_access")],
             scaled(row["bytes"], "B")]
    for count in counts:
        timed = next((t for t in row["latency"] if t["threads"] == count), None)
        cells += ["", "", ""] if timed is None else [f"{timed['median_ms']:.2f}", f"{timed['p95_ms']:.2f}",
                                                     f"{speed(row, timed):.1f}"]
    known = row.get("accuracy")
    return [*cells, "" if known is None else f"{known:.2f} % ({row['accuracy_of']})"]


def _rankings(found: Mapping[str, Any], target: float) -> list[str]:
    lists = ranking(found, target)
    if not lists:
        return ["no ranking: no network has a known accuracy"]
    return [f"ACC (LAT / {target:g} ms)^w, {source}: soft w = -0.07; hard w = 0 within the target, -1 above\n"
            + text_table(["model", "accuracy", "ms", "soft", "hard"],
                         [[r.model, f"{r.accuracy:.2f}", f"{r.milliseconds:.2f}", f"{r.soft:.2f}", f"{r.hard:.2f}"]
                          for r in ranked]) for source, ranked in lists.items()]


def difference_table(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """Two machines, or two dates: the networks that both measured, on as many threads; b's time over a's."""
    others = {row["model"]: row for row in b["rows"]}
    rows = []
    for row in a["rows"]:
        for timed in row["latency"]:
            other = next((t for t in others.get(row["model"], {"latency": ()})["latency"]
                          if t["threads"] == timed["threads"]), None)
            if other is not None:
                same = "" if others[row["model"]]["macs"] == row["macs"] else "not the same network or input"
                rows.append([row["model"], str(timed["threads"]), f"{timed['median_ms']:.2f}",
                             f"{other['median_ms']:.2f}", f"{other['median_ms'] / timed['median_ms']:.2f}", same])
    machines = [f"{name}: {machine_line(found['machine'])}, {found.get('date', 'no date')}"
                for name, found in (("a", a), ("b", b))]
    return "\n".join([*machines, "", text_table(["model", "threads", "a ms", "b ms", "b / a", ""], rows)])


def comparison_csv(found: Mapping[str, Any]) -> str:
    """A line for each network and number of threads."""
    text = io.StringIO()
    own = ("model", "structure", "input", "params", "macs", "flops", "memory_access", "bytes", "accuracy",
           "accuracy_of")
    times = ("threads", "median_ms", "p95_ms", "calls")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*own, *times, "gigamacs_per_second", "cpu", "isa"])
    for row in found["rows"]:
        plain = {**row, "input": "x".join(map(str, row["input"]))}
        for timed in row["latency"]:
            writer.writerow([*[plain[key] for key in own], *[timed[key] for key in times],
                             round(speed(row, timed), 3), found["machine"]["cpu"], found["machine"]["isa"]])
    return text.getvalue()
