"""What commands say: any name on any terminal or in any log, whose faults never end the work."""

from __future__ import annotations

import re
import sys
import unicodedata
from contextlib import suppress
from typing import TextIO

import typer

from stems.files.formats import AUDIO_SUFFIXES


def say(text: str) -> None:
    """Prints text for people."""
    _print(shown(text), sys.stdout)


def say_data(line: str) -> None:
    """Prints a line for programs, as it is."""
    _print(line, sys.stdout)


def complain(text: str) -> None:
    """Prints what went wrong."""
    _print(typer.style(shown(text), fg="red") if sys.stderr.isatty() else shown(text), sys.stderr)


def call(path: str, name: str) -> None:
    """Has all that is said from now on call a path, and the file of sound below it, by another name."""
    suffixes = "|".join(dict.fromkeys(suffix[1:] for suffix in AUDIO_SUFFIXES))
    _names[re.compile(rf'{re.escape(path)}(/[^"\n]*?\.({suffixes})\b|/[^"\n]*?(?= \())?')] = name


def shown(text: str) -> str:
    """Text without what a terminal would carry out or an encoding cannot hold: `?` for each such character."""
    return "".join("?" if unicodedata.category(c) in ("Cc", "Cs") and c != "\n" else c for c in text)


def accept_any_name() -> None:
    """Lets standard output and error take characters that their encoding lacks, such as Windows' when piped."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # which notebooks' and tests' streams lack
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def unwritten() -> str:
    """Why some of what was printed has not reached its place, if so; after that nothing more is printed."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):  # what Python tries once more at its end
            sys.stdout.close()
        return _reason(error)
    return _failed.get(sys.stdout, "")


def _reason(error: Exception) -> str:
    if isinstance(error, BrokenPipeError):
        return "what it had to say was not read to the end."
    return "what it had to say could not be written; see whether the disk of the log is full."


_failed: dict[TextIO, str] = {}
_names: dict[re.Pattern[str], str] = {}


def _print(text: str, stream: TextIO) -> None:
    if stream in _failed:
        return
    for pattern, name in _names.items():
        text = pattern.sub(name, text)
    try:
        print(text, file=stream, flush=True)
    except (OSError, ValueError) as error:  # a full disk, or nobody reads any more
        _failed[stream] = _reason(error)
