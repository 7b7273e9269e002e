"""`stems export`: hands stems made earlier to a DAW."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stems.cli.options import CopySong, Tempo, tempo_of
from stems.cli.output import say, say_data
from stems.daw import FORMATS
from stems.errors import OptionError

if TYPE_CHECKING:
    from stems.daw.session import Session
    from stems.song.tempo import Estimate

TO_HELP = "Formats, separated by commas: " + "; ".join(f"{f.name} ({f.opened_by})" for f in FORMATS.values()) + "."


def export(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A song's folder of stems, or a folder of such folders.")
    ],
    to: Annotated[str, typer.Option("--to", metavar="FORMATS", help=TO_HELP)] = "dawproject",
    song: Annotated[
        Path | None,
        typer.Option(
            "--song",
            metavar="FILE",
            help="The song that was split: a muted track, and where position and tempo are read. It is found where "
            "it lies near the stems.",
        ),
    ] = None,
    bpm: Tempo = None,
    meter: Annotated[
        str | None, typer.Option("--meter", metavar="UPPER/LOWER", help="Time signature such as 3/4.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="Folder to write to; the stems' own when left out."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier exports.")] = False,
    copy_song: CopySong = False,
    json_lines: Annotated[
        bool, typer.Option("--json", help="One line of JSON for each folder of stems, and no more.")
    ] = False,
) -> None:
    """Make files that a DAW opens out of stems on disk."""
    from stems.daw import NotAllExported, formats_named
    from stems.daw import export as export_session
    from stems.daw.session import audio_in, not_taken_in, session_in

    formats, tempo_bpm = formats_named(to), tempo_of(bpm)
    time_signature = _time_signature(meter) if meter else None
    folders = [folder]
    if not audio_in(folder):
        folders = sorted(inside for inside in folder.iterdir() if inside.is_dir() and audio_in(inside)) or [folder]
    if song and len(folders) > 1:
        raise OptionError(f"--song names one song and {folder} holds {len(folders)}: export them one by one.")
    for stems in folders:
        session = session_in(stems, song, None if tempo_bpm == "auto" else tempo_bpm, time_signature)
        found = _estimate(session) if tempo_bpm == "auto" else None
        session = replace(session, tempo_bpm=(found and found.tempo_bpm) or session.tempo_bpm)
        left_out = {path.name: "projects cannot hold this format" for path in not_taken_in(stems)}
        left_out |= dict.fromkeys(session.sums, "a sum of other stems there")
        if session.mixture is None:
            left_out["mixture"] = "the song was not found; --song FILE puts it on a muted track"
        notes: list[str] = []
        if session.mixture and not session.belongs:
            notes.append(f"the stems do not sound in {session.mixture.path}: --song names the song they were made of")
        try:
            written, error = export_session(session, out or stems, formats, overwrite, copy_song, notes.append), None
        except NotAllExported as fault:
            written, error = fault.written, fault
        if json_lines:
            _say_json(stems, session.mixture.path if session.mixture else None, written, left_out, error, found, notes)
        else:
            for path in written:
                say(f"Wrote {path}")
            for name, why in left_out.items():
                say(f"    without {name}: {why}")
            for note in (*notes, *([found.sentence] if found else [])):
                say(f"    {note}")
        if error:
            raise error


def _estimate(session: Session) -> Estimate:
    """Of the song, or of its stems where it was not found."""
    from stems.files.audio import open_song
    from stems.song.tempo import estimate

    with ExitStack() as stack:
        tracks = [session.mixture] if session.mixture else session.tracks
        return estimate(*(stack.enter_context(open_song(track.path, track.how_read)) for track in tracks))


def _say_json(
    folder: Path,
    song: Path | None,
    written: list[Path],
    left_out: dict[str, str],
    error: Exception | None,
    found: Estimate | None,
    notes: list[str],
) -> None:
    line = {
        "folder": str(folder),
        "status": "failed" if error else "done",
        "song": str(song) if song else None,
        "exports": [str(path) for path in written],
        "left_out": left_out,
        **(found.as_json() if found else {}),
        **({"note": " ".join(notes)} if notes else {}),
        **({"error": str(error)} if error else {}),
    }
    say_data(json.dumps(line))


def _time_signature(meter: str) -> tuple[int, int]:
    upper, _, lower = meter.partition("/")
    if not (upper.isdecimal() and lower in ("1", "2", "4", "8", "16", "32") and 1 <= int(upper) <= 99):
        raise OptionError(f"{meter!r} is no time signature; write it like 4/4 or 7/8.")
    return int(upper), int(lower)
