"""Hands stems to a DAW: one room per format that a DAW reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from stems.errors import ExportError, OptionError

if TYPE_CHECKING:
    from stems.daw.session import Session


@dataclass(frozen=True)
class Format:
    """A kind of file that a DAW opens."""

    name: str
    """As on the command line."""
    opened_by: str
    suffix: str
    """What the exported file's name ends in."""
    room: str
    """The module whose `write(session, destination)` makes it."""

    def write(self, session: Session, destination: Path) -> None:
        """Write a session to `destination`.

        Raises:
            ExportError: the session does not fit the format, or the destination cannot be written.
        """
        import_module(self.room).write(session, destination)


FORMATS = {
    format.name: format
    for format in (
        Format("dawproject", "Bitwig Studio, Studio One, Cubase", ".dawproject", "stems.daw.dawproject"),
        Format("reaper", "REAPER", ".rpp", "stems.daw.reaper"),
        Format("stem-mp4", "Traktor, Mixxx, Serato", ".stem.mp4", "stems.daw.stem_mp4"),
        Format("ardour", "Ardour", " ardour", "stems.daw.ardour"),
        Format("audacity", "Audacity", " labels.txt", "stems.daw.audacity"),
    )
}


def formats_named(names: str | Sequence[str]) -> list[Format]:
    """Return the formats of a list such as `"dawproject,reaper"`.

    Raises:
        OptionError: a name that is none of `FORMATS`.
    """
    wanted = [name.strip().lower() for name in (names.split(",") if isinstance(names, str) else names)]
    for name in wanted:
        if name not in FORMATS:
            raise OptionError(f"{name!r} is no DAW format; choose from {', '.join(FORMATS)}.")
    return [FORMATS[name] for name in dict.fromkeys(wanted)]


def export(session: Session, folder: Path, formats: Sequence[Format], overwrite: bool = False) -> list[Path]:
    """Write a session into a folder, in each of the formats, and return what was written.

    Raises:
        ExportError: something with that name is there already and `overwrite` is not set, or a format fails.
    """
    places = destinations(session.name, folder, formats)
    for destination in places.values():
        if destination.exists() and not overwrite:
            raise ExportError(f"{destination} exists already; move it away or say --overwrite.")
    for format, destination in places.items():
        format.write(session, destination)
    return list(places.values())


def destinations(name: str, folder: Path, formats: Sequence[Format]) -> dict[Format, Path]:
    """Return where the files of a session of this name go."""
    from stems.files.destination import file_name

    return {format: folder / file_name(name, format.suffix) for format in formats}
