"""The documentation: it builds without a warning, its links lead somewhere, and what it shows works as written."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from documents import ROOT, Block, blocks, desk

from stems.batch.presets import load_preset
from stems.hints import gather

PAGES = sorted((ROOT / "docs").rglob("*.md"))
RUN = {"console", "python", "toml"}
READ = {"bash", "text"}  # what needs a network, a device or somebody's own songs
PROSE = sorted(
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "recipes/**/*.md",
        "benchmarks/*.md",
        "examples/*.md",
        "findings/*.md",
        "plugin/*.md",
    )
    for path in ROOT.glob(pattern)
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [page for page in PAGES if any(b.language in RUN for b in blocks(page))], ids=name_of)
def test_what_a_page_shows_works_from_top_to_bottom(
    page: Path, tmp_path: Path, material: Path, monkeypatch: pytest.MonkeyPatch, stems: Callable
) -> None:
    monkeypatch.chdir(desk(tmp_path, material))
    for block in blocks(page):
        if block.language == "console":
            for command in block.text.splitlines():
                program, *arguments = shlex.split(command)
                assert program == "stems"
                code, said, complained = stems(*arguments)
                assert code == 0, f"{command}\n{said}{complained}"
        elif block.language == "python":
            exec(compile(block.text, name_of(page), "exec"), {})
        elif block.language == "toml":
            keep(block)


def keep(block: Block) -> None:
    """Writes a file that a page shows, and reads it as the program would."""
    assert block.title, "a page says what its file is called, for the commands that follow"
    Path(block.title).write_text(block.text, encoding="utf-8")
    if "[outputs]" in block.text:
        assert load_preset(block.title).outputs
    else:
        assert gather([block.title], ("drums", "bass", "vocals", "other"))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_says_of_each_block_whether_it_can_be_run(page: Path) -> None:
    assert {block.language for block in blocks(page)} <= RUN | READ


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_that_are_not_run_exist_all_the_same(page: Path, stems: Callable) -> None:
    for block in blocks(page):
        for line in block.text.splitlines() if block.language == "bash" else ():
            if line.startswith("stems "):
                command, *arguments = shlex.split(line)[1:]
                code, said, _ = stems(command, "--help")
                assert code == 0
                assert {word for word in arguments if word.startswith("--")} <= set(re.findall(r"--[\w-]+", said))


@pytest.mark.parametrize("page", PROSE, ids=name_of)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^( *)```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_every_question_of_the_notebook_is_in_its_index() -> None:
    notebook = ROOT / "recipes" / "notebook"
    index = (notebook / "README.md").read_text(encoding="utf-8")
    for page in notebook.glob("2026-*.md"):
        title = page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        assert f"[{title}]({page.name})" in index


def test_its_pictures_can_be_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(ROOT / "docs")
    pictures = importlib.import_module("pictures")
    monkeypatch.setattr(pictures, "IMAGES", tmp_path)
    pictures.main()
    drawn = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(drawn) == {path.name for path in (ROOT / "docs" / "images").glob("*.png")}
    assert all(5_000 < size < 250_000 for size in drawn.values())  # a picture, and one that a checkout can bear


def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings_handlers.python")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {"NO_MKDOCS_2_WARNING": "1"}  # of mkdocs-material, about itself
    run = subprocess.run(build, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "WARNING" not in run.stderr
    commands = (tmp_path / "site" / "reference" / "commands" / "index.html").read_text(encoding="utf-8")
    assert "--two-stems" in commands
