"""One rule per operation of the graph: which kernel runs it, on which addresses.

A rule is given the builder of a plan and a node.  It asks the builder where values lie, packs weights, and emits
operations.  The kernels' fields are those of `_kernels/engine/op.pxi`.
"""
from . import elements, maps, matrices, moves, norms, products, regions, rows
from .rules import COMBINING, RULES, CompileError, refuse
from .strips import find_strips, strip

__all__ = ["COMBINING", "RULES", "CompileError", "elements", "find_strips", "maps", "matrices", "moves", "norms",
           "products", "refuse", "regions", "rows", "strip"]
