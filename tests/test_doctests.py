"""The examples in the docstrings, run in the tinycnn that the tests import, installed or in place."""
import doctest
import importlib
import pkgutil

import pytest

import tinycnn

COMPILED_PER_ISA = "_eager_"  # the kernels have no examples; a build for another processor cannot be imported
MODULES = [name for _, name, _ in pkgutil.walk_packages(tinycnn.__path__, "tinycnn.")
           if COMPILED_PER_ISA not in name and not name.endswith("__main__")]


@pytest.mark.parametrize("name", ["tinycnn", *MODULES])
def test_examples(name):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert result.failed == 0


def test_some_examples_are_found():
    finder = doctest.DocTestFinder(exclude_empty=True)
    assert any(test.examples for test in finder.find(tinycnn.Tensor))
