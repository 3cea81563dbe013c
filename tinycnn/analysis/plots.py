"""Pictures of what was measured; they need the extra `tinycnn[plot]`."""
from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..serialize.atomic import write_atomically
from .profiling import Profile

COLOURS = {  # of kinds of operations, the same in every picture
    "pointwise": "#0072b2", "depthwise": "#e69f00", "dense": "#009e73", "grouped": "#56b4e9", "linear": "#cc79a7",
    "pointwise+depthwise": "#8a6bb1", "dense+depthwise+pointwise": "#5b9e6f", "dense+pool": "#8fbf9f",
    "depthwise+pointwise": "#b08d57", "move": "#d55e00", "element-wise": "#f0e442", "pool": "#7f7f7f"}
OTHER = "#4d4d4d"
DOTS = 150  # to an inch
DOT = 40  # area of the smallest point
NAMED = 6  # points that carry their layer's name: those that take longest
SPARED = (3, 0.5)  # decades of a logarithmic axis from which no, and from which not every number between them is told
PLACES = (  # of a name beside its point: points of an inch, and where it begins; the first that is free is taken
    (6, 4, "left"), (6, -10, "left"), (-6, 4, "right"), (-6, -10, "right"), (0, 9, "center"), (0, -15, "center"),
    (12, 14, "left"), (12, -20, "left"), (-12, 14, "right"), (-12, -20, "right"),
    (0, 24, "center"), (0, -30, "center"))


class Point(NamedTuple):
    """A network in a picture that compares several."""

    name: str
    x: float
    y: float


def new_figure(width: float, height: float) -> tuple[Any, Any]:
    """A figure of so many inches, and its axes. Raises ImportError without the extra `tinycnn[plot]`."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "tinycnn[plot]"') from error
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def save_figure(figure: Any, path: str | os.PathLike[str]) -> None:
    """Write a picture, whole or not at all; its directory is made where it is missing."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    write_atomically(path, lambda file: figure.savefig(file, dpi=DOTS, format="png"))


def roofline(found: Profile, path: str | os.PathLike[str], title: str = "") -> None:
    """Each layer by its arithmetic intensity and the FLOPs a second that it reaches, below what the machine can do.

    The area of a point is the layer's time.  Williams, Waterman and Patterson, "Roofline", CACM 2009.
    """
    figure, axes = new_figure(9, 6)
    layers = [layer for layer in found.layers if layer.cost.macs and layer.seconds]
    peak, longest = found.peak, max((layer.seconds for layer in layers), default=1.0)
    for kind in dict.fromkeys(layer.cost.kind for layer in layers):
        own = [layer for layer in layers if layer.cost.kind == kind]
        axes.scatter([layer.cost.intensity for layer in own], [layer.flops / 1e9 for layer in own],
                     [DOT * (1 + 9 * layer.seconds / longest) for layer in own], COLOURS.get(kind, OTHER), label=kind,
                     alpha=0.75, edgecolors="white", linewidths=0.5)
    places = [layer.cost.intensity for layer in layers] + [peak.ridge]
    low, high = min(places) / 2, max(places) * 2
    axes.plot([low, peak.ridge, high], [low * peak.bandwidth / 1e9, peak.flops / 1e9, peak.flops / 1e9], "k-", lw=1.2)
    middle = math.sqrt(low * peak.ridge)
    axes.annotate(f"{peak.bandwidth / 1e9:.1f} GB/s", (middle, middle * peak.bandwidth / 1e9), ha="left",
                  textcoords="offset points", xytext=(8, -8), fontsize=9)
    axes.annotate(f"{peak.flops / 1e9:.0f} GFLOP/s", (high, peak.flops / 1e9), textcoords="offset points",
                  xytext=(0, 5), ha="right", fontsize=9)
    axes.set(xscale="log", yscale="log", xlabel="FLOPs for each byte read or written",
             ylabel="GFLOP/s (2 x multiply-adds)", title=title or "Roofline")
    _plain_numbers(axes)
    axes.grid(alpha=0.25, which="both")
    for handle in axes.legend(fontsize=8, loc="lower right").legend_handles:
        handle.set_sizes([DOT])
    _name([Point(layer.layer, layer.cost.intensity, layer.flops / 1e9)
           for layer in sorted(layers, key=lambda layer: -layer.seconds)[:NAMED]], axes)
    save_figure(figure, path)


def time_by_kind(found: Mapping[str, Profile], path: str | os.PathLike[str], title: str = "") -> None:
    """Shares of the time by kind of operation, a bar for each network; Ma et al., "ShuffleNet V2", 2018, figure 2."""
    figure, axes = new_figure(9, 1.8 + 0.7 * len(found))
    kinds = {name: profile.kinds() for name, profile in found.items()}
    order = sorted({kind for own in kinds.values() for kind in own}, key=lambda kind: -sum(
        own.get(kind, 0) / found[name].layer_seconds for name, own in kinds.items()))
    labels = [f"{name}\n{1e3 * profile.seconds:.2f} ms" for name, profile in found.items()]
    left = [0.0] * len(found)
    for kind in order:
        shares = [100 * kinds[name].get(kind, 0) / profile.layer_seconds for name, profile in found.items()]
        if max(shares) >= 0.05:  # what would be 0.0 % has no entry
            bars = axes.barh(labels, shares, left=left, color=COLOURS.get(kind, OTHER), edgecolor="white", label=kind)
            axes.bar_label(bars, [f"{share:.0f} %" if share >= 4 else "" for share in shares], label_type="center",
                           fontsize=8)
        left = [a + b for a, b in zip(left, shares)]
    axes.set(xlim=(0, 100), xlabel="% of the layers' time", title=title or "Time by kind of operation")
    axes.invert_yaxis()
    figure.legend(fontsize=8, ncols=5, loc="outside lower center")
    save_figure(figure, path)


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Those that no other is better than in both: a lower x, a higher y.

    >>> pareto_front([Point("a", 1, 5), Point("b", 2, 4), Point("c", 3, 9)])
    [Point(name='a', x=1, y=5), Point(name='c', x=3, y=9)]
    """
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (p.x, -p.y)):
        if not front or point.y > front[-1].y:
            front.append(point)
    return front


def scatter(points: Sequence[Point], path: str | os.PathLike[str], labels: tuple[str, str], title: str,
            front: bool = False) -> None:
    """Networks by two of their figures, on logarithmic axes where they span more than a factor of five.

    front: join those that no other is better than in both.
    """
    figure, axes = new_figure(9, 6.5)
    axes.scatter([p.x for p in points], [p.y for p in points], DOT, COLOURS["pointwise"], zorder=3)
    if front:
        best = pareto_front(points)
        axes.step([p.x for p in best], [p.y for p in best], where="post", color=COLOURS["move"], lw=1.2)
    axes.set(xlabel=labels[0], ylabel=labels[1], title=title, xscale=_scale([p.x for p in points]),
             yscale=_scale([p.y for p in points]))
    _plain_numbers(axes)
    axes.margins(x=0.15)
    axes.grid(alpha=0.25, which="both")
    _name(points, axes)
    save_figure(figure, path)


def _name(points: Sequence[Point], axes: Any) -> None:
    """Write the names beside their points, where the fewest others are: none over another while there is room."""
    from matplotlib.transforms import Bbox

    axes.figure.draw_without_rendering()  # so that places on it are known
    side = DOT**0.5 * axes.figure.dpi / 72  # pixels of a point's width
    taken = [Bbox.from_bounds(x - side / 2, y - side / 2, side, side)
             for x, y in (axes.transData.transform((p.x, p.y)) for p in points)]
    for point in points:
        text = axes.annotate(point.name, (point.x, point.y), xytext=PLACES[0][:2], textcoords="offset points",
                             fontsize=8)

        def put(place: tuple[float, float, str], text: Any = text) -> Any:
            text.set(position=place[:2], ha=place[2])
            return text.get_window_extent()

        def crowd(place: tuple[float, float, str]) -> int:
            box = put(place)
            outside = box.x0 < axes.bbox.x0 or box.x1 > axes.bbox.x1
            return outside + sum(box.overlaps(other) for other in taken)

        taken.append(put(min(PLACES, key=crowd)))


def _plain_numbers(axes: Any) -> None:
    """Numbers on logarithmic axes as people write them: 20, not 2 x 10^1."""
    from matplotlib.ticker import LogFormatter

    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_formatter(LogFormatter())
            axis.set_minor_formatter(LogFormatter(minor_thresholds=SPARED))


def _scale(values: Sequence[float]) -> str:
    wide = values and min(values) > 0 and math.log(max(values) / min(values)) > math.log(5)
    return "log" if wide else "linear"
