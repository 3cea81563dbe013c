"""Measured time per layer of a compiled network, beside what the layer costs and what this machine can do."""
from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Shape
from ..engine.compiled import CompiledNet, compile
from ..engine.graph import Graph, Node
from ..engine.report import Timed
from ..engine.trace import signature
from .cost import Cost, cost_of, size
from .machine import Peaks, description, machine_line, peaks
from .summaries import evaluating, summary, window_of
from .table import scaled, text_table

ROUNDS, SECONDS, WARMING = 30, 3.0, 3  # at least so many, and as many more as so many seconds have room for
QUIET = 4  # one of so many rounds counts, the quickest: in the rest others may have computed on the same cores
BRINGING = frozenset({"read_input", "write_output", "gather", "move", "pad", "fill"})  # kernels that compute nothing
TITLES = ("layer", "operation", "kernels", "output", "window", "us", "%", "multiply-adds", "memory access",
          "FLOPs/byte", "GFLOP/s", "% of peak", "GB/s", "% of bandwidth", "bound")


class Layer(NamedTuple):
    """What a compiled network runs as one: an operation with all that was fused into it, or a strip of several."""

    layer: str  # path of the module of the last of them
    op: str
    kernels: tuple[str, ...]
    shape: Shape
    window: str
    seconds: float
    moving: float  # of these, seconds in which inputs were only brought into place
    cost: Cost  # multiply-adds and element-wise operations of all; memory access of the whole

    @property
    def flops(self) -> float:
        """FLOPs a second, those of multiply-adds done directly: Winograd's algorithm may come to more than can be."""
        return self.cost.flops / self.seconds if self.seconds else 0.0

    @property
    def bandwidth(self) -> float:
        """Bytes a second."""
        return self.cost.bytes / self.seconds if self.seconds else 0.0

    def bound(self, peak: Peaks) -> str:
        """Which side of the roofline it is below: "compute", or "memory"; "cache" where it was faster than memory."""
        if self.cost.intensity >= peak.ridge:
            return "compute"
        return "cache" if self.bandwidth > peak.bandwidth else "memory"


class Profile:
    """Layers in the order in which they run, and the time of the whole.

    seconds: of a whole call, the mean of the quickest quarter of all rounds, for others may have computed on the same
    cores in the rest; `layer_seconds`: of the layers together, likewise, which should be within 5 % of it.
    median_seconds: of the calls of all rounds.  `memory_access`: elements that the layers must read and write; as the
    network is written, without fusing, they are `written_memory_access`.
    """

    def __init__(self, layers: Sequence[Layer], seconds: float, median_seconds: float, peak: Peaks,
                 written_memory_access: int | None) -> None:
        self.layers, self.peak, self.written_memory_access = list(layers), peak, written_memory_access
        self.seconds, self.median_seconds = seconds, median_seconds
        self.machine = description()

    @property
    def layer_seconds(self) -> float:
        """Sum over the layers."""
        return sum(layer.seconds for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-adds."""
        return sum(layer.cost.macs for layer in self.layers)

    @property
    def memory_access(self) -> int:
        """Elements that layers read and write."""
        return sum(layer.cost.memory_access for layer in self.layers)

    @property
    def share_of_peak(self) -> float:
        """FLOPs a second of the whole, of the most that this machine does."""
        return 2 * self.macs / self.seconds / self.peak.flops

    def kinds(self) -> dict[str, float]:
        """Seconds by kind of operation, the longest first; bringing inputs into place is "move"."""
        found: dict[str, float] = {}
        for layer in self.layers:
            for kind, seconds in ((layer.cost.kind, layer.seconds - layer.moving), ("move", layer.moving)):
                found[kind] = found.get(kind, 0.0) + seconds
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def document(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        layers = [{"layer": x.layer, "operation": x.op, "kernels": list(x.kernels), "output": list(x.shape),
                   "window": x.window, "seconds": x.seconds, "moving_seconds": x.moving, **x.cost._asdict(),
                   "bound": x.bound(self.peak)} for x in self.layers]
        return {"machine": self.machine, "peak": self.peak._asdict(), "seconds": self.seconds,
                "median_seconds": self.median_seconds, "layer_seconds": self.layer_seconds, "macs": self.macs,
                "flops": 2 * self.macs, "memory_access": self.memory_access,
                "memory_access_as_written": self.written_memory_access,
                "share_of_peak": self.share_of_peak, "seconds_by_kind": self.kinds(), "layers": layers}

    def totals(self) -> str:
        """What the whole comes to."""
        peak, error = self.peak, 100 * (self.layer_seconds / self.seconds - 1)
        written = self.written_memory_access
        fused = "" if not written else (f"; {scaled(written)} as the network is written: fusing and addressing spare "
                                        f"{100 * (1 - self.memory_access / written):.0f} %")
        return "\n".join([
            f"machine         {machine_line(self.machine)}",
            f"at most         {peak.flops / 1e9:.1f} GFLOP/s and {peak.bandwidth / 1e9:.1f} GB/s on {peak.threads} "
            f"thread{'s' * (peak.threads > 1)}: {peak.ridge:.1f} FLOPs for each byte",
            f"whole           {1e3 * self.seconds:.3f} ms (median {1e3 * self.median_seconds:.3f}); its layers "
            f"together {1e3 * self.layer_seconds:.3f} ms, {error:+.1f} %",
            f"multiply-adds   {self.macs:,}: {2e-9 * self.macs / self.seconds:.1f} GFLOP/s, "
            f"{100 * self.share_of_peak:.1f} % of the peak",
            f"memory access   {scaled(self.memory_access)} elements{fused}"])

    def __str__(self) -> str:
        rows = [_cells(layer, self.layer_seconds, self.peak) for layer in self.layers]
        kinds = [[kind, f"{1e6 * seconds:.0f}", f"{100 * seconds / self.layer_seconds:.1f}"]
                 for kind, seconds in self.kinds().items() if seconds]
        return "\n\n".join([text_table(TITLES, rows, left=5), text_table(["kind", "us", "%"], kinds), self.totals()])


def _cells(layer: Layer, total: float, peak: Peaks) -> list[str]:
    flops, bandwidth, cost = layer.flops, layer.bandwidth, layer.cost
    return [layer.layer, layer.op, "+".join(dict.fromkeys(layer.kernels)), "x".join(map(str, layer.shape)),
            layer.window, f"{1e6 * layer.seconds:.1f}", f"{100 * layer.seconds / total:.1f}", f"{cost.macs:,}",
            f"{cost.memory_access:,}", f"{cost.intensity:.1f}", f"{flops / 1e9:.1f}", f"{100 * flops / peak.flops:.0f}",
            f"{bandwidth / 1e9:.1f}", f"{100 * bandwidth / peak.bandwidth:.0f}", layer.bound(peak)]


def profile(model: Any, *examples: Any, threads: int | None = None, rounds: int | None = None,
            peak: Peaks | None = None) -> Profile:
    """How long each layer of the compiled `model` takes, beside what it costs.

    model: a Module, run in evaluation mode and left in its own, a function of Tensors, or a `CompiledNet`, whose
    examples and threads are its own.  examples, threads: as `tinycnn.compile` takes them; the numbers of shapes are
    random.  rounds: calls of each kind, whole and layer by layer, in turns, see `Profile` for what is made of them;
    None: three seconds of them, but at least 30.  peak: what the machine can do; None: measured, or as it was kept
    (`tinycnn.analysis.peaks`).

    Raises ValueError for fewer rounds than one, CostError naming an operation whose cost is not known, and what
    `compile` raises.
    """
    if rounds is not None and (not isinstance(rounds, int) or rounds < 1):
        raise ValueError(f"profile: rounds must be an integer >= 1, got {rounds!r}")
    if isinstance(model, CompiledNet):
        if examples or threads is not None:
            raise TypeError("profile: a compiled network has its own examples and threads, expected none with it")
        return _profiled(model, model.graph, [value.shape for value in model.graph.inputs], rounds, peak, None)
    with evaluating(model):
        net = compile(model, *examples, threads=threads)
        return _profiled(net, net.graph, examples, rounds, peak, summary(model, *examples).memory_access)


def _profiled(net: CompiledNet, graph: Graph, examples: Iterable[Any], rounds: int | None, peak: Peaks | None,
              written: int | None) -> Profile:
    arrays = [_numbers(example, net.dtype) for example in examples]
    groups = [list(nodes) for nodes in dict.fromkeys(timed.nodes for timed in net.profile(*arrays, rounds=1))]
    costs = {tuple(nodes): cost_of([graph.nodes[i] for i in nodes]) for nodes in groups}  # unknown ones are told now
    seconds, median, timed = _measure(net, arrays, rounds)
    layers = [_layer(graph, nodes, costs[tuple(nodes)], [t for t in timed if t.nodes == tuple(nodes)])
              for nodes in groups]
    return Profile(layers, seconds, median, peak or peaks(net.threads), written)


def _measure(net: CompiledNet, arrays: Sequence[np.ndarray], rounds: int | None) -> tuple[float, float, list[Timed]]:
    """Seconds of a whole call, and of each operation, in the quickest rounds of both; those of a call in all rounds.

    The same rounds, for a clock may change its pace: the least of each operation would come of quicker moments than
    there are whole calls in.
    """
    out = net(*arrays)
    for _ in range(WARMING):
        net(*arrays, out=out)
        timed = net.profile(*arrays, rounds=1)
    whole: list[float] = []
    each, end = [], time.perf_counter() + SECONDS
    while len(whole) < (rounds or ROUNDS) or (rounds is None and time.perf_counter() < end):
        began = time.perf_counter()
        net(*arrays, out=out)
        whole.append(time.perf_counter() - began)
        timed = net.profile(*arrays, rounds=1)
        each.append([t.seconds for t in timed])
    quick = _quickest([call + sum(own) for call, own in zip(whole, each)])
    seconds = np.mean([each[i] for i in quick], 0).tolist()  # medians of layers would not add up
    return (statistics.fmean(whole[i] for i in quick), statistics.median(whole),
            [t._replace(seconds=own) for t, own in zip(timed, seconds)])


def _quickest(totals: Sequence[float]) -> list[int]:
    """The numbers of the rounds that are the least quarter.

    >>> _quickest([9.0, 8.0, 7.0, 1.0, 8.0])
    [3, 2]
    """
    return sorted(range(len(totals)), key=totals.__getitem__)[:-(-len(totals) // QUIET)]


def _numbers(example: Any, dtype: np.dtype) -> np.ndarray:
    if isinstance(example, np.ndarray):
        return np.ascontiguousarray(example, dtype)
    if isinstance(getattr(example, "data", None), np.ndarray):
        return np.ascontiguousarray(example.data, dtype)
    return np.random.default_rng(0).standard_normal(signature(example)[0]).astype(dtype)


def _layer(graph: Graph, numbers: Sequence[int], cost: Cost, timed: Sequence[Timed]) -> Layer:
    nodes = [graph.nodes[i] for i in numbers]
    seconds = sum(t.seconds for t in timed)
    kernels = tuple([t.kernel for t in timed])
    if not nodes:  # results are written where the caller sees them
        moved = 2 * sum(map(size, graph.outputs))
        bytes_ = 2 * sum(size(value) * value.dtype.itemsize for value in graph.outputs)
        return Layer("output", "", kernels, graph.outputs[0].shape, "", seconds, seconds,
                     Cost("move", 0, 0, 0, moved, bytes_))
    moving = 0.0 if cost.kind == "move" else sum(t.seconds for t in timed if t.kernel in BRINGING)
    return Layer(nodes[-1].path, " > ".join(map(_name, nodes)), kernels, nodes[-1].outputs[0].shape,
                 " > ".join(filter(None, map(window_of, nodes))), seconds, moving, cost)


def _name(node: Node) -> str:
    """An operation, and what was fused into it.

    >>> from tinycnn.engine.graph import Step
    >>> _name(Node("conv2d", {}, {}, after=(Step("relu6", {}),)))
    'conv2d.relu6'
    """
    return ".".join([*[step.op for step in node.before], node.op, *[step.op for step in node.after]])
