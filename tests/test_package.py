"""The package as an index and a shell see it: one version, both licences, commands that complete themselves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import stems

ROOT = Path(__file__).parents[1]


def test_it_runs_as_a_module() -> None:
    run = subprocess.run([sys.executable, "-m", "stems", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"stems {stems.__version__}"


@pytest.mark.parametrize("typed, offered", [("stems sp", "split"), ("stems split --two", "--two-stems")])
def test_a_shell_completes_commands_and_options(typed: str, offered: str) -> None:
    environment = {
        "_STEMS_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    program = Path(sys.executable).parent / "stems"
    run = subprocess.run([program], capture_output=True, text=True, env=os.environ | environment)
    assert offered in run.stdout.split()


@pytest.mark.parametrize(
    "file, version", [("CHANGELOG.md", r"^## (\d\S+)"), ("CITATION.cff", r"^version: (\S+)")], ids=lambda value: value
)
def test_the_newest_version_is_the_packages(file: str, version: str) -> None:
    found = re.search(version, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    assert found[1] == stems.__version__


def test_the_weights_bring_their_licence() -> None:
    from stems.card import SHIPPED, read_card, shipped_models

    text = (SHIPPED / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International")
    assert {read_card(path)["licence"] for path in shipped_models().values()} == {"CC BY-NC-SA 4.0"}


def test_the_text_for_an_index_links_to_no_file_of_this_folder() -> None:
    tomllib = pytest.importorskip("tomllib")  # of Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for rule in project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    assert not re.search(r"\]\((?!https?://)", text)
