"""The examples in the docstrings, run in the tinycnn that the tests import, installed or in place."""
import doctest
import importlib
import pkgutil
import re

import pytest

import tinycnn

# The kernels have no examples; a build for another processor cannot be imported.
COMPILED_PER_ISA = re.compile(r"\._(eager|losses|engine)_\w+_f(32|64)$")
MODULES = [name for _, name, _ in pkgutil.walk_packages(tinycnn.__path__, "tinycnn.")
           if not COMPILED_PER_ISA.search(name) and not name.endswith("__main__")]


@pytest.mark.parametrize("name", ["tinycnn", *MODULES])
def test_examples(name):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert result.failed == 0


def test_some_examples_are_found():
    finder = doctest.DocTestFinder(exclude_empty=True)
    assert any(test.examples for test in finder.find(tinycnn.Tensor))
