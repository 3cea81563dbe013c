"""What a run leaves behind."""
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

import tinycnn
from tinycnn.training import results


def test_json_is_whole_or_not_there(tmp_path):
    path = tmp_path / "new" / "a.json"
    results.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        results.write_json(path, {"a": np.ones(3)})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(path.parent.iterdir()) == [path]


def test_circumstances():
    found = results.circumstances()
    assert found["versions"]["tinycnn"] == tinycnn.__version__
    assert found["threads"] == tinycnn.get_num_threads()
    json.dumps(found)


def test_the_commit_is_that_of_this_checkout_or_none():
    root = Path(results.__file__).parents[2]
    if not (root / ".git").exists():
        assert results.commit() is None
        return
    want = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True).stdout.strip()
    assert results.commit().removesuffix("-dirty") == want[:12]


def test_a_run_is_not_in_its_own_way_when_cleared(tmp_path):
    files = results.RunFiles(tmp_path)
    files.require_free()
    files.log.write_text("epoch\n1\n")
    with pytest.raises(FileExistsError, match=r"log\.csv exists.*--resume.*--overwrite"):
        files.require_free()
    for path in (files.checkpoint, files.weights, files.network, tmp_path / "result-2000-01-01.json"):
        path.write_text("")
    files.clear()
    files.require_free()
    assert [path.name for path in tmp_path.iterdir()] == ["result-2000-01-01.json"]
