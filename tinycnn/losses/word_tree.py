"""A tree of classes: Redmon and Farhadi, "YOLO9000: better, faster, stronger", CVPR 2017, section 4.

A class is known by what it is a kind of: an image may say "terrier" or no more than "dog", and both teach.
"""
from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..ops.tree import family, tree_log_softmax
from ..tensor import Tensor

NOTHING = -1


@dataclass(frozen=True)
class WordTree:
    """names: of the nodes; parents: of each the number of its parent, which comes before it, or -1; siblings follow
    each other.  A label is the number of a node, an inner one or a leaf.

    ValueError for names that are not as many, or the same, and for another order.

    >>> tree = WordTree.from_nested(["animal", ["dog", ["terrier", "hound"], "cat"], "car"])
    >>> tree.names
    ('animal', 'car', 'dog', 'cat', 'terrier', 'hound')
    >>> [tree.names[node] for node in tree.path(tree.names.index("hound"))]
    ['animal', 'dog', 'hound']
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.parents) or len(set(self.names)) != len(self.names):
            raise ValueError(f"WordTree: there must be a name for each of {len(self.parents)} nodes, all different; "
                             f"got {len(self.names)}, {len(set(self.names))} of them different")
        family(self.parents)

    @classmethod
    def from_nested(cls, nested: Sequence[Any]) -> WordTree:
        """From names; a list behind a name holds what is of its kind.  ValueError for a list that has no name before.
        """
        names: list[str] = []
        parents: list[int] = []
        waiting: deque[tuple[int, Sequence[Any]]] = deque([(NOTHING, nested)])
        while waiting:
            parent, group = waiting.popleft()
            before = None
            for entry in group:
                if isinstance(entry, str):
                    before = len(names)
                    names.append(entry)
                    parents.append(parent)
                elif before is None:
                    raise ValueError(f"WordTree.from_nested: a list must follow a name, got {entry!r}")
                else:
                    waiting.append((before, entry))
                    before = None
        return cls(tuple(names), tuple(parents))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> WordTree:
        """From a .tree file of Darknet: in each line a name and the number of its parent, from 0, -1 for a root.

        Raises ValueError that names the file, and the line where one is to blame, OSError where it cannot be read.
        """
        names, parents = [], []
        for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
            parts = line.split()
            if len(parts) != 2 or not parts[1].removeprefix("-").isdecimal():
                raise ValueError(f"{os.fspath(path)}, line {number}: expected a name and its parent's number, "
                                 f"got {line[:60]!r}")
            names.append(parts[0])
            parents.append(int(parts[1]))
        try:
            return cls(tuple(names), tuple(parents))
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def leaves(self) -> np.ndarray:
        """Which nodes have none below, bool (nodes,)."""
        return ~np.isin(np.arange(len(self)), self.parents)

    def labels(self, names: Iterable[str]) -> np.ndarray:
        """The numbers of nodes, int64; ValueError for a name that is none."""
        numbers = {name: i for i, name in enumerate(self.names)}
        names = list(names)
        unknown = [name for name in names if name not in numbers]
        if unknown:
            raise ValueError(f"WordTree.labels: {unknown[0]!r} is no name of this tree")
        return np.array([numbers[name] for name in names], np.int64)

    def path(self, label: int) -> list[int]:
        """The nodes from the root to a label."""
        nodes: list[int] = []
        while label >= 0:
            nodes.insert(0, label)
            label = self.parents[label]
        return nodes

    def truths(self, labels: Any) -> np.ndarray:
        """Labels (...) as float32 (..., nodes): 1 at each node on the way from the root; a label below 0 has none."""
        labels = np.asarray(labels)
        on = (labels[..., None] == np.arange(len(self))).astype(np.float32)
        for level in reversed(family(self.parents).levels):
            on[..., level.parents] += np.add.reduceat(on[..., level.nodes], level.starts, -1)
        return on

    def log_probabilities(self, logits: Any) -> Tensor:
        """logits (..., nodes): see `functional.tree_log_softmax`."""
        return tree_log_softmax(logits, self.parents)

    def probabilities(self, logits: Any) -> np.ndarray:
        """Of each node by itself, not given its parent: an array like logits (..., nodes)."""
        with no_grad():
            return np.exp(self.log_probabilities(logits).numpy())

    def deepest(self, probabilities: Any, threshold: float = 0.5) -> np.ndarray:
        """What to call it, int64 (...), from probabilities (..., nodes): from the likeliest root down to the likeliest
        below, as long as that exceeds the threshold; -1 where no root does.

        >>> WordTree.from_nested(["dog", ["terrier", "hound"]]).deepest([[0.9, 0.6, 0.3], [0.9, 0.5, 0.4]]).tolist()
        [1, 0]
        """
        p = np.asarray(probabilities)
        starts, sizes, levels = family(self.parents)
        on = (p == np.repeat(np.maximum.reduceat(p, starts, -1), sizes, -1)) & (p > threshold)
        for level in levels:
            on[..., level.nodes] &= on[..., level.parent_of]
        return np.where(on.any(-1), on.shape[-1] - 1 - on[..., ::-1].argmax(-1), NOTHING)
