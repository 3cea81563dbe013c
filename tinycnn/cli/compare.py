"""`tinycnn compare`: networks side by side, on this machine or on two."""
from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._kernels import get_num_threads
from ..models.accuracy import TOP1
from .choices import FAILURES, complain_of
from .console import HERE, add_forms, positive, put
from .measured import add_measured, network

if TYPE_CHECKING:
    from ..analysis import Known

LIGHT = ("mobilenetv1_100", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "shufflenet_v1_g3",
         "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "ghostnet_100", "mnasnet0_5", "mnasnet1_0",
         "mnasnet_a1", "efficientnet_lite0", "efficientnet_b0", "squeezenet1_1")


def add_to(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser("compare", help="put networks side by side", description="Structure, parameters, "
                                 "FLOPs, memory access, size, latency of the compiled network (median and 95th "
                                 "percentile; 1 thread and all), multiply-adds a second, and accuracy where it is "
                                 "known: what publishers state for ImageNet, or what --results holds.")
    parser.add_argument("models", nargs="*", metavar="MODEL", default=LIGHT, help="names that `tinycnn models` lists "
                        "(default: 15 light ones)")
    add_measured(parser)
    parser.add_argument("--threads", type=positive, nargs="+", metavar="N", help="default: 1, and the CPUs this "
                        "process may use")
    parser.add_argument("--seconds", type=_above_0, default=1.0, metavar="S", help="for each latency (default: 1)")
    parser.add_argument("--results", metavar="FILE", help="JSON with an accuracy (0 to 1) for each of some networks, "
                        "as benchmarks/zoo.py writes it; they go before published ones")
    group = parser.add_argument_group("what to make of it")
    group.add_argument("--target-ms", type=_above_0, metavar="T", help="rank networks with a known accuracy by "
                       "MnasNet's objective for this latency")
    group.add_argument("--peak", type=_above_0, metavar="GFLOPS", help="bounds of images a second on a machine of this "
                       "peak")
    add_forms(group)
    group.add_argument("--plot", metavar="DIR", help="write latency.png and, where accuracies are known, accuracy.png "
                       "there (needs tinycnn[plot])")
    group.add_argument("--diff", nargs=2, metavar=("A.json", "B.json"), help="measure nothing; compare two files that "
                       "--json wrote")
    parser.set_defaults(run=_compare)


def _above_0(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return number


def _compare(options: argparse.Namespace) -> int:
    from ..analysis import comparison_tables, plots  # not needed by the other commands

    try:
        if options.diff:
            print(comparison_tables.difference_table(*map(_read, options.diff)))
            return 0
        if options.plot:
            plots.new_figure(1, 1)  # what is missing is said before anything is measured
        found = _measure(options)
        peak = None if options.peak is None else 1e9 * options.peak
        forms: dict[str, Callable[[], str]] = {
            "json": lambda: json.dumps(found, indent=2) + "\n", "csv": lambda: comparison_tables.comparison_csv(found)}
        for name, form in forms.items():
            put(getattr(options, name), form())
        if HERE not in (options.json, options.csv):
            print(comparison_tables.comparison_table(found, options.target_ms, peak))
        if options.plot:
            _plot(found, options.plot)
    except FAILURES as error:
        return complain_of(error)
    return 0


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    from ..analysis import document, measured

    threads = sorted(set(options.threads or (1, get_num_threads())))
    known = _accuracies(options.results)
    networks = [(name, *network(name, options)) for name in options.models]  # a wrong name is told before all else
    rows = []
    for number, (name, model, shape) in enumerate(networks, 1):
        print(f"{number}/{len(networks)} {name}", file=sys.stderr, flush=True)
        rows.append(measured(name, model, shape, threads, options.seconds, known.get(name)))
    return document(rows, threads)


def _accuracies(results: str | None) -> dict[str, Known]:
    """What is known of networks: of a file, then published."""
    from ..analysis import Known

    known = {name: Known(percent, "ImageNet, published") for name, percent in TOP1.items()}
    if results is None:
        return known
    try:
        found = json.loads(Path(results).read_text(encoding="utf-8"))
        own = {name: Known(100 * float(result["accuracy"]), _source(result, results)) for name, result in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{results}: expected JSON with an accuracy for each network's name "
                         f"({type(error).__name__}: {error})") from error
    return known | own


def _source(result: Mapping[str, Any], path: str) -> str:
    """What a result is of: the file, and the images where it says so, as those of training do."""
    return ", ".join([*[str(data) for data in [result.get("settings", {}).get("data")] if data], Path(path).stem])


def _read(path: str) -> dict[str, Any]:
    from ..analysis.comparing import checked

    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: this is no JSON: {error}") from error
    return checked(found, path)


def _plot(found: Mapping[str, Any], directory: str) -> None:
    """Latency over multiply-adds; accuracy over latency, a picture for each source of accuracies."""
    from ..analysis.plots import Point, scatter

    rows = found["rows"]
    count = rows[0]["latency"][0]["threads"]
    ms = f"ms for the input, {count} thread{'s' * (count > 1)}"
    scatter([Point(row["model"], row["macs"] / 1e6, row["latency"][0]["median_ms"]) for row in rows],
            os.path.join(directory, "latency.png"), ("multiply-adds, millions", ms), found["machine"]["cpu"])
    for number, source in enumerate(_sources(rows)):
        points = [Point(row["model"], row["latency"][0]["median_ms"], row["accuracy"]) for row in rows
                  if row["accuracy_of"] == source]
        scatter(points, os.path.join(directory, f"accuracy{number or ''}.png"), (ms, f"accuracy, %: {source}"),
                found["machine"]["cpu"], front=True)


def _sources(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["accuracy_of"] for row in rows if row["accuracy"] is not None))
