"""Blocks of code in Markdown, for the tests that run them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r'^( *)```(\w*)(?: title="([^"]+)")?\n(.*?)^ *```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code: its language, what it says, and the file that it is shown as, if any."""

    language: str
    text: str
    title: str


def blocks(path: Path) -> list[Block]:
    """All blocks of code of a document, in order."""
    found = _BLOCK.findall(path.read_text(encoding="utf-8"))
    return [Block(language, dedent(text), title) for _, language, title, text in found]


def desk(folder: Path, material: Path) -> Path:
    """Makes a folder look like a checkout, with songs to train on in `data/songs`."""
    for name in ("examples", "recipes", "presets", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "data").symlink_to(material)
    return folder
