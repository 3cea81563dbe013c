"""Open questions of network design, each answered by a small run: networks trained on few images, several times.

What a run of minutes says holds for small networks, few images and short training; a table says how sure it is of that.
"""
from collections.abc import Callable

from .detectors import fusion, heads
from .inputs import variable_input
from .layers import downsampling, group_norm, joining, norm_order
from .trial import FULL, QUICK, Answer, Budget, Say, document

QUESTIONS: dict[str, Callable[[Budget, Say], Answer]] = {
    "variable-input": variable_input, "norm-order": norm_order, "group-norm": group_norm,
    "downsampling": downsampling, "joining": joining, "heads": heads, "fusion": fusion}

__all__ = ["FULL", "QUESTIONS", "QUICK", "Answer", "Budget", "document"]
