"""`-`: a song from standard input, a stem to standard output."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stems.cli.output import call
from stems.errors import OptionError
from stems.files.formats import AUDIO_SUFFIXES

STREAM = "-"
KEPT = "stdin"  # name of the file that standard input is kept in, and of its folder of stems


def with_standard_streams(command: Callable[..., None]) -> Callable[..., None]:
    """A command that splits songs, which takes `-` among them for standard input and `--out -` for standard output.

    What comes in is kept in a temporary file until the song is done, since it is read twice. What is said calls both
    `-`, and goes to standard error where the stem goes to standard output.
    """

    @wraps(command)
    def wrapped(*, songs: list[str] | None, out: str, **options: Any) -> None:
        songs = songs or []
        if STREAM not in songs and out != STREAM:
            return command(songs=songs, out=out, **options)
        if out == STREAM:
            _check_one_file(songs, options)
        with TemporaryDirectory(prefix="stems-") as folder:
            call(str(Path(folder, KEPT)), STREAM)
            if STREAM in songs:
                if "copy_song" in options:
                    options["copy_song"] = True  # a project would refer to what is gone afterwards
                songs = [str(_kept(Path(folder))) if song == STREAM else song for song in dict.fromkeys(songs)]
            if out != STREAM:
                return command(songs=songs, out=out, **options)
            written = Path(folder, "out")
            call(str(written), STREAM)
            with redirect_stdout(sys.stderr):
                command(songs=songs, out=str(written), **options)
            _hand_on(written)

    return wrapped


def _check_one_file(songs: list[str], options: dict[str, Any]) -> None:
    from stems.batch.presets import load_preset

    if "stems" not in options:
        raise OptionError("--out - takes one file, and this makes several: give --out a folder.")
    if _to_terminal():
        raise OptionError("--out - is standard output, which is this terminal: send it on, such as by `> stem.wav`.")
    stems, preset = options.get("stems"), options.get("preset")
    outputs = len(load_preset(preset).outputs) if preset else len(stems.split(",")) if stems else 2
    if len(songs) != 1 or options.get("manifest") or Path(songs[0]).is_dir() or outputs > 1 or options.get("daw"):
        raise OptionError("--out - takes one file, of one song: name one stem, such as --stems vocals, and no --daw.")


def _to_terminal() -> bool:
    return sys.stdout.isatty()


def _kept(folder: Path) -> Path:
    if sys.stdin.isatty():
        raise OptionError("- is standard input, which is this terminal: send a song into it, such as by `< song.wav`.")
    path = folder / KEPT
    with open(path, "wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path


def _hand_on(folder: Path) -> None:
    """Writes the stem to standard output, without the hints that lie beside it."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in AUDIO_SUFFIXES:
            with open(path, "rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()
