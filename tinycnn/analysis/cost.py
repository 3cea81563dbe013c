"""What an operation costs: one rule for each operation of the graph.

A multiply-add is one multiplication and the addition of its product; two FLOPs.  They are counted where there are
products of matrices: convolutions, linear layers, `matmul`, attention, recurrent cells, computed directly (no bias, no
Winograd).  What else is computed is counted apart, as element-wise operations: additions, multiplications, comparisons
and values of functions, each as one.

Memory access is that of Ma et al., "ShuffleNet V2", ECCV 2018, section 3: every element that an operation reads and
every one that it writes, once, as if nothing stayed in a cache.  For a convolution of k x k with stride 1, of c1
channels of h x w, that is h w (c1 + c2) + k^2 c1 c2 / groups, and c2 more for a bias.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from ..engine.graph import Node, Value


class CostError(ValueError):
    """A graph holds an operation that no rule tells the cost of; the message names it."""


class Work(NamedTuple):
    """What a rule says of a node."""

    kind: str
    macs: int = 0  # multiply-adds
    elementwise: int = 0  # other operations
    moves: bool = True  # whether memory is read and written; not where the result is only another view


class Cost(NamedTuple):
    """What one operation costs, or several that are run as one. All for the batch that the graph was traced with."""

    kind: str  # of several: the different ones, joined by "+"
    macs: int  # multiply-adds of convolutions, linear layers and products of matrices
    elementwise: int  # other operations, see above
    activations: int  # elements that those products give; Radosavovic et al., "Designing network design spaces", 2020
    memory_access: int  # elements read and written
    bytes: int  # the same in bytes

    @property
    def flops(self) -> int:
        """2 x multiply-adds."""
        return 2 * self.macs

    @property
    def intensity(self) -> float:
        """Arithmetic intensity: FLOPs, element-wise operations included, for each byte read or written."""
        return (self.flops + self.elementwise) / self.bytes if self.bytes else 0.0


Rule = Callable[[Node], Work]
RULES: dict[str, Rule] = {}
PRODUCTS = ("dense", "grouped", "pointwise", "depthwise", "transposed", "linear", "matmul", "recurrent")


def costs(*ops: str) -> Callable[[Rule], Rule]:
    """Make a function the rule of some operations."""
    def enter(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(ops, rule))
        return rule
    return enter


def work_of(node: Node) -> Work:
    """What the rule of a node says, and of the steps that a pass has made part of it. Raises CostError without one."""
    work = rule_of(node.op, node)(node)
    return work._replace(elementwise=work.elementwise + sum(_steps(node)))


def cost_of(nodes: Sequence[Node]) -> Cost:
    """The cost of nodes that are run as one: what they hand each other is neither read nor written.

    Raises CostError naming a node that has no rule.

    >>> import tinycnn
    >>> graph = tinycnn.trace(tinycnn.nn.Conv2d(24, 48, 1, bias=False), (1, 24, 56, 56))
    >>> cost = cost_of(graph.nodes)
    >>> cost.kind, cost.macs, cost.memory_access == 56 * 56 * (24 + 48) + 24 * 48
    ('pointwise', 3612672, True)
    """
    works = [work_of(node) for node in nodes]
    made = {value for node in nodes for value in node.outputs}
    moving = [node for node, work in zip(nodes, works) if work.moves]
    used = {value for node in moving for value in node.used()}
    touched = [value for value in used if value not in made] + [
        value for node in moving for value in node.outputs if value not in used]
    return Cost("+".join(dict.fromkeys(work.kind for work in works)), sum(work.macs for work in works),
                sum(work.elementwise for work in works),
                sum(size(node.y) for node, work in zip(nodes, works) if work.kind in PRODUCTS),
                sum(map(size, touched)), sum(size(value) * value.dtype.itemsize for value in touched))


def size(value: Value) -> int:
    """Elements of a value."""
    return math.prod(value.shape)


def rule_of(op: str, node: Node) -> Rule:
    """The rule for an operation of a node."""
    if op not in RULES:
        where = f" in {node.path}" if node.path else ""
        raise CostError(f"cost: there is no rule for {op!r}{where} ({node.outputs[0].name}, shape "
                        f"{node.outputs[0].shape}); what only training runs has none")
    return RULES[op]


def _first(node: Node) -> Value:
    return next(value for value in node.inputs.values() if value is not None)


def _steps(node: Node) -> Iterator[int]:
    """Operations of each step: one for each element that it works on."""
    for steps, value in ((node.before, _first(node)), (node.after, node.outputs[0])):
        for step in steps:
            rule_of(step.op, node)
            yield size(value)


def _shape(node: Node, name: str) -> tuple[int, ...]:
    value = node.inputs[name]
    assert value is not None
    return value.shape


# ---------------------------------------------------------------- products
@costs("conv2d")
def conv2d(node: Node) -> Work:
    """Each output sums a window of the channels of its group."""
    w, groups = _shape(node, "w"), node.attributes["groups"]
    if groups > 1 and w[1] == 1:
        kind = "depthwise"
    elif w[2:] == (1, 1):
        kind = "pointwise"
    else:
        kind = "dense" if groups == 1 else "grouped"
    return Work(kind, size(node.y) * math.prod(w[1:]), _bias(node))


@costs("conv_transpose2d")
def conv_transpose2d(node: Node) -> Work:
    """Each input gives to a window of the channels of its group."""
    return Work("transposed", math.prod(_shape(node, "x")) * math.prod(_shape(node, "w")[1:]), _bias(node))


@costs("linear")
def linear(node: Node) -> Work:
    """Each output sums all features."""
    return Work("linear", size(node.y) * _shape(node, "w")[1], _bias(node))


@costs("matmul")
def matmul(node: Node) -> Work:
    """Each output sums a row times a column."""
    return Work("matmul", size(node.y) * _shape(node, "a")[-1])


@costs("scaled_dot_product_attention")
def attention(node: Node) -> Work:
    """Scores, their softmax, and the sums of values that they weigh."""
    *batch, rows, features = _shape(node, "query")
    keys, values = _shape(node, "value")[-2:]
    scores = math.prod(batch) * rows * keys
    return Work("matmul", scores * (features + values), scores * (1 + SOFTMAX))


@costs("lstm", "gru")
def recurrent(node: Node) -> Work:
    """Every step multiplies its input and the state before it by all gates' weights; sequences count in full length."""
    gates, features = _shape(node, "w_ih")
    steps = math.prod(_shape(node, "x")[:-1])
    hidden = _shape(node, "w_hh")[1]
    biases = sum(node.inputs[name] is not None for name in ("b_ih", "b_hh"))
    return Work("recurrent", steps * gates * (features + hidden), steps * (gates * (2 + biases) + GATED * hidden))


GATED = 5  # operations that make a hidden state of its gates: products, sums, a tanh


def _bias(node: Node) -> int:
    return size(node.y) if node.inputs.get("b") is not None else 0


# ---------------------------------------------------------------- element by element
SOFTMAX = 5  # for each element: greatest, difference, exponential, sum, quotient
MOMENTS = 4  # for each element: sum; difference, its square, sum


@costs("relu", "relu6", "hardsigmoid", "hardswish", "sigmoid", "silu", "tanh", "mish", "leaky_relu", "prelu", "neg",
       "pow", "exp", "log", "sqrt", "abs", "clip", "add", "sub", "mul", "div", "maximum", "minimum", "where",
       "scale_channels", "dropout", "dropout_rows")
def elementwise(node: Node) -> Work:
    """One operation for each element, whatever function it is."""
    return Work("element-wise", elementwise=size(node.y))


@costs("softmax", "log_softmax", "tree_log_softmax")
def softmax(node: Node) -> Work:
    """See SOFTMAX."""
    return Work("element-wise", elementwise=SOFTMAX * size(node.y))


@costs("batch_norm")
def batch_norm(node: Node) -> Work:
    """A multiplication and an addition, and in training the statistics."""
    return Work("normalisation", elementwise=(2 + MOMENTS * bool(node.attributes["training"])) * size(node.y))


@costs("layer_norm", "group_norm", "instance_norm", "switchable_norm")
def norm(node: Node) -> Work:
    """Statistics, a multiplication and an addition."""
    return Work("normalisation", elementwise=(MOMENTS + 2) * size(node.y))


@costs("l2_norm")
def l2_norm(node: Node) -> Work:
    """Square, sum, quotient, weight."""
    return Work("normalisation", elementwise=4 * size(node.y))


@costs("local_response_norm")
def local_response_norm(node: Node) -> Work:
    """A square, a sum of `size` of them, and scale, power and quotient."""
    return Work("normalisation", elementwise=(node.attributes["size"] + 4) * size(node.y))


@costs("sum", "mean", "max", "min")
def reduction(node: Node) -> Work:
    """One operation for each element that is read."""
    return Work("reduction", elementwise=math.prod(_shape(node, "x")))


@costs("var")
def variance(node: Node) -> Work:
    """See MOMENTS."""
    return Work("reduction", elementwise=MOMENTS * math.prod(_shape(node, "x")))


# ---------------------------------------------------------------- windows and regions
@costs("max_pool2d", "avg_pool2d")
def pool(node: Node) -> Work:
    """One operation for each element of each window."""
    return Work("pool", elementwise=math.prod(node.attributes["window"].kernel) * size(node.y))


@costs("global_avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d")
def adaptive_pool(node: Node) -> Work:
    """Windows as large as they must be: from floor(i H / OH) to ceil((i + 1) H / OH)."""
    *outer, h, w = _shape(node, "x")
    oh, ow = node.attributes.get("output_size", (1, 1))
    rows, columns = (sum(-(-(i + 1) * n // m) - i * n // m for i in range(m)) for n, m in ((h, oh), (w, ow)))
    return Work("pool", elementwise=math.prod(outer) * rows * columns)


BILINEAR = 7  # operations for a sample between four elements: products and sums


@costs("interpolate")
def interpolate(node: Node) -> Work:
    """Nothing is computed where elements are copied."""
    return Work("resize", elementwise=BILINEAR * size(node.y) if node.attributes["mode"] == "bilinear" else 0)


@costs("roi_align")
def roi_align(node: Node) -> Work:
    """Samples of each bin; where their number follows from the boxes, 2 x 2, as the paper has it.

    He et al., "Mask R-CNN", ICCV 2017, section 3.
    """
    ratio = max(node.attributes["sampling_ratio"], 0) or 2
    return Work("region", elementwise=ratio**2 * (BILINEAR + 1) * size(node.y))


@costs("roi_pool", "ps_roi_pool")
def roi_pool(node: Node) -> Work:
    """At most the whole map is in the bins of a box."""
    bins = [-(-n // m) for n, m in zip(_shape(node, "input")[2:], node.attributes["output_size"])]
    return Work("region", elementwise=math.prod(bins) * size(node.y))


# ---------------------------------------------------------------- moves and views
@costs("channel_shuffle", "concat_shuffle_split", "concat", "pad", "transpose", "pixel_shuffle", "pixel_unshuffle",
       "space_to_depth", "pick")
def move(node: Node) -> Work:
    """Elements are written in another place."""
    return Work("move")


@costs("reshape", "detach", "expand", "split")
def view(node: Node) -> Work:
    """The same elements, seen otherwise."""
    return Work("view", moves=False)


@costs("astype")
def astype(node: Node) -> Work:
    """A view where the element type stays."""
    return Work("move", moves=node.y.dtype != _first(node).dtype)


@costs("getitem")
def getitem(node: Node) -> Work:
    """Arrays of indices gather elements; integers and slices see some of them."""
    index = node.attributes["index"]
    parts: Iterable[object] = index if isinstance(index, tuple) else (index,)
    gathers = any(not (part is None or part is Ellipsis or isinstance(part, (int, slice))) for part in parts)
    return Work("move" if gathers else "view", moves=gathers)
