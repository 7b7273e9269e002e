"""`stems export`: hands stems made earlier to a DAW."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stems.cli.options import CopySong, Tempo, tempo_of
from stems.cli.output import complain, say, say_data
from stems.daw import FORMATS
from stems.errors import OptionError, StemsError

if TYPE_CHECKING:
    from stems.daw import Format as DawFormat
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
    from stems.daw import formats_named
    from stems.daw.session import audio_in

    formats, tempo_bpm = formats_named(to), tempo_of(bpm)
    time_signature = _time_signature(meter) if meter else None
    folders = [folder]
    if not audio_in(folder):
        folders = sorted(inside for inside in folder.iterdir() if inside.is_dir() and audio_in(inside)) or [folder]
    if song and len(folders) > 1:
        raise OptionError(f"--song names one song and {folder} holds {len(folders)}: export them one by one.")
    failures: list[StemsError] = []
    for stems in folders:
        outcome = _Outcome(stems)
        try:
            _export(outcome, song, formats, tempo_bpm, time_signature, out or stems, overwrite, copy_song)
        except StemsError as error:
            outcome.error = str(error)
            failures.append(error)
        if json_lines:
            say_data(json.dumps(outcome.as_json()))
        else:
            outcome.tell()
        if outcome.error and len(folders) > 1:
            complain(f"stems: {outcome.error}")
    if failures:
        raise failures[0] if len(folders) == 1 else typer.Exit(1)


@dataclass
class _Outcome:
    """What became of a folder of stems."""

    folder: Path
    song: Path | None = None
    written: list[Path] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    found: Estimate | None = None
    notes: list[str] = field(default_factory=list)
    error: str = ""

    def tell(self) -> None:
        for path in self.written:
            say(f"Wrote {path}")
        for name, why in self.left_out.items() if self.written else ():
            say(f"    without {name}: {why}")
        for note in (*self.notes, *([self.found.sentence] if self.found else [])):
            say(f"    {note}")

    def as_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "status": "failed" if self.error else "done",
            "song": str(self.song) if self.song else None,
            "exports": [str(path) for path in self.written],
            "left_out": self.left_out,
            **(self.found.as_json() if self.found else {}),
            **({"note": " ".join(self.notes)} if self.notes else {}),
            **({"error": self.error} if self.error else {}),
        }


def _export(
    outcome: _Outcome,
    song: Path | None,
    formats: list[DawFormat],
    tempo_bpm: float | Literal["auto"] | None,
    time_signature: tuple[int, int] | None,
    out: Path,
    overwrite: bool,
    copy_song: bool,
) -> None:
    """Exports one folder of stems, and notes what becomes of it.

    Raises:
        StemsError: not all of it could be exported.
    """
    from stems.daw import NotAllExported
    from stems.daw import export as export_session
    from stems.daw.session import not_taken_in, session_in

    session = session_in(outcome.folder, song, None if tempo_bpm == "auto" else tempo_bpm, time_signature)
    outcome.found = _estimate(session) if tempo_bpm == "auto" else None
    session = replace(session, tempo_bpm=(outcome.found and outcome.found.tempo_bpm) or session.tempo_bpm)
    outcome.left_out = {path.name: "projects cannot hold this format" for path in not_taken_in(outcome.folder)}
    outcome.left_out |= dict.fromkeys(session.sums, "a sum of other stems there")
    if session.mixture is None:
        outcome.left_out["mixture"] = "the song was not found; --song FILE puts it on a muted track"
    else:
        outcome.song = session.mixture.path
        if not session.belongs:
            outcome.notes.append(f"the stems do not sound in {outcome.song}: --song names the song they were made of")
    try:
        outcome.written = export_session(session, out, formats, overwrite, copy_song, outcome.notes.append)
    except NotAllExported as error:
        outcome.written = error.written
        raise


def _estimate(session: Session) -> Estimate:
    """Of the song, or of its stems where it was not found."""
    from stems.files.audio import open_song
    from stems.song.tempo import estimate

    with ExitStack() as stack:
        tracks = [session.mixture] if session.mixture else session.tracks
        return estimate(*(stack.enter_context(open_song(track.path, track.how_read)) for track in tracks))


def _time_signature(meter: str) -> tuple[int, int]:
    upper, _, lower = meter.partition("/")
    if not (upper.isdecimal() and lower in ("1", "2", "4", "8", "16", "32") and 1 <= int(upper) <= 99):
        raise OptionError(f"{meter!r} is no time signature; write it like 4/4 or 7/8.")
    return int(upper), int(lower)
