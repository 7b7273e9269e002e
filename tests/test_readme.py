"""Every command and every piece of code in the README works as it is written."""

import os
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path

import documents
import pytest
from documents import ROOT

README = ROOT / "README.md"


def blocks(language: str) -> list[str]:
    return [block.text for block in documents.blocks(README) if block.language == language]


@pytest.fixture(scope="module")
def desk(tmp_path_factory, material) -> Path:
    """A folder that looks like a checkout, in which the commands of the README run one after the other."""
    return documents.desk(tmp_path_factory.mktemp("desk"), material)


COMMANDS = [line for block in blocks("console") for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_readme(desk, command):
    program, *arguments = shlex.split(command)
    assert program == "stems"
    run = subprocess.run(
        [Path(sys.executable).parent / "stems", *arguments],
        cwd=desk,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr + run.stdout


@pytest.mark.parametrize("command", [line for block in blocks("bash") for line in block.splitlines()])
def test_what_runs_until_it_is_stopped_starts(desk, command):
    pytest.importorskip("uvicorn")
    program, *arguments = shlex.split(command)
    command = [Path(sys.executable).parent / program, *arguments, "--no-browser", "--folder", desk / "studio"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(command, cwd=desk, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        said = run.stdout.readline()
        with urllib.request.urlopen(said.split()[-1]) as page:
            assert b"<title>stems studio</title>" in page.read()
    finally:
        run.terminate()
        run.communicate()


@pytest.mark.parametrize("code", blocks("python"))
def test_python_of_the_readme(desk, code, monkeypatch):
    monkeypatch.chdir(desk)
    exec(compile(code, "README.md", "exec"), {})


def test_the_readme_can_be_read_in_five_minutes():
    assert len(README.read_text(encoding="utf-8").split()) <= 900


def test_continuous_integration_runs_the_two_commands_of_the_readme():
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) == 2
    assert lines[0].startswith("python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/stems split examples/")
    assert lines[1].startswith('.venv/bin/pip install ".[test]"') and lines[1].endswith(".venv/bin/pytest")
    assert "README.md" in (ROOT / ".ci" / "run").read_text()
