"""Studies of latency as text."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..machine import machine_line
from ..table import scaled, text_table

TITLES = ["variant", "engine", "multiply-adds", "difference", "memory access", "ms", "quartiles", "G multiply-adds/s",
          "time", "95 % interval"]


def study_table(found: Mapping[str, Any]) -> str:
    """The table of a study, what its columns mean, and a line for each engine on what it says."""
    theory = [found["formula"]] if found["formula"] else []
    titles = [*TITLES[:5], *theory, *TITLES[5:]]
    rows = [_cells(row, bool(theory)) for row in found["rows"]]
    threads = f"{found['threads']} thread{'s' * (found['threads'] > 1)}"
    side = found["side"]
    notes = [f"{found['title']}\n{found['source']}\n{found['blocks']} blocks, maps of {side} x {side}",
             text_table(titles, rows, left=2),
             "memory access: elements, layer by layer; time: beside that of the variant it is compared with, for each "
             "multiply-add, or (*) as it is;\n"
             f"medians of {found['rounds']} rounds in turn, {threads}, {machine_line(found['machine'])}, "
             f"{found['date']}",
             "\n".join(f"{engine}: {line}" for engine, line in found["verdicts"].items())]
    return "\n\n".join(notes)


def _cells(row: Mapping[str, Any], theory: bool) -> list[str]:
    cells = [row["variant"], row["engine"], scaled(row["macs"]), f"{100 * (row['macs_ratio'] - 1):+.1f} %",
             scaled(row["memory_access"])]
    cells += [scaled(row["theory"])] if theory else []
    return [*cells, f"{row['median_ms']:.2f}", f"{row['q25_ms']:.2f}-{row['q75_ms']:.2f}",
            f"{row['gigamacs_per_second']:.1f}", f"{row['ratio']:.2f} x{'' if row['equal'] else ' *'}",
            f"{row['ratio_low']:.2f}-{row['ratio_high']:.2f}"]
