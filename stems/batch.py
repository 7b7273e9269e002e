"""Batches of songs: what to split, where the stems go, and how workers share the songs."""

from __future__ import annotations

import glob
import os
import string
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from stems.audio import READABLE_SUFFIXES, AudioFormat, Song, open_song, output_format
from stems.errors import Cancelled, OptionError, StemsError
from stems.hints import Hint, as_toml, check_against
from stems.presets import Preset
from stems.writing import PARTIAL_SUFFIX, StemFiles

if TYPE_CHECKING:
    from stems.confidence import Clustered, Confidence
    from stems.separator import Separator

NAME_FIELDS = ("track", "stem", "ext")
HINTS_NOTE = "# The hints that this song was split with.\n"
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
        daw: formats of `stems.daw` in which each song is handed on.
        hints: what is known of the song, of which there may be only one then.
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
    status: str = "done"  # or "skipped", "failed", "cancelled"; of a preview "would split", "would skip", "failed"
    outputs: dict[str, Path] = field(default_factory=dict)
    exports: list[Path] = field(default_factory=list)
    seconds: float = 0.0  # of audio
    elapsed: float = 0.0  # seconds of work
    error: str = ""
    confidence: Confidence | None = None
    resembles: dict[str, dict[str, float]] = field(default_factory=dict)  # see `stems.blind.Anonymous`

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "song": str(self.song),
            "status": self.status,
            "outputs": {name: str(path) for name, path in self.outputs.items()},
            **({"exports": [str(path) for path in self.exports]} if self.exports else {}),
            "seconds": round(self.seconds, 3),
            "elapsed": round(self.elapsed, 3),
            **(self.confidence.as_json() if self.confidence else {}),
            **({"resembles": self.resembles} if self.resembles else {}),
            **({"error": self.error} if self.error else {}),
        }


def check_settings(settings: Settings) -> None:
    """Raises OptionError for settings with which no song could be split, whatever the songs are."""
    check_name(settings.name, settings.preset)
    check_format(settings.container, settings.bit_depth)
    if settings.out.exists() and not settings.out.is_dir():
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
        song for song in found if song.suffix.lower() in READABLE_SUFFIXES and song.name[0] != "." and not song.is_dir()
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
        name: folder / settings.name.format(track=task.track, stem=name, ext=container)
        for name in settings.preset.outputs
    }


def hints_path(task: Task, settings: Settings) -> Path:
    """Where the hints that a song was split with are kept, beside its outputs."""
    ext = "toml" if "{stem" in settings.name else "hints.toml"
    return settings.out / task.folder / settings.name.format(track=task.track, stem="hints", ext=ext)


def preview(task: Task, settings: Settings) -> Result:
    """What `split_song` would make of a song, as far as its header tells."""
    result = Result(task.song, "would split")
    with failures_in(result), open_song(task.song) as song:
        if _look(song, task, settings, result):
            result.status = "would skip"
    return result


def split_song(
    task: Task,
    settings: Settings,
    separator: Any,
    progress: Callable[[float, float], None] = lambda share, seconds: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Result:
    """Splits one song into files; a song that cannot be split gives a result that says why.

    Args:
        separator: a `Separator`.
        progress: called with the share of the song that is done, and the song's seconds.
        cancelled: asked between blocks; where it returns True, the song's files are removed.
    """
    result = Result(task.song)
    begun = perf_counter()
    with failures_in(result), open_song(task.song) as song:
        if _look(song, task, settings, result):
            result.status = "skipped"
        else:
            result.seconds = song.seconds
            _write(song, task, result, settings, separator, progress, cancelled)
            _keep_hints(task, settings)
        _export(task, result, settings)
    result.elapsed = perf_counter() - begun
    return result


@contextmanager
def failures_in(result: Result) -> Iterator[None]:
    """Turns whatever goes wrong with a song into a result, so that the rest of the batch is done."""
    try:
        yield
    except Cancelled as error:
        result.status, result.error, result.outputs = "cancelled", str(error), {}
    except StemsError as error:
        result.status, result.error, result.outputs = "failed", str(error), {}
    except (OSError, RuntimeError, MemoryError) as error:  # a full disk or memory, mostly
        reason = " ".join(str(error).split()) or type(error).__name__
        result.status, result.error, result.outputs = "failed", f"{result.song} could not be split: {reason}", {}


def _look(song: Song, task: Task, settings: Settings, result: Result) -> bool:
    """Notes where the outputs of a song go; returns whether they are there already."""
    form = output_format(song.format, settings.container, settings.bit_depth)
    result.outputs = output_paths(task, settings, form.container)
    there = [path for path in result.outputs.values() if path.exists()]
    for path in there:
        if path.samefile(song.path):
            raise OptionError(f"{path} is the song itself, which its stems must not replace: choose another --out.")
    check_against(settings.hints, song, song.format.sample_rate)
    same_hints = _kept_hints(hints_path(task, settings)) == as_toml(settings.hints)
    return len(there) == len(result.outputs) and same_hints and not settings.overwrite


def _kept_hints(path: Path) -> str:
    """What an earlier run has kept there; nothing where the file is not ours."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return text.removeprefix(HINTS_NOTE) if text.startswith(HINTS_NOTE) else ""


def _keep_hints(task: Task, settings: Settings) -> None:
    """Notes with which hints a song was split, so that other hints split it again."""
    path = hints_path(task, settings)
    if settings.hints:
        partial = path.with_name(f".{path.name}{PARTIAL_SUFFIX}")
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(HINTS_NOTE + as_toml(settings.hints), encoding="utf-8")
        partial.replace(path)
    elif _kept_hints(path):
        path.unlink()


def _export(task: Task, result: Result, settings: Settings) -> None:
    """Hands the outputs to DAWs; what an earlier run has exported is left alone with its stems."""
    if not settings.daw:
        return
    from stems.daw import destinations, export, formats_named
    from stems.daw.session import session_of

    folder, formats = next(iter(result.outputs.values())).parent, formats_named(settings.daw)
    if result.status == "skipped":
        formats = [form for form, path in destinations(task.track, folder, formats).items() if not path.exists()]
    if formats:
        session = session_of(result.outputs, task.track, task.song)
        result.exports = export(session, folder, formats, overwrite=True)


def _write(
    song: Song,
    task: Task,
    result: Result,
    settings: Settings,
    separator: Any,
    progress: Callable[[float, float], None],
    cancelled: Callable[[], bool],
) -> None:
    from stems.chains import outputs
    from stems.confidence import confidence
    from stems.daw.broadcast_wav import chunks_for
    from stems.daw.tags import song_notes

    def observe(found: Clustered) -> None:
        result.confidence = confidence(found)

    preset, rate = settings.preset, song.format.sample_rate
    form = output_format(song.format, settings.container, settings.bit_depth)
    blocks = separator.separate(
        song,
        rate,
        preset.stems,
        settings.sensitivity,
        lambda share: progress(share, result.seconds),
        cancelled,
        observe,
    )
    notes = song_notes(song.path)

    def chunks(stem: str) -> dict[bytes, bytes]:
        return chunks_for(notes, form, song.samples, f"{stem} of {task.track}")

    with ExitStack() as stack:
        if not preset.divides:  # there is nothing to add up to
            alone = {
                name: stack.enter_context(StemFiles({name: path}, form, song.samples, chunks))
                for name, path in result.outputs.items()
            }
            for named in outputs(blocks, preset, rate, song.samples):
                for name, audio in named.items():
                    alone[name].write(audio, {name: audio})
            return
        files = stack.enter_context(StemFiles(result.outputs, form, song.samples, chunks))
        mixture_file = stack.enter_context(open_song(song.path))  # compressed songs are only read forward
        whole = set(preset.stems) == set(separator.stems)
        done = 0
        for named in outputs(blocks, preset, rate, song.samples):
            count = next(iter(named.values())).shape[1]
            mixture = mixture_file.read_exact(done, count)
            rest = {} if whole else {HIDDEN_REST: mixture - np.sum(list(named.values()), 0)}
            files.write(mixture, {**named, **rest})
            done += count


def load_separator(settings: Settings) -> Separator:
    """What splits the songs of a batch.

    Raises:
        StemsError: if the model or the device cannot be had.
    """
    # Read once, when torch is loaded: threads that spin while they wait for each other make a song take many times as
    # long where another program, such as a DAW, keeps a core busy.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from stems.separator import Separator

    return Separator(settings.model, settings.device, hints=settings.hints)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def summarise(results: Iterable[Result]) -> dict[str, int]:
    """How many songs came to each end."""
    counts: dict[str, int] = {}
    for result in results:
        counts[result.status] = counts.get(result.status, 0) + 1
    return counts
