"""Imports point down only; what is not NumPy is imported where it is used; the kernels use no numpy C API."""
from __future__ import annotations

import ast
import functools
import sys
from pathlib import Path

import pytest

import tinycnn

PACKAGE = Path(tinycnn.__file__).parent
FLOORS = (  # bottom first: a file may import what stands on lower floors, and on its own
    {"_kernels", "random"},
    {"autograd", "download", "serialize", "versions"},
    {"ops", "tensor"},
    {"nn", "optim"},
    {"models", "losses"},
    {"data", "detection", "training"},
    {"classification"},
    {"analysis.studies"},
    {"cli"},
    {"__main__"},
)
READERS = ({"engine"}, {"analysis", "export"})  # the other wing stands on the tape's floor: there alone the two meet
TAPE = 1
JOINING = {"cli", "__main__", "__init__", "analysis.studies"}  # may import both wings; __init__ imports anything
FILES = sorted(PACKAGE.rglob("*.py"))


def unit(parts: tuple[str, ...]) -> str:
    """The entry of the package that a module belongs to: `ops` for ("tinycnn", "ops", "conv")."""
    if parts[1:3] == ("analysis", "studies"):
        return "analysis.studies"
    return parts[1] if len(parts) > 1 else "__init__"


def module_parts(file: Path) -> tuple[str, ...]:
    parts = ("tinycnn", *file.relative_to(PACKAGE).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def imported(node: ast.AST, file: Path) -> list[tuple[str, ...]]:
    """The modules that an import statement names, as absolute paths; `from . import a, b` names a and b."""
    if isinstance(node, ast.Import):
        return [tuple(alias.name.split(".")) for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    if node.level == 0:
        base = tuple(node.module.split("."))
    else:
        package = module_parts(file) if file.name == "__init__.py" else module_parts(file)[:-1]
        package = package[:len(package) - node.level + 1]
        base = (*package, *(node.module.split(".") if node.module else ()))
    return [(*base, alias.name) for alias in node.names] if base == ("tinycnn",) else [base]


@functools.cache
def imports(file: Path) -> list[tuple[tuple[str, ...], bool]]:
    """The modules that a file imports, and whether a function does; without `if TYPE_CHECKING:`, which never runs."""
    found, stack = [], [(ast.parse(file.read_text(encoding="utf-8")), False)]
    while stack:
        node, inside = stack.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            stack.extend((child, inside) for child in node.orelse)
            continue
        found += [(parts, inside) for parts in imported(node, file)]
        inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        stack.extend((child, inside) for child in ast.iter_child_nodes(node))
    return found


def own_imports(file: Path) -> set[str]:
    """Entries of the package that a file imports, anywhere in it."""
    return {unit(parts) for parts, _ in imports(file) if parts[0] == "tinycnn"} - {unit(module_parts(file))}


def floor(name: str) -> int:
    return next((i for i, names in enumerate(FLOORS) if name in names), len(FLOORS))


def allowed(importer: str, target: str) -> bool:
    readers = READERS[0] | READERS[1]
    if importer in JOINING and target in readers:
        return True
    if importer in READERS[0]:
        return target not in readers and floor(target) <= TAPE
    if importer in READERS[1]:
        return target in readers or floor(target) <= TAPE
    return target not in readers and floor(target) <= floor(importer)


def name(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


@pytest.mark.parametrize("file", [f for f in FILES if f != PACKAGE / "__init__.py"], ids=name)
def test_imports_point_down(file):
    importer = unit(module_parts(file))
    assert importer in set().union(*FLOORS, *READERS), f"{importer} has no floor yet: give it one in this file"
    wrong = sorted(target for target in own_imports(file) if not allowed(importer, target))
    assert not wrong, f"{name(file)} imports {', '.join(wrong)}, which stands above it"


def test_units_of_one_floor_do_not_import_each_other_in_a_circle():
    edges = {(unit(module_parts(file)), target) for file in FILES for target in own_imports(file)}
    assert edges, "no imports found: this test has gone blind"
    both_ways = sorted((a, b) for a, b in edges if (b, a) in edges and a < b and "__init__" not in (a, b))
    assert not both_ways


@pytest.mark.parametrize("file", FILES, ids=name)
def test_only_numpy_is_imported_on_import(file):
    """Whatever else a module needs it imports inside the function that needs it."""
    tops = {parts[0] for parts, inside in imports(file) if not inside}
    assert tops <= sys.stdlib_module_names | {"numpy", "tinycnn"}


@pytest.mark.parametrize("file", sorted(f for s in ("*.pyx", "*.pxd", "*.pxi") for f in PACKAGE.rglob(s)), ids=name)
def test_kernels_use_no_numpy_c_api_and_no_intrinsics(file):
    text = file.read_text(encoding="utf-8")
    assert "cimport numpy" not in text
    assert "numpy/arrayobject" not in text
    assert "intrin.h" not in text
    assert "_mm256_" not in text
    assert "_mm512_" not in text


@pytest.mark.parametrize(("importer", "target"), [("autograd", "tensor"), ("nn", "models"), ("engine", "ops"),
                                                  ("training", "engine"), ("_kernels", "autograd"), ("data", "cli"),
                                                  ("analysis", "nn"), ("analysis", "models"),
                                                  ("engine", "analysis.studies"), ("analysis", "analysis.studies"),
                                                  ("training", "analysis.studies")])
def test_the_rule_refuses_what_it_should(importer, target):
    assert not allowed(importer, target)


@pytest.mark.parametrize(("importer", "target"), [("ops", "autograd"), ("cli", "engine"), ("export", "engine"),
                                                  ("analysis", "engine"), ("analysis", "serialize"),
                                                  ("analysis.studies", "nn"), ("analysis.studies", "analysis"),
                                                  ("cli", "analysis.studies")])
def test_the_rule_allows_what_it_should(importer, target):
    assert allowed(importer, target)
