"""Clusters of a song as files: `cluster-1.wav`, `cluster-2.wav` and so on, which add up to the song."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain, count, takewhile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from stems.batch.outcome import Result, failures_in
from stems.batch.plan import Settings, output_paths
from stems.batch.presets import Preset
from stems.batch.song_plan import check_not_replaced
from stems.batch.split import notes_for_stems, with_exact_mixture
from stems.batch.tasks import Task
from stems.files.audio import open_song
from stems.files.clipping import clipping_note
from stems.files.formats import output_format
from stems.files.writing import StemFiles
from stems.song.confidence import confidence

if TYPE_CHECKING:
    from stems.blind import BlindClusters


def clusters(*names: str) -> Preset:
    """A preset that writes clusters as they are."""
    return Preset("clusters", "", {name: (name,) for name in names})


def cluster_song(
    task: Task,
    settings: Settings,
    separator: Any,
    progress: Callable[[float, float], None] = lambda share, seconds: None,
) -> Result:
    """Splits one song into clusters; a song that cannot be split gives a result that says why.

    Args:
        settings: whose preset makes no difference.
        separator: a `stems.blind.BlindSeparator`.
        progress: called with the share of the song that is done, and the song's seconds.
    """
    result = Result(task.song)
    begun = perf_counter()

    def observe(found: BlindClusters) -> None:
        result.confidence, result.resembles = confidence(found), found.resembles

    with failures_in(result), open_song(str(task.song)) as song:
        form = output_format(song.format, settings.container, settings.bit_depth)
        there = files_there(task, settings, form.container)
        check_not_replaced(song.path, there.values())
        if there and not settings.overwrite and (not separator.stems or set(there) == set(separator.stems)):
            result.status, result.outputs = "skipped", there
            return result
        result.seconds = song.seconds
        blocks = separator.separate(
            song,
            form.sample_rate,
            sensitivity=settings.sensitivity,
            progress=lambda share: progress(share, result.seconds),
            observe=observe,
        )
        chunks = notes_for_stems(song, task, form)
        first = next(blocks)  # before which the song is clustered
        result.outputs = paths = output_paths(task, replace(settings, preset=clusters(*first.stems)), form.container)
        with StemFiles(paths, form, song.samples, chunks) as files:
            for block in with_exact_mixture(chain([first], blocks), song):
                files.write(block.mixture, block.stems)
        result.note = clipping_note(files.samples_clipped, files.peak, 1.0, can_rescale=False)
        for name in set(there) - set(result.outputs):  # of an earlier run, which the sum would be wrong with
            there[name].unlink()
    result.elapsed = perf_counter() - begun
    return result


def files_there(task: Task, settings: Settings, container: str) -> dict[str, Path]:
    """The clusters of a song that an earlier run has written, by name."""
    names = (f"cluster-{number}" for number in count(1))
    paths = ((name, output_paths(task, replace(settings, preset=clusters(name)), container)[name]) for name in names)
    return dict(takewhile(lambda found: found[1].exists(), paths))
