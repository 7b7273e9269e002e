"""Songs from elsewhere, and stems that go elsewhere: split on this machine, in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import soundfile

from stems.batch.outcome import Result, failures_in
from stems.batch.plan import Settings, hints_below, paths_below
from stems.batch.song_plan import HINTS_NOTE, hints_of
from stems.batch.split import split_song
from stems.batch.tasks import Task
from stems.errors import AudioError, Cancelled, OptionError
from stems.files.audio import Reading, open_song
from stems.files.formats import BIT_DEPTHS
from stems.files.remote import Place, RemotePath, exists, fetch, fetch_text, opened, remove, upload
from stems.files.sndfile import ENCODINGS

_SAME_SECONDS = 0.5
_EXACT = (".wav", ".flac", ".aif", ".aiff", ".aifc", ".w64", ".caf", ".rf64")  # whose headers state the length
_CONTAINERS = {".flac": ("flac",), ".aif": ("aiff",), ".aiff": ("aiff",), ".aifc": ("aiff",)} | dict.fromkeys(
    (".ogg", ".oga", ".mka", ".mkv", ".mp4", ".m4a", ".mov"), ("wav", "flac")
)
"""What the stems of songs are written as by default; a name tells where no more of the song is at hand."""


def split_remote_song(
    task: Task,
    settings: Settings,
    separator: Any,
    progress: Callable[[float, float], None] = lambda share, seconds: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Result:
    """As `split_song`, where the song, the folder for the results, or both lie elsewhere.

    What is finished is told without fetching any song: all stems are there, of the same passage and hints, as long as
    the song where its header states that.
    """
    result, begun = Result(task.song), perf_counter()
    with failures_in(result), TemporaryDirectory(prefix="stems-") as folder:
        earlier = _hints_there(task, settings)
        if not settings.overwrite and (outputs := _finished(task, settings, earlier)):
            result.status, result.outputs = "skipped", outputs
        else:
            result = _split(task, settings, Path(folder), separator, progress, cancelled)
            if result.status == "done" and earlier and not hints_of(settings) and isinstance(settings.out, RemotePath):
                remove(settings.out / hints_below(task, settings))
    result.elapsed = perf_counter() - begun
    return result


def preview_remote_song(task: Task, settings: Settings) -> Result:
    """What `split_remote_song` would make of a song, of which no more is fetched than its header."""
    result = Result(task.song)
    with failures_in(result):
        if isinstance(task.song, RemotePath) and not exists(task.song):
            raise AudioError(f"{task.song} does not exist: check its name.")
        finished = {} if settings.overwrite else _finished(task, settings, _hints_there(task, settings))
        result.status = "would skip" if finished else "would split"
        result.outputs = finished or _outputs(task, settings, _containers(task, settings)[0])
    return result


def _split(task: Task, settings: Settings, folder: Path, separator: Any, progress: Any, cancelled: Any) -> Result:
    song, out = task.song, settings.out
    if isinstance(song, RemotePath):
        there, song = song, folder / f"song{song.suffix}"
        fetch(there, song)
    if isinstance(out, RemotePath):
        out = folder / "stems"
    here = replace(task, song=song), replace(settings, out=out, overwrite=True)
    result = split_song(*here, separator, progress, cancelled)
    if result.status == "done" and isinstance(settings.out, RemotePath):
        if cancelled():
            raise Cancelled(f"{task.song} was not uploaded because the batch was stopped.")
        made = {name: Path(str(path)).relative_to(out) for name, path in result.outputs.items()}
        below = [*made.values(), *([hints_below(task, settings)] if hints_of(settings) else [])]
        upload({out / path: settings.out / path for path in below})
        result.outputs = {name: settings.out / path for name, path in made.items()}
    for name, place in ((str(song), task.song), (str(out), settings.out)):
        result.error = result.error.replace(name, str(place))
    result.song = task.song
    return result


def _containers(task: Task, settings: Settings) -> tuple[str, ...]:
    return (settings.container,) if settings.container else _CONTAINERS.get(task.song.suffix.lower(), ("wav",))


def _outputs(task: Task, settings: Settings, container: str) -> dict[str, Place]:
    return {name: settings.out / path for name, path in paths_below(task, settings, container).items()}


def _finished(task: Task, settings: Settings, hints: str) -> dict[str, Place]:
    """The outputs, if an earlier run has written all of them, with the same hints, of as much of the song."""
    for container in _containers(task, settings):
        outputs = _outputs(task, settings, container)
        if str(task.song) in map(str, outputs.values()):
            raise OptionError(f"{task.song} is one of its own stems, which must not replace it: choose another --out.")
        if all(map(exists, outputs.values())):
            stem = next(iter(outputs.values()))
            same = hints == hints_of(settings) and _is_alike(stem, task, settings)
            return outputs if same else {}
    return {}


def _is_alike(stem: Place, task: Task, settings: Settings) -> bool:
    """As `stems.files.audio.is_alike`, with a bit depth only where one is asked for: the song may be elsewhere."""
    reading, (song, _), (made, encoding) = settings.reading, _header(task.song), _header(stem)
    if settings.bit_depth and encoding not in (None, BIT_DEPTHS[settings.bit_depth]):
        return False
    if made is None or (song is None and reading.end is None):
        return True
    ends = [end for end in (song, reading.end) if end is not None]
    lasts = max(0.0, min(ends) - reading.begin)
    return abs(made - lasts) <= _SAME_SECONDS or (song is None and made < lasts)


def _header(place: Place) -> tuple[float | None, str | None]:
    """Length in seconds and encoding by the header alone; None where that does not tell, or would be read whole."""
    if isinstance(place, Path):
        try:
            with open_song(place, Reading(any_channels=True)) as song:
                return song.stated and song.stated / song.format.sample_rate, song.format.encoding
        except AudioError:
            return 0.0, None  # which is to be made again
    if place.suffix.lower() not in _EXACT:
        return None, None
    with opened(place) as file:
        try:
            header = soundfile.info(file)
        except (RuntimeError, TypeError):
            return 0.0, None
    return float(header.duration), ENCODINGS.get(header.subtype)


def _hints_there(task: Task, settings: Settings) -> str:
    """The hints that an earlier run has kept."""
    path = settings.out / hints_below(task, settings)
    if isinstance(path, RemotePath):
        text = fetch_text(path) or ""
    else:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return text.removeprefix(HINTS_NOTE) if text.startswith(HINTS_NOTE) else ""
