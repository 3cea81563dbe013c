"""docs/detection.md: its Python runs and prints what it says, its commands can be parsed."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from tinycnn import cli

TEXT = (Path(__file__).parents[1] / "docs" / "detection.md").read_text(encoding="utf-8")
PYTHON, BASH = (re.findall(rf"^```{language}\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)
                for language in ("python", "bash"))


@pytest.mark.parametrize("code", PYTHON, ids=lambda code: re.findall(r"import (\w+)", code)[-1])
def test_python_runs_and_prints_what_it_says(code, run_python, tmp_path):
    result = run_python(f"import os; os.chdir({str(tmp_path)!r})\n{code}")
    assert result.stdout.splitlines() == re.findall(r"^print\(.*\)  # (.*)$", code, flags=re.MULTILINE), result.stderr


@pytest.mark.parametrize("line", [line for block in BASH for line in block.splitlines()])
def test_commands_can_be_parsed(line):
    assert callable(cli._parser().parse_args(line.split()[1:]).run)


def test_there_are_some():
    assert len(PYTHON) == 3
    assert len(BASH) == 3
