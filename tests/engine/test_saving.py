"""Attributes of operations in files: what comes back is what was written, of the same types."""
from __future__ import annotations

import json
from collections import namedtuple

import numpy as np
import pytest

from tinycnn.engine.saving import _plain, _value_of
from tinycnn.ops.geometry import Window


@pytest.mark.parametrize("value", [
    None, True, 3, 2.5, float("inf"), "same", (1, (2, [3])), [], {"a": (1,)}, slice(1, None, 2), np.dtype("float64"),
    Window((3, 3), (1, 2), (1, 1), (0, 1, 0, 1)),
])
def test_attributes_come_back(value):
    again = _value_of(json.loads(json.dumps(_plain(value))))
    assert again == value
    assert type(again) is type(value)


def test_a_window_comes_back_with_its_methods():
    assert _value_of(_plain(Window((3, 5), (1, 1), (2, 1), (0, 0, 0, 0)))).extent == (5, 5)


@pytest.mark.parametrize("value", [object(), namedtuple("Window", "kernel")(3), namedtuple("Other", "a")(1)])
def test_what_would_not_come_back_is_not_written(value):
    with pytest.raises(TypeError, match=r"save: an attribute of type .* cannot be written"):
        _plain(value)


@pytest.mark.parametrize("plain", [{"named": ["Window", ["kernel"], [3]]}, {"named": ["object", [], []]},
                                   {"named": ["Window", ["kernel", "stride"], [3]]}, {"what": 1}])
def test_damaged_attributes_are_refused(plain):
    with pytest.raises((TypeError, KeyError, ValueError)):
        _value_of(plain)
