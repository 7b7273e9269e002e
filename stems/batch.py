"""Batches of songs: what to split, where the stems go, and how workers share the songs."""

from __future__ import annotations

import glob
import os
import string
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from stems.audio import READABLE_SUFFIXES, AudioFormat, open_song, output_format
from stems.errors import OptionError, StemsError
from stems.presets import Preset
from stems.writing import StemFiles

NAME_FIELDS = ("track", "stem", "ext")
HIDDEN_REST = "\0rest"  # completes the sum where a preset leaves stems out; never written


@dataclass(frozen=True)
class Settings:
    """How every song of a batch is split.

    Attributes:
        preset: what is written.
        out: folder for the results.
        name: pattern of the files below it, of `{track}`, `{stem}` and `{ext}`.
        container: "wav", "flac", "aiff", "ogg" or "mp3"; None for the song's own.
        bit_depth: "16", "24", "32" or "float"; None for the song's own.
        sensitivity: see `Separator`.
        model: name or path.
        device: "auto", "cpu", "cuda" or "mps".
        overwrite: split songs whose stems are there already.
    """

    preset: Preset
    out: Path = Path("separated")
    name: str = "{track}/{stem}.{ext}"
    container: str | None = None
    bit_depth: str | None = None
    sensitivity: float = 1.0
    model: str = "openband"
    device: str = "auto"
    overwrite: bool = False


@dataclass(frozen=True)
class Task:
    """One song to split: where it lies below the folder that named it, and what its files are called by."""

    song: Path
    folder: Path
    track: str


@dataclass
class Result:
    """What became of a song."""

    song: Path
    status: str = "done"  # or "skipped", "failed"
    outputs: dict[str, Path] = field(default_factory=dict)
    seconds: float = 0.0  # of audio
    elapsed: float = 0.0  # seconds of work
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "song": str(self.song),
            "status": self.status,
            "outputs": {name: str(path) for name, path in self.outputs.items()},
            "seconds": round(self.seconds, 3),
            "elapsed": round(self.elapsed, 3),
            **({"error": self.error} if self.error else {}),
        }


def check_name(pattern: str, preset: Preset) -> None:
    """Raises OptionError where a name pattern would not give each output a file of its own."""
    try:
        found = {name for _, name, _, _ in string.Formatter().parse(pattern) if name is not None}
    except ValueError as error:
        raise OptionError(f"--name {pattern!r} is not a pattern: {error}.") from error
    if unknown := found - set(NAME_FIELDS):
        raise OptionError(
            f"--name {pattern!r} has {{{sorted(unknown)[0]}}}; it may have {{track}}, {{stem}} and {{ext}}."
        )
    if "stem" not in found and len(preset.outputs) > 1:
        raise OptionError(f"--name {pattern!r} gives every stem the same file: add {{stem}}.")
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise OptionError(f"--name {pattern!r} leads out of the --out folder: give a path below it.")


def plan(inputs: Sequence[str | Path], settings: Settings) -> list[Task]:
    """The songs that files, folders (recursive) and globs name, each once, in order.

    A song in a folder keeps its place below that folder. Songs of one place that differ only in their
    suffix keep the suffix in their names.

    Raises:
        OptionError: where an input is not there or holds no songs.
    """
    found: dict[Path, Path] = {}
    for given in inputs:
        for song, folder in _songs_of(given, settings.out):
            found.setdefault(song, folder)
    places = [(folder, song.stem.casefold()) for song, folder in found.items()]
    return [
        Task(song, folder, song.name if places.count((folder, song.stem.casefold())) > 1 else song.stem)
        for song, folder in found.items()
    ]


def _songs_of(given: str | Path, out: Path) -> list[tuple[Path, Path]]:
    path = Path(given)
    if path.is_dir():
        results = out.resolve()
        songs = [
            (song, song.parent.relative_to(path))
            for song in sorted(path.rglob("*"))
            if song.suffix.lower() in READABLE_SUFFIXES
            and not song.name.startswith(".")
            and results not in song.resolve().parents
        ]
        if not songs:
            raise OptionError(f"{path} holds no songs ({', '.join(sorted(READABLE_SUFFIXES))}).")
        return songs
    if path.exists() or not glob.has_magic(str(given)):
        return [(path, Path())]  # a missing file fails by itself, so that the rest of the batch is done
    matches = sorted(glob.glob(str(given), recursive=True))
    if not matches:
        raise OptionError(f"Nothing matches {str(given)!r}.")
    return [pair for match in matches for pair in _songs_of(match, out)]


def output_paths(task: Task, settings: Settings, container: str) -> dict[str, Path]:
    """Where the outputs of a song go, by name."""
    folder = settings.out / task.folder
    return {
        name: folder / settings.name.format(track=task.track, stem=name, ext=container)
        for name in settings.preset.outputs
    }


def split_song(
    task: Task,
    settings: Settings,
    separator: Callable[[], Any],
    progress: Callable[[float, float], None] = lambda share, seconds: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Result:
    """Splits one song into files; a song that cannot be split gives a result that says why.

    Args:
        separator: returns the `Separator`, which is not needed for songs that are skipped.
        progress: called with the share of the song that is done, and the song's seconds.
    """
    result = Result(task.song)
    begun = perf_counter()
    try:
        with open_song(task.song) as song:
            form = output_format(song.format, settings.container, settings.bit_depth)
            result.seconds = song.seconds
            result.outputs = output_paths(task, settings, form.container)
            if not settings.overwrite and all(path.exists() for path in result.outputs.values()):
                result.status = "skipped"
            else:
                _write(song, form, result, settings, separator(), progress, cancelled)
    except StemsError as error:
        result.status, result.error, result.outputs = "failed", str(error), {}
        if cancelled():
            result.status = "cancelled"
    result.elapsed = perf_counter() - begun
    return result


def _write(
    song: Any,
    form: AudioFormat,
    result: Result,
    settings: Settings,
    separator: Any,
    progress: Callable[[float, float], None],
    cancelled: Callable[[], bool],
) -> None:
    from stems.chains import outputs

    preset, rate = settings.preset, song.format.sample_rate
    blocks = separator.separate(
        song, rate, preset.stems, settings.sensitivity, lambda share: progress(share, result.seconds), cancelled
    )
    with ExitStack() as stack:
        if preset.chains:  # effects change the sum, so that there is nothing to add up to
            alone = {
                name: stack.enter_context(StemFiles({name: path}, form, song.samples))
                for name, path in result.outputs.items()
            }
            for named in outputs(blocks, preset, rate, song.samples):
                for name, audio in named.items():
                    alone[name].write(audio, {name: audio})
            return
        files = stack.enter_context(StemFiles(result.outputs, form, song.samples))
        mixture_file = stack.enter_context(open_song(song.path))  # compressed songs are only read forward
        done = 0
        for named in outputs(blocks, preset, rate, song.samples):
            count = next(iter(named.values())).shape[1]
            mixture = mixture_file.read_exact(done, count)
            files.write(mixture, {**named, HIDDEN_REST: mixture - np.sum(list(named.values()), 0)})
            done += count


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def summarise(results: Iterable[Result]) -> dict[str, int]:
    """How many songs came to each end."""
    counts: dict[str, int] = {}
    for result in results:
        counts[result.status] = counts.get(result.status, 0) + 1
    return counts
