"""The shell of a report: one HTML file that holds its style, pictures, sound and scripts."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from stems import __version__
from stems.errors import StemsError
from stems.files.destination import whole


def page(title: str, facts: str, body: str, scripts: str = "") -> str:
    """A whole page, which needs no other file and no network.

    Args:
        title: plain text.
        facts: one line about what is shown, plain text.
        body: HTML of the sections.
        scripts: HTML of the scripts at the end.
    """
    return Template(part("page.html")).substitute(
        title=escape(title),
        facts=escape(facts),
        style=part("style.css"),
        body=body,
        footer=f"Made by stems {__version__}. This page is one file: keep it or send it, it works without a network.",
        scripts=scripts,
    )


def section(heading: str, explanation: str, content: str, kind: str = "") -> str:
    """A part of a page: plain text of its heading and explanation, HTML of its content."""
    return (
        f'<section class="{kind}">\n<h2>{escape(heading)}</h2>\n<p>{escape(explanation)}</p>\n{content}\n</section>\n'
    )


def embedded(content: bytes, media_type: str) -> str:
    """The contents of a file as an address."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def part(name: str) -> str:
    """The text of a file beside this one."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def inlined(names: Sequence[str]) -> str:
    """Modules beside this one as one script, each after those that it imports: a page on disk can load none."""
    text = "\n".join(re.sub(r"^import .*\n|^export ", "", part(name), flags=re.MULTILINE) for name in names)
    return f'<script>\n"use strict";\n{text}</script>'


def write_page(path: Path, text: str) -> None:
    """Writes a page, or another text beside it, which is never there half.

    Raises:
        StemsError: if it cannot be written.
    """
    with whole(path, StemsError) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
