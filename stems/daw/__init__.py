"""Hands stems to a DAW: one room per format that a DAW reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from stems.errors import ExportError, OptionError, did_you_mean

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
    """The module whose `write(session, destination)` makes it, and may return what the user should know; if it has a
    `check(stems, name)`, that says what does not fit."""
    codec: str = ""
    """Of its audio, a further argument of `write`, where there is a choice."""
    refers_to_song: bool = False
    """Whether its mixture is the song's own file, which must then be one that the DAW reads."""

    def write(self, session: Session, destination: Path) -> str:
        """Write a session to `destination`, and return what the user should know of it.

        Raises:
            ExportError: the session does not fit the format, or the destination cannot be written.
        """
        return import_module(self.room).write(session, destination, *([self.codec] if self.codec else [])) or ""


FORMATS = {
    format.name: format
    for format in (
        Format("dawproject", "Bitwig Studio, Studio One, Cubase", ".dawproject", "stems.daw.dawproject"),
        Format("reaper", "REAPER", ".rpp", "stems.daw.reaper", refers_to_song=True),
        Format("stem-mp4", "Traktor, Mixxx, Serato", ".stem.mp4", "stems.daw.stem_mp4"),
        Format("stem-mp4-alac", "the same, lossless", " lossless.stem.mp4", "stems.daw.stem_mp4", "alac"),
        Format("ardour", "Ardour", " ardour", "stems.daw.ardour"),
        Format("audacity", "Audacity", " labels.txt", "stems.daw.audacity"),
    )
}

BY_HAND = {
    **dict.fromkeys(("ableton", "abletonlive", "live"), "Ableton Live"),
    **dict.fromkeys(("logic", "logicpro"), "Logic Pro"),
    **dict.fromkeys(("fl", "flstudio"), "FL Studio"),
    **dict.fromkeys(("protools",), "Pro Tools"),
}
"""DAWs whose projects only they can write, by what people may call them."""


def formats_named(names: str | Sequence[str]) -> list[Format]:
    """Return the formats of a list such as `"dawproject,reaper"`.

    Raises:
        OptionError: a name that is none of `FORMATS`.
    """
    wanted = [name.strip().lower() for name in (names.split(",") if isinstance(names, str) else names)]
    for name in wanted:
        if name not in FORMATS:
            if daw := BY_HAND.get(name.replace("-", "").replace(" ", "")):
                raise OptionError(
                    f"{daw} takes stems as they are: leave --daw out and drag the wav files, which begin together, "
                    "to the start of its timeline."
                )
            raise OptionError(
                f"{name!r} is no DAW format{did_you_mean(name, FORMATS)}: choose from {', '.join(FORMATS)}."
            )
    return [FORMATS[name] for name in dict.fromkeys(wanted)]


class NotAllExported(ExportError):
    """Some formats that failed, beside those that were written.

    Attributes:
        written: the files of the others.
    """

    def __init__(self, reason: str, written: list[Path]) -> None:
        super().__init__(reason, written)
        self.written = written

    def __str__(self) -> str:
        return str(self.args[0])


def export(
    session: Session,
    folder: Path,
    formats: Sequence[Format],
    overwrite: bool = False,
    copy_song: bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Write a session into a folder, in each of the formats, and return what was written.

    Args:
        session: to write.
        folder: where to.
        formats: in each of which it is written, whether or not another fails.
        overwrite: whether earlier exports are replaced.
        copy_song: whether the song is copied beside a REAPER project, which then survives moving the folder.
        note: told what the user should know of what was written.

    Raises:
        ExportError: something with that name is there already and `overwrite` is not set.
        NotAllExported: a format fails; the others are written.
    """
    from stems.daw.mixture import plain_mixture

    places = destinations(session.name, folder, formats)
    for destination in places.values():
        if destination.exists() and not overwrite:
            raise ExportError(f"{destination} exists already; move it away or say --overwrite.")
    written, failures = [], []
    refers = any(format.refers_to_song for format in places)
    with plain_mixture(session, folder, refers, copy_song) as (playable, is_copied):
        if is_copied and playable.mixture:
            written.append(playable.mixture.path)
        for format, destination in places.items():
            try:
                if said := format.write(playable, destination):
                    note(said)
                written.append(destination)
            except ExportError as error:
                failures.append(str(error))
    if failures:
        raise NotAllExported(" ".join(failures), written)
    return written


def check(formats: Sequence[str], stems: Sequence[str]) -> None:
    """Raise ExportError where a format could hold no song of these stems."""
    for format in formats_named(formats):
        room = import_module(format.room)
        if hasattr(room, "check"):
            room.check(stems, "the preset")


def destinations(name: str, folder: Path, formats: Sequence[Format]) -> dict[Format, Path]:
    """Return where the files of a session of this name go."""
    from stems.files.destination import file_name

    return {format: folder / file_name(name, format.suffix) for format in formats}
