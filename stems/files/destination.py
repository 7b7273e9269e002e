"""The place where an export ends: a name every system accepts, filled whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stems.errors import ExportError

LONGEST_NAME = 255  # bytes: the limit of ext4, APFS and NTFS alike, for names in UTF-8
_FORBIDDEN = '<>:"/\\|?*'  # by Windows, whose users open what others zip
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{digit}" for port in ("COM", "LPT") for digit in range(1, 10))}


def file_name(name: str, suffix: str = "", longest: int = LONGEST_NAME) -> str:
    """Return `name + suffix` as a file name that every system accepts.

    Characters that some system forbids become `_`, and the name (never the suffix) is shortened to fit into
    `longest` bytes of UTF-8.
    """
    kept = "".join("_" if c in _FORBIDDEN else c for c in printable(name))
    kept = kept.encode()[: longest - len(suffix.encode())].decode(errors="ignore").rstrip(" .")
    if not kept or kept.split(".")[0].upper() in _RESERVED:
        kept = f"_{kept}"
    return kept + suffix


def printable(text: str) -> str:
    """Return text with `_` for what no project file can hold: control characters and undecodable bytes."""
    return "".join("_" if unicodedata.category(c) in ("Cc", "Cs") or c in "\ufffe\uffff" else c for c in text)


@contextmanager
def whole(destination: Path) -> Iterator[Path]:
    """Yield a path to write to, which becomes `destination` when the block ends well and vanishes when it does not.

    The path lies in the destination's folder (made if missing), so that the last step is a rename. What is
    written may be a file or a folder; what stood at the destination is replaced.

    Raises:
        ExportError: the folder cannot be written to.
    """
    unfinished = destination.with_name(f".stems-{secrets.token_hex(6)}.partial")
    replaced = unfinished.with_suffix(".replaced")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        if destination.is_dir():  # a folder with something in it cannot be renamed over
            os.replace(destination, replaced)
        os.replace(unfinished, destination)
    except OSError as error:
        raise ExportError(f"Cannot write {destination}: {error.strerror or error}; choose another place.") from error
    finally:
        if replaced.exists() and not destination.exists():
            os.replace(replaced, destination)
        for left in (unfinished, replaced):
            if left.is_dir():
                shutil.rmtree(left)
            elif left.exists():
                left.unlink()
