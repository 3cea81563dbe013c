"""The example, on the first images of the real files, as a person runs it."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinycnn import load
from tinycnn.data import FashionMNIST
from tinycnn.training import read_log

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_fashion_mnist.py"


@pytest.fixture(scope="module")
def _installed():
    try:
        FashionMNIST(split="test")
    except FileNotFoundError:
        pytest.skip("Fashion-MNIST is not installed (apt install dataset-fashion-mnist)")


def run(out, *arguments):
    return subprocess.run([sys.executable, EXAMPLE, "--out", out, "--batch-size", "64", "--limit", "256", *arguments],
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True)


@pytest.mark.usefixtures("_installed")
def test_a_tiny_run_and_its_files(tmp_path):
    done = run(tmp_path, "--epochs", "1")
    assert done.returncode == 0, done.stderr
    assert "test accuracy" in done.stdout
    (row,) = read_log(tmp_path / "log.csv")
    (result_file,) = tmp_path.glob("result-*.json")
    result = json.loads(result_file.read_text())
    assert result_file.stem == f"result-{result['date']}"
    assert (result["accuracy"], result["limit"], result["epochs"]) == (row["accuracy"], 256, 1)
    assert sum(v.size for n, v in load(tmp_path / "weights.npz").items()
               if "running" not in n and "tracked" not in n) == result["parameters"]

    again = run(tmp_path, "--epochs", "1")
    assert (again.returncode, again.stdout) == (2, "")
    assert "checkpoint.npz exists" in again.stderr
    assert "--resume or --overwrite" in again.stderr
    other = run(tmp_path, "--epochs", "2", "--resume")
    assert other.returncode == 2
    assert "epochs=1 (now 2)" in other.stderr


def test_no_data(tmp_path):
    done = run(tmp_path / "out", "--data", str(tmp_path))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "apt install dataset-fashion-mnist" in done.stderr
    assert not (tmp_path / "out").exists()
