"""What an installation needs, brings and imports."""
from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NUMPY_ALONE = """
import importlib.abc, sys

class OnlyNumpy(importlib.abc.MetaPathFinder):
    others = list(sys.meta_path)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.stdlib_module_names | {"numpy", "tinycnn"}:
            return next(filter(None, (finder.find_spec(name, path, target) for finder in self.others)), None)

sys.meta_path[:] = [OnlyNumpy()]
import numpy as np
import tinycnn
from tinycnn import functional as F
"""
FORWARD_AND_BACKWARD = NUMPY_ALONE + """
model = tinycnn.models.shufflenet_v2(0.5, num_classes=10)
x = tinycnn.Tensor(np.ones((2, 3, 64, 64), np.float32), requires_grad=True)
loss = F.cross_entropy(model(x), np.array([3, 7]))
loss.backward()
assert x.grad.shape == (2, 3, 64, 64) and np.isfinite(x.grad).all()
assert all(p.grad is not None for p in model.parameters())
print("ok")
"""


def test_import_brings_nothing_but_numpy(run_python):
    code = ("import sys, numpy; before = set(sys.modules); import tinycnn\n"
            "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
            "print(sorted(tops - sys.stdlib_module_names - {'numpy', 'tinycnn'}))")
    # The helpers that Cython shares between extension modules appear under names of its own.
    found = [name for name in eval(run_python(code).stdout) if not name.lstrip("_").startswith("cython")]
    assert found == []


def test_forward_and_backward_need_numpy_alone(run_python):
    result = run_python(FORWARD_AND_BACKWARD)
    assert (result.stdout, result.stderr) == ("ok\n", "")


@pytest.mark.parametrize(("code", "extra"), [
    ("from tinycnn.data import load_image; load_image('x.png')", "tinycnn[images]"),
    ("from tinycnn.data import class_names; class_names()", "tinycnn[demo]"),
    ("from tinycnn.classification import Classifier; Classifier()", "tinycnn[images]"),
])
def test_a_missing_extra_is_named(code, extra, run_python):
    result = run_python(f"{NUMPY_ALONE}\n{code}")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("ImportError: ")
    assert f'pip install "{extra}"' in result.stderr


def test_the_version_is_told(run_python):
    result = run_python("import tinycnn; tinycnn.show_versions()")
    titles = [line.partition(":")[0] for line in result.stdout.splitlines()]
    assert {"tinycnn", "Python", "numpy", "platform", "CPU features", "in use", "threads", "OpenMP"} <= set(titles)


def test_numpy_is_the_only_requirement():
    try:
        needed = requires("tinycnn")
    except PackageNotFoundError:
        pytest.skip("tinycnn is not installed but used in place: it has no metadata")
    assert [r.partition(">")[0] for r in needed if "extra ==" not in r] == ["numpy"]


def test_the_source_distribution_holds_all_sources(tmp_path):
    """That it also installs, `.ci/run` shows: it makes its smallest environment from one."""
    pytest.importorskip("Cython", reason="Cython is not installed: nothing is built here")
    pytest.importorskip("setuptools", minversion="77", reason="setuptools is not installed: nothing is built here")
    tree = tmp_path / "tree"
    # build/generated holds the C files of an installation from this tree: with them nothing is translated again
    unwanted = shutil.ignore_patterns(".*", "lib.*", "temp.*", "dist", "runs", "*.so", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, tree, ignore=unwanted)
    code = f"import setuptools.build_meta as b; b.build_sdist({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    [archive] = tmp_path.glob("tinycnn-*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    wanted = {str(file.relative_to(ROOT)) for folder in ("tinycnn", "tests", "docs", "examples")
              for file in (ROOT / folder).rglob("*")
              if file.suffix in {".py", ".pyx", ".pxd", ".pxi", ".h", ".md", ".jpg"}}
    assert wanted
    assert wanted <= names
    assert not [name for name in names if name.endswith((".c", ".so"))]
