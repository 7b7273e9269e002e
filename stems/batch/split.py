"""Splitting the songs of a batch, each into files that are complete or not there."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from stems.batch.outcome import Result, failures_in
from stems.batch.plan import Settings, hints_path, output_paths
from stems.batch.presets import only
from stems.batch.song_plan import HINTS_NOTE, SongPlan, hints_of, kept_hints, plan_song
from stems.batch.tasks import Task
from stems.errors import ExportError, OptionError
from stems.files.audio import Song, open_song
from stems.files.clipping import clipping_note, gain_for
from stems.files.destination import whole
from stems.files.formats import AudioFormat
from stems.files.remote import RemotePath
from stems.files.spool import SpooledSong, spooled
from stems.files.unfinished import remove_abandoned
from stems.files.writing import StemFiles
from stems.hints import own_stems, read_hints
from stems.imports import importing_torch
from stems.memory import reuse_memory
from stems.song.level import loudness

if TYPE_CHECKING:
    from stems.files.stem_notes import StemNotes
    from stems.separator import Block, Separator
    from stems.song.confidence import Confidence
    from stems.song.tempo import Estimate

HIDDEN_REST = "\0rest"  # completes the sum where a preset leaves stems out; never written


def preview(task: Task, settings: Settings) -> Result:
    """What `split_song` would make of a song, as far as its header tells."""
    if isinstance(task.song, RemotePath) or isinstance(settings.out, RemotePath):
        from stems.batch.remote import preview_remote_song

        return preview_remote_song(task, settings)
    result = Result(task.song)
    with failures_in(result), open_song(task.song, settings.reading) as song:
        plan = plan_song(song, task, settings)
        result.status, result.outputs = "would skip" if plan.is_skipped else "would split", plan.outputs
        result.note = plan.note if plan.is_skipped else ""
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
        separator: a `Separator`, or the future of one that is loaded while the song is decoded.
        progress: called with the share of the song that is done, and the song's seconds.
        cancelled: asked between blocks; where it returns True, the song's files are removed.
    """
    if isinstance(task.song, RemotePath) or isinstance(settings.out, RemotePath):
        from stems.batch.remote import split_remote_song

        return split_remote_song(task, settings, separator, progress, cancelled)
    result = Result(task.song)
    begun = perf_counter()
    with failures_in(result), open_song(task.song, settings.reading) as song:
        plan = plan_song(song, task, settings)
        result.outputs = plan.outputs
        for folder in {path.parent for path in plan.outputs.values()}:
            remove_abandoned(folder)
        if plan.is_skipped:
            result.status, result.note = "skipped", plan.note
        else:
            result.seconds = song.seconds
            if settings.measures:  # before the work, in which the song may be moved away
                from stems.files.loudness import checksum, loudness_lufs

                result.checksum = checksum(song.path)
            with spooled(song) as readable:
                level = None
                if isinstance(separator, Future):
                    level, separator = loudness(readable), separator.result()
                result.confidence, result.note = _write(
                    plan, readable, level, separator, lambda share: progress(share, song.seconds), cancelled
                )
                if settings.measures:
                    result.loudness = loudness_lufs(readable)
                result.note = " ".join(filter(None, (result.note, _left_over(plan, separator.stems))))
                _keep_hints(plan)
                if settings.bpm == "auto":
                    _estimate(readable, result)
        _export(plan, song, result)
    result.elapsed = perf_counter() - begun
    return result


def _write(
    plan: SongPlan,
    song: Song | SpooledSong,
    level: float | None,
    separator: Any,
    progress: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> tuple[Confidence, str]:
    """Writes the outputs of a song; returns how sure the clustering was, and what the user should know of clipping."""
    from stems.song.confidence import confidence

    preset = plan.settings.preset
    found: list[Confidence] = []
    blocks = separator.separate(
        song,
        song.format.sample_rate,
        stems=preset.stems,
        sensitivity=plan.settings.sensitivity,
        progress=progress,
        cancelled=cancelled,
        observe=lambda clustered: found.append(confidence(clustered)),
        level=level,
    )
    if preset.divides:
        note = _write_parts(plan, song, blocks, is_whole=set(preset.stems) == set(separator.stems))
    else:
        note = _write_apart(plan, song, blocks)
    return found[0], note


def _write_parts(plan: SongPlan, song: Song | SpooledSong, blocks: Iterable[Block], is_whole: bool) -> str:
    """Writes outputs that add up to the song, or would with the stems that are left out; returns a note on clipping."""
    from stems.batch.chains import summed

    gain = gain_for(song, plan.format, plan.settings.clip_mode)
    notes = notes_for_stems(song, plan.task, plan.format)
    with StemFiles(plan.outputs, plan.format, song.samples, notes) as files:
        for block in with_exact_mixture(blocks, song):
            mixture, parts = block.mixture, summed(block.stems, plan.settings.preset)
            if gain != 1:
                mixture, parts = gain * mixture, {name: gain * part for name, part in parts.items()}
            if not is_whole:
                parts[HIDDEN_REST] = mixture - np.sum(list(parts.values()), 0)
            files.write(mixture, parts)
    return clipping_note(files.samples_clipped, files.peak, gain)


def _write_apart(plan: SongPlan, song: Song | SpooledSong, blocks: Iterable[Block]) -> str:
    """Writes outputs that share stems or run through effects, so that there is nothing to add up to.

    Returns:
        A note on clipping.
    """
    from stems.batch.chains import outputs

    gain = gain_for(song, plan.format, plan.settings.clip_mode)

    notes = notes_for_stems(song, plan.task, plan.format)
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(StemFiles({name: path}, plan.format, song.samples, notes))
            for name, path in plan.outputs.items()
        }
        for named in outputs(blocks, plan.settings.preset, song.format.sample_rate, song.samples):
            for name, audio in named.items():
                files[name].write(gain * audio, {name: gain * audio})
        song.check_unchanged()
    clipped = max(file.samples_clipped for file in files.values())
    return clipping_note(clipped, max(file.peak for file in files.values()), gain)


def with_exact_mixture(blocks: Iterable[Block], song: Song | SpooledSong) -> Iterator[Block]:
    """The same blocks with their mixture as the song's file holds it.

    Raises AudioError at the end where the file was changed meanwhile: its parts would be of two songs, or all be of one
    that is no more, and count as newer than the one that is.
    """
    for block in blocks:
        if song.format.precision == "float32":  # in which it was separated
            yield block
        else:
            yield replace(block, mixture=song.read_exact(block.start, block.mixture.shape[1]))
    song.check_unchanged()


def _left_over(plan: SongPlan, stems: Collection[str]) -> str:
    """A note on stems of a user's own that earlier hints have made, and whose music lies in others now."""
    path, left = hints_path(plan.task, plan.settings), list[Path]()
    with suppress(OptionError):  # somebody has edited it
        for stem in own_stems(read_hints(path), stems) if kept_hints(path) else ():
            settings = replace(plan.settings, preset=only((stem,), (stem,)))
            left += output_paths(plan.task, settings, plan.format.container).values()
    names = ", ".join(path.name for path in left if path.exists() and path not in plan.outputs.values())
    return f"{names} beside them is of other hints: remove it, or all together are not the song." if names else ""


def _keep_hints(plan: SongPlan) -> None:
    """Notes with which hints a song was split, and what of it, so that others split it again."""
    path, hints = hints_path(plan.task, plan.settings), hints_of(plan.settings)
    if hints:
        with whole(path) as unfinished:
            unfinished.write_text(HINTS_NOTE + hints, encoding="utf-8")
    elif kept_hints(path):
        path.unlink()


def _estimate(song: Song | SpooledSong, result: Result) -> Estimate:
    from stems.song.tempo import estimate

    result.estimate = estimate(song)
    result.note = " ".join(part for part in (result.note, result.estimate.sentence) if part)
    return result.estimate


def _export(plan: SongPlan, song: Song, result: Result) -> None:
    """Hands the outputs to DAWs; what an earlier run has exported is left alone with its stems."""
    if not plan.settings.daw:
        return
    from stems.daw import NotAllExported, destinations, export, formats_named
    from stems.daw.session import session_of

    track, folder = plan.task.track, next(iter(plan.outputs.values())).parent
    formats = formats_named(plan.settings.daw)
    if plan.is_skipped:
        formats = [form for form, path in destinations(track, folder, formats).items() if not path.exists()]
    if formats:
        tempo_bpm = plan.settings.bpm
        if tempo_bpm == "auto":
            tempo_bpm = (result.estimate or _estimate(song, result)).tempo_bpm
        notes = [result.note] if result.note else []
        try:
            session = session_of(plan.outputs, track, plan.song, tempo_bpm, reading=plan.settings.passage)
            copy_song = plan.settings.copy_song
            result.exports = export(session, folder, formats, True, copy_song, notes.append)
        except NotAllExported as error:
            result.status, result.error, result.exports = "failed", str(error), error.written
        except ExportError as error:  # the stems are there all the same
            result.status, result.error = "failed", str(error)
        result.note = " ".join(notes)


def notes_for_stems(song: Song | SpooledSong, task: Task, form: AudioFormat) -> StemNotes:
    """What the file of each stem tells beside its audio; see `StemFiles`."""
    from stems.files.broadcast_wav import notes_of_passage
    from stems.files.stem_notes import StemNotes
    from stems.files.tags import song_notes

    notes, reading = song_notes(song.path), song.reading
    if reading.begin or reading.end is not None:
        notes = notes_of_passage(notes, round(reading.begin * song.format.sample_rate), song.samples)
    return StemNotes(notes, task.track, form, song.samples)


def load_separator(settings: Settings) -> Separator:
    """What splits the songs of a batch.

    Raises:
        StemsError: if the model or the device cannot be had.
    """
    reuse_memory()
    with importing_torch():
        from stems.separator import Separator

    return Separator(settings.model, settings.device, hints=settings.hints)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
