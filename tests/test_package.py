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


@pytest.mark.parametrize(
    "schema, files",
    [
        ("github-workflows", ".github/workflows/*.yml"),
        ("github-issue-forms", ".github/ISSUE_TEMPLATE/[!c]*.yml"),
        ("github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
        ("citation-file-format", "CITATION.cff"),
    ],
)
def test_files_for_other_programs_are_as_these_expect_them(schema: str, files: str) -> None:
    pytest.importorskip("check_jsonschema")
    paths = sorted(ROOT.glob(files))
    assert paths
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *paths]
    run = subprocess.run(check, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


def test_the_workflow_runs_all_versions_of_python_that_the_package_names() -> None:
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    named = re.findall(r"Python :: (3\.\d+)", project)
    assert re.findall(r'"(3\.\d+)"', re.search(r"python: \[.*\]", workflow)[0]) == named
    assert f'requires-python = ">={named[0]}"' in project


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
