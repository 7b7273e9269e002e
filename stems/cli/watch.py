"""`stems watch`: splits what is dropped into a folder."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from stems.cli.options import (
    Clip,
    ClipMode,
    CopySong,
    Downmix,
    From,
    ModelName,
    Tempo,
    To,
    Track,
    reading_of,
    tempo_of,
)
from stems.cli.output import complain, say
from stems.errors import StemsError
from stems.files.remote import place

if TYPE_CHECKING:
    from stems.batch.outcome import Result
    from stems.batch.plan import Settings
    from stems.batch.watch import Watch

Split = Callable[[Path], "Result"]
"""Splits a song; raises a StemsError where it cannot."""


def watch(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder to watch; folders in it are left alone.")
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Folder for the results, also at s3:// and the like; FOLDER/separated when left out.",
        ),
    ] = None,
    preset: Annotated[
        str, typer.Option(metavar="PRESET", help="What to make of the stems: see `stems presets`.")
    ] = "stems",
    daw: Annotated[
        str | None, typer.Option("--daw", metavar="FORMATS", help="DAW files to write too, as in `stems export --to`.")
    ] = None,
    model: ModelName = "openband",
    settle: Annotated[
        float,
        typer.Option(
            "--settle", metavar="SECONDS", help="Seconds a file must stay unchanged to count as copied.", min=0
        ),
    ] = 2.0,
    begin: From = None,
    end: To = None,
    track: Track = 1,
    downmix: Downmix = False,
    clip_mode: ClipMode = Clip.clamp,
    copy_song: CopySong = False,
    bpm: Tempo = None,
) -> None:
    """Split every song dropped into a folder, until stopped with Ctrl-C."""
    from stems.batch.plan import Settings, check_settings
    from stems.batch.presets import load_preset
    from stems.batch.watch import Watch
    from stems.card import stem_names
    from stems.daw import formats_named

    # A song that comes again is another take, whose stems replace the first one's.
    known = stem_names(model)
    settings = Settings(
        load_preset(preset, known=known),
        place(out) if out else folder / "separated",
        model=model,
        overwrite=True,
        daw=tuple(form.name for form in formats_named(daw)) if daw else (),
        reading=reading_of(begin, end, track, downmix),
        clip_mode=clip_mode.value,
        copy_song=copy_song,
        bpm=tempo_of(bpm),
    )
    check_settings(settings)
    watched = Watch(folder, settle)
    follow(watched, _splitter(folder, settings))


def follow(watched: Watch, split: Split) -> None:
    """Split songs dropped into a folder, saying so, until Ctrl-C or SIGTERM."""
    from stems.batch.watch import work_through
    from stems.cli.progress import describe

    def action(song: Path) -> None:
        say(f"Splitting {song.name}")
        say(describe(split(song)))

    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        say(f"Watching {watched.folder}; stop with Ctrl-C.")
        work_through(watched, action, _report, Event())
    except KeyboardInterrupt:
        say("Stopped. Songs that are not done will be when you start again.")
    finally:
        signal.signal(signal.SIGTERM, before)


def _splitter(folder: Path, settings: Settings) -> Split:
    from stems.batch.plan import plan
    from stems.batch.split import load_separator, split_song
    from stems.files.audio import READABLE_SUFFIXES

    separator = load_separator(settings)

    def split(song: Path) -> Result:
        # Planned with its neighbours: songs that differ only in their suffix must not share a folder.
        beside = [song]  # it may be gone by now, even with the folder, and fails by itself then
        with suppress(OSError):
            beside += [path for path in folder.iterdir() if path.suffix.lower() in READABLE_SUFFIXES and path.is_file()]
        task = next(task for task in plan(beside, settings) if task.song == song)
        result = split_song(task, settings, separator)
        if result.status != "done":
            raise StemsError(result.error)
        return result

    return split


def _report(song: Path, error: StemsError) -> None:
    complain(f"{song.name}: {error}")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
