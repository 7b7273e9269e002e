"""Brings pages that lie beside `docs/`, and the help of all commands, into the documentation."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
BESIDE = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    "benchmarks/lengths.png",
    "examples/README.md",
    "findings/README.md",
    "plugin/README.md",
    "plugin/window.png",
    "recipes/*.md",
    "recipes/*.png",
    "recipes/notebook/*.md",
    "recipes/ablation-embedding/*.png",
)
NAMES = "|".join(re.escape(name) for name in sorted({pattern.split("/")[0] for pattern in BESIDE}))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages, at the places that they have in the repository."""
    for pattern in BESIDE:
        for path in sorted(ROOT.glob(pattern)):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Makes links of the repository links of the site, where `docs/` is the top, and writes out `[COMMANDS]`."""
    markdown = re.sub(rf"\]\(\.\./((?:\.\./)*(?:{NAMES}))", r"](\1", markdown)
    markdown = markdown.replace("](docs/", "](").replace("](../docs/", "](../")
    return markdown.replace("[COMMANDS]", commands()) if "[COMMANDS]" in markdown else markdown


def commands() -> str:
    """The help of all commands, as typer writes it in Markdown."""
    typer = [sys.executable, "-m", "typer", "stems.cli.commands", "utils", "docs", "--name", "stems"]
    return subprocess.run(typer, cwd=ROOT, capture_output=True, text=True, check=True).stdout.partition("\n")[2]
