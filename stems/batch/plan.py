"""Which songs a batch has, and where their stems go."""

from __future__ import annotations

import os
import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stems.batch.presets import Preset
from stems.batch.songs import PassedOver, songs_named
from stems.errors import OptionError
from stems.files.audio import Reading
from stems.files.formats import AudioFormat, output_format, suffix_of
from stems.hints import Hint
from stems.sensitivity import Sensitivity

NAME_FIELDS = ("track", "stem", "ext")


@dataclass(frozen=True)
class Settings:
    """How every song of a batch is split.

    Attributes:
        preset: what is written.
        out: folder for the results.
        name: pattern of the files below it, of `{track}`, `{stem}` and `{ext}`.
        container: one of `stems.files.formats.WRITABLE_CONTAINERS`; None for the song's own.
        bit_depth: "16", "24", "32" or "float"; None for the song's own.
        sensitivity: of the song, and perhaps of stems.
        model: name or path.
        device: "auto", "cpu", "cuda" or "mps".
        overwrite: split songs whose stems are there already.
        daw: formats of `stems.daw` in which each song is handed on.
        hints: what is known of the song, of which there may be only one then.
        reading: what of each song is split.
        clip_mode: what becomes of a song above full scale in a format that ends there: "clamp", or "rescale" by one
            gain for all stems.
        copy_song: whether each song is copied beside its REAPER project.
    """

    preset: Preset
    out: Path = Path("separated")
    name: str = "{track}/{stem}.{ext}"
    container: str | None = None
    bit_depth: str | None = None
    sensitivity: Sensitivity = field(default_factory=Sensitivity)
    model: str = "openband"
    device: str = "auto"
    overwrite: bool = False
    daw: tuple[str, ...] = ()
    hints: tuple[Hint, ...] = ()
    reading: Reading = field(default_factory=Reading)
    clip_mode: str = "clamp"
    copy_song: bool = False


@dataclass(frozen=True)
class Task:
    """One song to split: where it lies below the folder that named it, and what its files are called by."""

    song: Path
    folder: Path
    track: str


def check_settings(settings: Settings) -> None:
    """Raises OptionError for settings with which no song could be split, whatever the songs are."""
    check_name(settings.name, settings.preset)
    check_format(settings.container, settings.bit_depth)
    if settings.daw:
        from stems.daw import check

        check(settings.daw, list(settings.preset.outputs))
    if os.path.exists(settings.out) and not os.path.isdir(settings.out):  # which know no path that is too long
        raise OptionError(f"--out {settings.out} is a file: name a folder.")


def check_name(pattern: str, preset: Preset) -> None:
    """Raises OptionError where a name pattern would not give each output a file of its own."""
    try:
        fields = [(name, spec) for _, name, spec, _ in string.Formatter().parse(pattern) if name is not None]
        if unknown := {name for name, _ in fields} - set(NAME_FIELDS):
            raise OptionError(
                f"--name {pattern!r} has {{{sorted(unknown)[0]}}}; it may have {{track}}, {{stem}} and {{ext}}."
            )
        if any("{" in (spec or "") or re.search(r"\d{4}", spec or "") for _, spec in fields):
            raise OptionError(f"--name {pattern!r} is not a pattern: write {{track}}, {{stem}} and {{ext}} alone.")
        paths = {path_below(pattern, "track", stem, "ext") for stem in preset.outputs}
    except ValueError as error:
        raise OptionError(f"--name {pattern!r} is not a pattern: {error}.") from error
    if not pattern.endswith(".{ext}"):
        raise OptionError(f"--name {pattern!r} must end in .{{ext}}, which is the suffix of the format.")
    if len(paths) < len(preset.outputs):
        raise OptionError(f"--name {pattern!r} gives every stem the same file: add {{stem}}.")


def path_below(pattern: str, track: str, stem: str, ext: str) -> Path:
    """The path of a file below the folder for the results.

    Raises:
        OptionError: where it would lie elsewhere.
    """
    path = Path(pattern.format(track=track, stem=stem, ext=ext))
    if path.is_absolute() or path.drive or ".." in path.parts:
        raise OptionError(f"--name {pattern!r} leads out of the --out folder, to {path}: give a path below it.")
    return path


def check_format(container: str | None, bit_depth: str | None) -> None:
    """Raises OptionError where no song could be written in a container and bit depth."""
    if container is not None:
        output_format(AudioFormat("wav", "int16", 44_100, 2), container, bit_depth)


def plan(
    inputs: Sequence[str | Path], settings: Settings, passed_over: PassedOver = lambda path, reason: None
) -> list[Task]:
    """The songs that files, folders (recursive) and globs name, each once, in order.

    A song keeps its place below the folder that was given, or below the folders in which a glob looks. Where
    songs of the same name come from different folders, all keep their places below what these folders share.
    Songs of one place that differ only in their suffix keep the suffix in their names.

    Args:
        passed_over: told of what is not taken, and why.

    Raises:
        OptionError: where an input holds no songs, two songs would be written to the same files, or there are hints and
            more than one song.
    """
    songs: dict[str, tuple[Path, Path]] = {}
    for given in inputs:
        for song, root in songs_named(str(given), settings.out, passed_over):
            songs.setdefault(os.path.abspath(song), (song, Path(os.path.abspath(root))))
    parents = [Path(absolute).parent for absolute in songs]
    roots = [root for _, root in songs.values()]
    names = [song.stem.casefold() for song, _ in songs.values()]

    folders = [parent.relative_to(root) for parent, root in zip(parents, roots, strict=True)]
    if len(set(zip(folders, names, strict=True))) < len(set(zip(parents, names, strict=True))):
        shared = os.path.commonpath(roots)
        folders = [parent.relative_to(shared) for parent in parents]

    paths = [song for song, _ in songs.values()]
    tracks = _tracks([(folder, song.name) for folder, song in zip(folders, paths, strict=True)])
    tasks = [Task(song, folder, track) for song, folder, track in zip(paths, folders, tracks, strict=True)]
    if settings.hints and len(tasks) > 1:
        raise OptionError(f"Hints are about one song, and there are {len(tasks)}: split each with its own.")
    _check_apart(tasks, settings)
    return tasks


def _tracks(files: Sequence[tuple[Path, str]]) -> list[str]:
    """What the files of songs, given by folder and name, are called by: without suffix where that is theirs alone."""
    tracks = [name if Path(name).stem in ("", ".", "..") else Path(name).stem for _, name in files]
    while True:
        same = Counter((folder, track.casefold()) for (folder, _), track in zip(files, tracks, strict=True))
        apart = [
            name if same[folder, track.casefold()] > 1 else track
            for (folder, name), track in zip(files, tracks, strict=True)
        ]
        if apart == tracks:
            return tracks
        tracks = apart


def _check_apart(tasks: Sequence[Task], settings: Settings) -> None:
    taken: dict[Path, Task] = {}
    for task in tasks:
        for path in output_paths(task, settings, settings.container or "ext").values():
            if path in taken:
                raise OptionError(
                    f"{taken[path].song} and {task.song} would be written to the same files: add {{track}} to --name."
                )
            taken[path] = task


def output_paths(task: Task, settings: Settings, container: str) -> dict[str, Path]:
    """Where the outputs of a song go, by name."""
    folder = settings.out / task.folder
    ext = suffix_of(container)[1:]
    return {name: folder / path_below(settings.name, task.track, name, ext) for name in settings.preset.outputs}


def hints_path(task: Task, settings: Settings) -> Path:
    """Where the hints that a song was split with are kept, beside its outputs."""
    ext = "toml" if "{stem" in settings.name else "hints.toml"
    return settings.out / task.folder / path_below(settings.name, task.track, "hints", ext)
