"""Brings pages that lie beside `docs/` into the documentation, where they are read, too."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
BESIDE = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "benchmarks/README.md",
    "examples/README.md",
    "findings/README.md",
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
    """Makes links of the repository links of the site, where `docs/` is the top."""
    markdown = re.sub(rf"\]\(\.\./((?:\.\./)*(?:{NAMES}))", r"](\1", markdown)
    return markdown.replace("](docs/", "](").replace("](../docs/", "](../")
