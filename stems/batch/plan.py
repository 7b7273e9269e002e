"""Which songs a batch has, and where their stems go."""

from __future__ import annotations

import glob
import os
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from stems.batch.presets import Preset
from stems.errors import OptionError
from stems.files.audio import READABLE_SUFFIXES, Reading
from stems.files.formats import AudioFormat, output_format, suffix_of
from stems.hints import Hint

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
        sensitivity: see `Separator`.
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
    sensitivity: float = 1.0
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
        found = {name for _, name, _, _ in string.Formatter().parse(pattern) if name is not None}
    except ValueError as error:
        raise OptionError(f"--name {pattern!r} is not a pattern: {error}.") from error
    if unknown := found - set(NAME_FIELDS):
        raise OptionError(
            f"--name {pattern!r} has {{{sorted(unknown)[0]}}}; it may have {{track}}, {{stem}} and {{ext}}."
        )
    try:
        pattern.format(track="", stem="", ext="")
    except ValueError as error:
        raise OptionError(f"--name {pattern!r} is not a pattern: {error}.") from error
    if not pattern.endswith(".{ext}"):
        raise OptionError(f"--name {pattern!r} must end in .{{ext}}, which is the suffix of the format.")
    if "stem" not in found and len(preset.outputs) > 1:
        raise OptionError(f"--name {pattern!r} gives every stem the same file: add {{stem}}.")
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise OptionError(f"--name {pattern!r} leads out of the --out folder: give a path below it.")


def check_format(container: str | None, bit_depth: str | None) -> None:
    """Raises OptionError where no song could be written in a container and bit depth."""
    if container is not None:
        output_format(AudioFormat("wav", "int16", 44_100, 2), container, bit_depth)


def plan(inputs: Sequence[str | Path], settings: Settings) -> list[Task]:
    """The songs that files, folders (recursive) and globs name, each once, in order.

    A song keeps its place below the folder that was given, or below the folders in which a glob looks. Where
    songs of the same name come from different folders, all keep their places below what these folders share.
    Songs of one place that differ only in their suffix keep the suffix in their names.

    Raises:
        OptionError: where an input holds no songs, two songs would be written to the same files, or there are hints and
            more than one song.
    """
    songs: dict[str, tuple[Path, Path]] = {}
    for given in inputs:
        for song, root in _songs_of(str(given), settings.out):
            songs.setdefault(os.path.abspath(song), (song, Path(os.path.abspath(root))))
    parents = [Path(absolute).parent for absolute in songs]
    roots = [root for _, root in songs.values()]
    names = [song.stem.casefold() for song, _ in songs.values()]

    folders = [parent.relative_to(root) for parent, root in zip(parents, roots, strict=True)]
    if len(set(zip(folders, names, strict=True))) < len(set(zip(parents, names, strict=True))):
        shared = os.path.commonpath(roots)
        folders = [parent.relative_to(shared) for parent in parents]

    same = Counter(zip(folders, names, strict=True))
    tasks = [
        Task(song, folder, song.name if same[folder, name] > 1 else song.stem)
        for (song, _), folder, name in zip(songs.values(), folders, names, strict=True)
    ]
    if settings.hints and len(tasks) > 1:
        raise OptionError(f"Hints are about one song, and there are {len(tasks)}: split each with its own.")
    _check_apart(tasks, settings)
    return tasks


def _songs_of(given: str, out: Path) -> list[tuple[Path, Path]]:
    """Songs, each with the folder from which its place is told."""
    path = Path(given)
    if os.path.isdir(path):
        root, found = path, list(path.rglob("*"))
    elif os.path.lexists(path) or not glob.has_magic(given):
        return [(path, path.parent)]  # a missing file fails by itself, so that the rest of the batch is done
    else:
        root = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
        found = [Path(match) for match in glob.glob(given, recursive=True)]
        found += [below for match in found if match.is_dir() for below in match.rglob("*")]
    results = out.resolve()
    if results == root.resolve() and (path == root or "**" in given):
        raise OptionError(
            f"--out {out} is where the songs are, so that stems would be taken for songs: "
            f"name another folder, such as {out / 'separated'}."
        )
    if root.resolve() in results.parents:
        found = [song for song in found if results not in song.resolve().parents]
    songs = {
        song
        for song in found
        if song.suffix.lower() in READABLE_SUFFIXES
        and not song.name.lower().endswith(".stem.mp4")  # which was made of a song
        and song.name[0] != "."
        and not song.is_dir()
    }
    if not songs:
        raise OptionError(f"{given} holds no songs ({', '.join(sorted(READABLE_SUFFIXES))}).")
    return [(song, root) for song in sorted(songs)]


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
    return {
        name: folder / settings.name.format(track=task.track, stem=name, ext=suffix_of(container)[1:])
        for name in settings.preset.outputs
    }


def hints_path(task: Task, settings: Settings) -> Path:
    """Where the hints that a song was split with are kept, beside its outputs."""
    ext = "toml" if "{stem" in settings.name else "hints.toml"
    return settings.out / task.folder / settings.name.format(track=task.track, stem="hints", ext=ext)
