"""What commands say: any name on any terminal or in any log, whose faults never end the work."""

from __future__ import annotations

import sys
import unicodedata
from contextlib import suppress
from typing import TextIO

import typer


def say(text: str) -> None:
    """Prints text for people."""
    _print(shown(text), sys.stdout)


def say_data(line: str) -> None:
    """Prints a line for programs, as it is."""
    _print(line, sys.stdout)


def complain(text: str) -> None:
    """Prints what went wrong."""
    _print(typer.style(shown(text), fg="red") if sys.stderr.isatty() else shown(text), sys.stderr)


def shown(text: str) -> str:
    """Text without what a terminal would carry out or an encoding cannot hold: `?` for each such character."""
    return "".join("?" if unicodedata.category(c) in ("Cc", "Cs") and c != "\n" else c for c in text)


def accept_any_name() -> None:
    """Lets standard output and error take characters that their encoding lacks, such as Windows' when piped."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # which notebooks' and tests' streams lack
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def could_be_written() -> bool:
    """Whether all that was printed has reached its place; after that nothing more is printed."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):  # what Python tries once more at its end
            sys.stdout.close()
        return False
    return sys.stdout not in _failed


_failed: set[TextIO] = set()


def _print(text: str, stream: TextIO) -> None:
    if stream in _failed:
        return
    try:
        print(text, file=stream, flush=True)
    except (OSError, ValueError):  # a full disk, or nobody reads any more
        _failed.add(stream)
