"""Which songs a batch has, and where their stems go."""

from __future__ import annotations

import os
import re
import string
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from stems.batch.manifest import Entry
from stems.batch.presets import Preset
from stems.batch.songs import PassedOver, songs_named
from stems.batch.tasks import Task, Tasks, distinct_tracks
from stems.errors import OptionError
from stems.files.audio import Reading
from stems.files.formats import AudioFormat, output_format, suffix_of
from stems.files.remote import Place, RemotePath, check_writable
from stems.hints import Hint
from stems.sensitivity import Sensitivity

NAME_FIELDS = ("track", "stem", "ext")


@dataclass(frozen=True)
class Settings:
    """How every song of a batch is split.

    Attributes:
        preset: what is written.
        out: folder for the results, on this machine or elsewhere.
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
        measures: whether loudness and checksum of each song are taken, for a file of results.
        bpm: tempo of projects, beats per minute, over what the tags say; "auto" has that of each song estimated.
    """

    preset: Preset
    out: Place = Path("separated")
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
    measures: bool = False
    bpm: float | Literal["auto"] | None = None

    @property
    def passage(self) -> Reading | None:
        """What projects read of each song; None for all of it."""
        return self.reading if self.reading != Reading() else None

    @property
    def folder(self) -> Path:
        """`out`, which lies on this machine wherever files are written to."""
        assert isinstance(self.out, Path)
        return self.out


def check_settings(settings: Settings) -> None:
    """Raises OptionError for settings with which no song could be split, whatever the songs are."""
    check_name(settings.name, settings.preset)
    check_format(settings.container, settings.bit_depth)
    if settings.daw:
        from stems.daw import check

        check(settings.daw, list(settings.preset.outputs))
        if isinstance(settings.out, RemotePath):
            raise OptionError(f"--daw writes projects, which need --out on this machine: {settings.out} is not.")
    elif settings.bpm not in (None, "auto"):
        raise OptionError(f"--bpm {settings.bpm:g} is about projects: say which by --daw, or leave it out.")
    if isinstance(settings.out, RemotePath):
        check_writable(settings.out)
    elif os.path.exists(settings.out) and not os.path.isdir(settings.out):  # which know no path that is too long
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
    inputs: Sequence[str | Path],
    settings: Settings,
    passed_over: PassedOver = lambda path, reason: None,
    entries: Iterable[Entry] = (),
) -> Tasks:
    """The songs that files, folders (recursive) and globs name, each once, in order, and those of manifests.

    A song keeps its place below the folder that was given, or below the folders in which a glob looks. Where
    songs of the same name come from different folders, all keep their places below what these folders share.
    Songs of one place that differ only in their suffix keep the suffix in their names.

    Args:
        passed_over: told of what is not taken, and why.
        entries: songs that a manifest names, and where each goes.

    Raises:
        OptionError: where an input holds no songs, two songs would be written to the same files, or there are hints and
            more than one song.
    """
    songs: dict[str, tuple[str, str]] = {}  # how each was named, and the folder that it keeps its place below
    named: dict[str, str] = {}  # those that have a place of their own
    for given in inputs:
        for song, root in songs_named(str(given), settings.out, passed_over):
            songs.setdefault(_absolute(str(song)), (str(song), _absolute(str(root))))
    for entry in entries:
        if (key := _absolute(entry.song)) not in songs:
            songs[key] = entry.song, _absolute(entry.root) if entry.root else ""
            named |= {key: entry.track} if entry.track else {}
    folders, tracks = _places(songs)
    for number, key in enumerate(songs if named else ()):
        if key in named:
            folders[number], tracks[number] = os.path.split(named[key])
    tasks = Tasks([song for song, _ in songs.values()], folders, tracks)
    _check_settings_for(tasks, settings)
    return tasks


def _places(songs: dict[str, tuple[str, str]]) -> tuple[list[str], list[str]]:
    """The folder of each song below that for the results, and what its files are called by."""
    parents = [os.path.dirname(absolute) for absolute in songs]
    roots = [root for _, root in songs.values()]
    if "" in roots:
        top = os.path.commonpath({parent for parent, root in zip(parents, roots, strict=True) if not root})
        roots = [root or top for root in roots]
    names = [os.path.basename(absolute) for absolute in songs]

    folders = list(map(_relative, parents, roots))
    keys = [Path(name).stem.casefold() for name in names]
    if len(set(zip(folders, keys, strict=True))) < len(set(zip(parents, keys, strict=True))):
        shared = os.path.commonpath(set(roots))
        folders = [_relative(parent, shared) for parent in parents]

    return folders, distinct_tracks(list(zip(folders, names, strict=True)))


def _check_settings_for(tasks: Tasks, settings: Settings) -> None:
    if settings.hints and len(tasks) > 1:
        raise OptionError(f"Hints are about one song, and there are {len(tasks)}: split each with its own.")
    if settings.daw and (far := next((task.song for task in tasks if isinstance(task.song, RemotePath)), None)):
        raise OptionError(f"--daw writes projects that refer to their song, and {far} is not on this machine: get it.")
    _check_apart(tasks, settings)


def _absolute(text: str) -> str:
    """A song's place as an absolute path, a URL's too, by which songs are told apart and folders compared."""
    scheme, sign, rest = text.partition("://")
    if not sign:
        return os.path.abspath(text)
    path = unquote(rest.split("?")[0]) if scheme.startswith("http") else rest  # a signature is no part of a name
    return os.path.join(os.path.abspath(os.sep), scheme + ":", *path.split("/"))


@lru_cache(4096)
def _relative(parent: str, root: str) -> str:
    return sys.intern(str(Path(parent).relative_to(root)))  # one text for all songs of a folder


def _check_apart(tasks: Tasks, settings: Settings) -> None:
    taken: dict[int, int] = {}  # number of the song by the hash of a path, which takes less room than the path
    for number, task in enumerate(tasks):
        paths = paths_below(task, settings, settings.container or "ext").values()
        for found in {taken.setdefault(hash(path), number) for path in paths} - {number}:
            if {*paths} & {*paths_below(tasks[found], settings, settings.container or "ext").values()}:
                raise OptionError(
                    f"{tasks[found].song} and {task.song} would be written to the same files: add {{track}} to --name."
                )


def paths_below(task: Task, settings: Settings, container: str) -> dict[str, Path]:
    """Where the outputs of a song go below the folder for the results, by name."""
    ext = suffix_of(container)[1:]
    return {name: task.folder / path_below(settings.name, task.track, name, ext) for name in settings.preset.outputs}


def output_paths(task: Task, settings: Settings, container: str) -> dict[str, Path]:
    """Where the outputs of a song go, by name."""
    return {name: settings.folder / path for name, path in paths_below(task, settings, container).items()}


def hints_below(task: Task, settings: Settings) -> Path:
    """Where the hints that a song was split with are kept below the folder for the results, beside its outputs."""
    ext = "toml" if "{stem" in settings.name else "hints.toml"
    return task.folder / path_below(settings.name, task.track, "hints", ext)


def hints_path(task: Task, settings: Settings) -> Path:
    """Where the hints that a song was split with are kept, beside its outputs."""
    return settings.folder / hints_below(task, settings)
