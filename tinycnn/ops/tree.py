"""Softmax over a tree of classes."""
from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..autograd import Function
from .contracts import require_elements

TREES_KEPT = 8  # whose levels are remembered


class Level(NamedTuple):
    """The nodes of a depth: which, where each group of siblings begins among them, and the parent of each group."""

    nodes: np.ndarray
    starts: np.ndarray
    parents: np.ndarray
    parent_of: np.ndarray  # of each node


class Family(NamedTuple):
    """Where each group of siblings begins, how many they are, and the levels below the roots, from above."""

    starts: np.ndarray
    sizes: np.ndarray
    levels: tuple[Level, ...]


@lru_cache(TREES_KEPT)
def family(parents: tuple[int, ...]) -> Family:
    """What a tree consists of; ValueError where a node comes before its parent, or siblings are apart.

    >>> family((-1, -1, 0, 0)).sizes.tolist()
    [2, 2]
    """
    parent = np.array(parents, np.int64)
    wrong = np.flatnonzero((parent < -1) | (parent >= np.arange(len(parent))))
    if len(wrong) or not len(parent):
        raise ValueError("tree: a node must come after its parent, and there must be one; got " + (
            f"the parent {parent[wrong[0]]} of node {wrong[0]}" if len(wrong) else "no node"))
    starts = np.flatnonzero(np.diff(parent, prepend=-2))
    if len(set(parent[starts])) < len(starts):
        apart = next(p for i, p in enumerate(parent[starts]) if p in parent[starts[:i]])
        raise ValueError(f"tree: siblings must follow each other, but the children of node {apart} do not")
    depth = np.zeros(len(parent), np.int64)
    for first, last in zip(starts, [*starts[1:], len(parent)]):
        depth[first:last] = depth[parent[first]] + 1 if parent[first] >= 0 else 0
    levels = []
    for level in range(1, int(depth.max()) + 1):
        nodes = np.flatnonzero(depth == level)
        begin = np.flatnonzero(np.diff(parent[nodes], prepend=-2))
        levels.append(Level(nodes, begin, parent[nodes[begin]], parent[nodes]))
    return Family(starts, np.diff(starts, append=len(parent)), tuple(levels))


class TreeLogSoftmax(Function, op="tree_log_softmax"):
    """log softmax among siblings, and the sums of that from each node up to its root."""

    attributes = ("tree",)  # "parents" is a word of the tape's
    tree: tuple[int, ...]

    def shapes(self, x):
        """The shape of x, whose last axis has the nodes."""
        require_elements("tree_log_softmax", "x", x)
        if not x or x[-1] != len(self.tree):
            raise ValueError(f"tree_log_softmax: x must have {len(self.tree)} nodes along its last axis, got the "
                             f"shape {x}")
        return x

    def forward(self, x):
        starts, sizes, levels = family(self.tree)
        y = x - np.repeat(np.maximum.reduceat(x, starts, -1), sizes, -1)
        p = np.exp(y)
        total = np.add.reduceat(p, starts, -1)
        y -= np.repeat(np.log(total), sizes, -1)
        p /= np.repeat(total, sizes, -1)
        self.save(p=p)
        for level in levels:
            y[..., level.nodes] += y[..., level.parent_of]
        return y

    def backward(self, gy):
        """A node's gradient is its own and that of all below; then, among siblings, g - p sum g."""
        starts, sizes, levels = family(self.tree)
        g = gy.copy()
        for level in reversed(levels):
            g[..., level.parents] += np.add.reduceat(g[..., level.nodes], level.starts, -1)
        return g - self.saved.p * np.repeat(np.add.reduceat(g, starts, -1), sizes, -1)


def tree_log_softmax(x, parents: tuple[int, ...]):
    """The logarithm of each node's probability in a tree of classes, from logits along the last axis.

    parents: of each node the number of its parent, which comes before it, -1 for a root; siblings follow each other.  A
    node's probability is the product, from its root down to it, of the softmax among siblings.
    Redmon and Farhadi, "YOLO9000", CVPR 2017, section 4, "hierarchical classification".  Raises ValueError for another
    order of nodes, and where x has another number of them.

    >>> tree_log_softmax(np.zeros((1, 4)), (-1, -1, 0, 0)).exp().numpy().round(3).tolist()
    [[0.5, 0.5, 0.25, 0.25]]
    """
    parents = tuple(int(parent) for parent in parents)
    family(parents)
    return TreeLogSoftmax.apply(x, tree=parents)
