"""One row per operation: what to call, how to draw its arguments, what torch calls it.

`test_ops.py` runs every check over every row: kernel against twin, gradients against differences, torch, element
types, threads.  A new operation is one more row, in the file of its family in `op_rows/`.
"""
from importlib import import_module

from op_rows.frame import CASES, Example, OpCase

FAMILIES = tuple([import_module(f"op_rows.{name}") for name in (
    "activation", "arithmetic", "losses_binary", "losses_boxes", "losses_classification", "losses_detection",
    "losses_metric", "losses_regression", "losses_sequence", "normalisation", "pooling", "products", "recurrent",
    "regularisation", "roi", "shapes", "structure",
)])

__all__ = ["CASES", "FAMILIES", "Example", "OpCase"]
