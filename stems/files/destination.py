"""The place where an export ends: a name every system accepts, filled whole or not at all."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stems.errors import ExportError, StemsError
from stems.files.unfinished import HIDDEN, Unfinished

LONGEST_NAME = 255  # bytes: the limit of ext4, APFS and NTFS alike, for names in UTF-8
_FORBIDDEN = '<>:"/\\|?*'  # by Windows, whose users open what others zip
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{digit}" for port in ("COM", "LPT") for digit in range(1, 10))}


def file_name(name: str, suffix: str = "", longest: int = LONGEST_NAME) -> str:
    """Return `name + suffix` as a file name that every system accepts.

    Characters that some system forbids become `_`, and the name (never the suffix) is shortened to fit into
    `longest` bytes of UTF-8.
    """
    kept, suffix = ("".join("_" if c in _FORBIDDEN else c for c in printable(part)) for part in (name, suffix))
    kept = kept.encode()[: longest - len(suffix.encode())].decode(errors="ignore").rstrip(" .")
    if not kept or kept.split(".")[0].upper() in _RESERVED:
        kept = f"_{kept}"
    return kept + suffix


def printable(text: str) -> str:
    """Return text with `_` for what no project file can hold: control characters and undecodable bytes."""
    return "".join("_" if unicodedata.category(c) in ("Cc", "Cs") or c in "\ufffe\uffff" else c for c in text)


@contextmanager
def whole(destination: Path, error: type[StemsError] = ExportError, is_folder: bool = False) -> Iterator[Path]:
    """Yield a path to write to, which becomes `destination` when the block ends well and vanishes when it does not.

    An empty file is there already, or a folder if one is to be written. It lies in the destination's folder (made if
    missing), so that the last step is a rename; what stood at the destination is replaced.

    Raises:
        StemsError: of the given kind, where the folder cannot be written to, or a file that the block reads is gone.
    """
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Unfinished(destination, is_folder)
        try:
            yield unfinished.path
            unfinished.finish()
        finally:
            unfinished.discard()
    except OSError as fault:
        if (source := _source_of(fault, destination)) is not None:
            remedy = "check that it is still there and may be read"
            raise error(f"{destination} cannot be made of {source} ({fault.strerror}): {remedy}.") from fault
        raise error(f"{destination} cannot be written ({fault.strerror or fault}): choose another place.") from fault


def _source_of(fault: OSError, destination: Path) -> Path | None:
    """The file that was read for a destination and is not there or not to be read, where that is the fault."""
    if not isinstance(fault, (FileNotFoundError, PermissionError)) or not isinstance(fault.filename, (str, bytes)):
        return None
    path = Path(os.fsdecode(fault.filename))
    is_ours = path in (destination, *destination.parents) or any(part.startswith(HIDDEN) for part in path.parts)
    return None if is_ours else path


def check_can_be_written(destination: Path, error: type[StemsError] = ExportError) -> None:
    """Raises an error of the given kind, before any work, where `whole` could not write to a destination."""
    folder = next(folder for folder in destination.absolute().parents if folder.exists())
    try:
        Unfinished(folder / destination.name).discard()
    except OSError as fault:
        raise error(f"{destination} cannot be written ({fault.strerror or fault}): choose another place.") from fault


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder inside of another, for files on the way to a `whole` one there; it vanishes afterwards."""
    work = Unfinished(folder / "scratch", is_folder=True)
    try:
        yield work.path
    finally:
        work.discard()
