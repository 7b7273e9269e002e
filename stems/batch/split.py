"""Splitting the songs of a batch, each into files that are complete or not there."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from stems.batch.plan import Settings, Task, hints_path, output_paths
from stems.errors import Cancelled, ExportError, OptionError, StemsError
from stems.files.audio import Reading, Song, lasts_as_long, open_song
from stems.files.clipping import clipping_note, gain_for
from stems.files.formats import AudioFormat, output_format
from stems.files.writing import PARTIAL_SUFFIX, StemFiles
from stems.hints import as_toml, check_against

if TYPE_CHECKING:
    from stems.files.stem_notes import StemNotes
    from stems.separator import Separator
    from stems.song.clustered import Clustered
    from stems.song.confidence import Confidence

HINTS_NOTE = "# The hints that this song was split with.\n"
HIDDEN_REST = "\0rest"  # completes the sum where a preset leaves stems out; never written


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
    note: str = ""  # what the user should know of it though it is done
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
            **({"note": self.note} if self.note else {}),
            **({"error": self.error} if self.error else {}),
        }


def preview(task: Task, settings: Settings) -> Result:
    """What `split_song` would make of a song, as far as its header tells."""
    result = Result(task.song, "would split")
    with failures_in(result), open_song(task.song, settings.reading) as song:
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
    with failures_in(result), open_song(task.song, settings.reading) as song:
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
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            reason = "its stems would get too long a path. Shorten --name, or choose an --out nearer by."
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
    is_there = len(there) == len(result.outputs) and same_hints and not settings.overwrite
    return is_there and lasts_as_long(there[0], song)


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
    from stems.daw import NotAllExported, destinations, export, formats_named
    from stems.daw.session import session_of

    folder, formats = next(iter(result.outputs.values())).parent, formats_named(settings.daw)
    if result.status == "skipped":
        formats = [form for form, path in destinations(task.track, folder, formats).items() if not path.exists()]
    if formats:
        try:
            passage = settings.reading if settings.reading != Reading() else None
            session = session_of(result.outputs, task.track, task.song, reading=passage)
            result.exports = export(session, folder, formats, overwrite=True, copy_song=settings.copy_song)
        except NotAllExported as error:
            result.status, result.error, result.exports = "failed", str(error), error.written
        except ExportError as error:  # the stems are there all the same
            result.status, result.error = "failed", str(error)


def _write(
    song: Song,
    task: Task,
    result: Result,
    settings: Settings,
    separator: Any,
    progress: Callable[[float, float], None],
    cancelled: Callable[[], bool],
) -> None:
    from stems.batch.chains import outputs
    from stems.song.confidence import confidence

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
    chunks = notes_for_stems(song, task, form)
    gain = gain_for(song, form, settings.clip_mode)
    with ExitStack() as stack:
        if not preset.divides:  # there is nothing to add up to
            alone = {
                name: stack.enter_context(StemFiles({name: path}, form, song.samples, chunks))
                for name, path in result.outputs.items()
            }
            for named in outputs(blocks, preset, rate, song.samples):
                for name, audio in named.items():
                    alone[name].write(gain * audio, {name: gain * audio})
            clipped = max(file.samples_clipped for file in alone.values())
            result.note = clipping_note(clipped, max(file.peak for file in alone.values()), gain)
            return
        files = stack.enter_context(StemFiles(result.outputs, form, song.samples, chunks))
        # Opened once more, since compressed songs are only read forward.
        mixture_file = stack.enter_context(open_song(song.path, settings.reading))
        whole = set(preset.stems) == set(separator.stems)
        done = 0
        for named in outputs(blocks, preset, rate, song.samples):
            count = next(iter(named.values())).shape[1]
            mixture = mixture_file.read_exact(done, count)
            if gain != 1:
                mixture, named = gain * mixture, {name: gain * stem for name, stem in named.items()}
            rest = {} if whole else {HIDDEN_REST: mixture - np.sum(list(named.values()), 0)}
            files.write(mixture, {**named, **rest})
            done += count
        result.note = clipping_note(files.samples_clipped, files.peak, gain)


def notes_for_stems(song: Song, task: Task, form: AudioFormat) -> StemNotes:
    """What the file of each stem tells beside its audio; see `StemFiles`."""
    from stems.files.stem_notes import StemNotes
    from stems.files.tags import song_notes

    return StemNotes(song_notes(song.path), task.track, form, song.samples)


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
