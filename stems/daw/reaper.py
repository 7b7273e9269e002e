"""The REAPER project, which refers to the stems by paths relative to itself."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from stems.daw.colours import PALETTE
from stems.daw.session import Session, Track
from stems.errors import ExportError
from stems.files.destination import printable, whole

_SOURCES = {".flac": "FLAC", ".mp3": "MP3", ".ogg": "VORBIS"}
_FOLDER_STARTS, _FOLDER_ENDS, _IN_FOLDER = "1 1", "2 -1", "0 0"


def write(session: Session, destination: Path) -> None:
    """Write a session as a REAPER project: a folder track with the stems in it, the mixture muted below.

    Raises:
        ExportError: the destination cannot be written, or a path holds what no REAPER project can name.
    """
    text = "\n".join(_project(session, destination.parent)) + "\n"
    with whole(destination) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="\n")


def script(command: str = "stems") -> str:
    """Return the ReaScript that splits the selected item and puts the stems under it.

    Args:
        command: how REAPER, which does not know your shell's PATH, starts stems: best an absolute path.
    """
    lua = files("stems.daw").joinpath("reaper_script.lua").read_text(encoding="utf-8")
    colours = []
    for rank, (stem, colour) in enumerate(PALETTE.items()):
        red, green, blue = bytes.fromhex(colour[1:])
        colours.append(f"{stem} = {{ rank = {rank}, red = {red}, green = {green}, blue = {blue} }}")
    bytes_of_command = "".join(f"\\{byte:03d}" for byte in os.fsencode(command))
    lua = lua.replace('"stems" -- COMMAND', f'"{bytes_of_command}" -- {printable(command)}')
    return lua.replace("{} -- COLOURS", "{ " + ", ".join(colours) + " }")


def _project(session: Session, folder: Path) -> Iterator[str]:
    yield '<REAPER_PROJECT 0.1 "7.0" 0'
    yield f"  SAMPLERATE {session.sample_rate} 1 0"
    if session.tempo_bpm:
        upper, lower = session.time_signature or (4, 4)
        yield f"  TEMPO {session.tempo_bpm!r} {upper} {lower}"
    for number, marker in enumerate(session.markers, start=1):
        start = session.start + marker.position
        region = int(marker.length > 0)
        yield f"  MARKER {number} {start / session.sample_rate!r} {_quoted(marker.name)} {region}"
        if region:
            yield f'  MARKER {number} {(start + marker.length) / session.sample_rate!r} "" {region}'
    yield from _track(session, session.name, "", _FOLDER_STARTS)
    for track in session.tracks:
        last = track is session.tracks[-1]
        yield from _track(session, track.name, track.colour, _FOLDER_ENDS if last else _IN_FOLDER, track, folder)
    if session.mixture:
        yield from _track(session, session.mixture.name, session.mixture.colour, _IN_FOLDER, session.mixture, folder)
    yield ">"


def _track(
    session: Session, name: str, colour: str, bus: str, track: Track | None = None, folder: Path = Path()
) -> Iterator[str]:
    yield f"  <TRACK {_identity(session.name, name, bus)}"
    yield f"    NAME {_quoted(name)}"
    if colour:
        yield f"    PEAKCOL {_colour(colour)}"
    yield "    BEAT 0"  # in time, not in beats: a tempo set later must not stretch the stems
    yield "    VOLPAN 1 0 -1 -1 1"
    yield f"    MUTESOLO {int(bool(track and track.muted))} 0 0"
    yield f"    ISBUS {bus}"
    yield f"    NCHAN {max(2, track.channels + track.channels % 2) if track else 2}"
    if track:
        yield "    <ITEM"
        yield f"      POSITION {session.start_seconds!r}"
        yield f"      LENGTH {track.seconds!r}"
        yield "      LOOP 0"
        yield "      FADEIN 1 0 0 1 0 0 0"
        yield "      FADEOUT 1 0 0 1 0 0 0"
        yield f"      NAME {_quoted(track.name)}"
        yield "      VOLPAN 1 0 1 -1"
        yield "      SOFFS 0"
        yield "      PLAYRATE 1 1 0 -1 0 0.0025"
        yield f"      <SOURCE {_SOURCES.get(track.path.suffix.lower(), 'WAVE')}"
        yield f"        FILE {_path(track.path, folder)}"
        yield "      >"
        yield "    >"
    yield "  >"


def _path(path: Path, folder: Path) -> str:
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # another drive
        relative = str(path.resolve())
    if all(quote in relative for quote in "\"'`") or not relative.isprintable():
        raise ExportError(f"REAPER cannot name {path}: rename it without line breaks, or without one of \" ' `.")
    return _quoted(relative)


def _quoted(text: str) -> str:
    """Quote as REAPER does, with the first of its three marks that the text lacks."""
    mark = next((quote for quote in "\"'`" if quote not in text), None)
    return f"{mark}{text}{mark}" if mark else "`" + text.replace("`", "'") + "`"


def _colour(colour: str) -> int:
    red, green, blue = bytes.fromhex(colour[1:])
    return 0x100_0000 + (blue << 16) + (green << 8) + red


def _identity(*names: str) -> str:
    return "{" + str(uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(names))).upper() + "}"
