"""Stems, mixes and DAW projects of a song in a studio, by the same code as `stems split`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stems.batch.outcome import Result, failures_in
from stems.batch.plan import Settings, check_settings, path_below
from stems.batch.presets import load_preset
from stems.batch.split import split_song
from stems.batch.tasks import Task
from stems.daw import formats_named
from stems.files.audio import open_song
from stems.files.formats import output_format, suffix_of
from stems.files.spool import spooled
from stems.separator import Separator
from stems.song.encoded import EncodedSong
from stems.studio.library import Entry, Wishes
from stems.studio.mix import Fader, gains, write_mix

MIX = "mix"


@dataclass(frozen=True)
class Order:
    """What is to be written of a song.

    Attributes:
        preset: see `stems presets`; "mix" for the mix of the faders.
        container: see `stems.batch.plan.Settings`.
        bit_depth: likewise.
        daw: likewise.
        tempo_bpm: of projects, beats per minute, over what the song's tags say.
        faders: of the mix, by stem.
        master: of the mix.
    """

    preset: str = "stems"
    container: str | None = None
    bit_depth: str | None = None
    daw: tuple[str, ...] = ()
    tempo_bpm: float | None = None
    faders: Mapping[str, Fader] = field(default_factory=dict)
    master: Fader = Fader()  # noqa: RUF009


@dataclass(frozen=True)
class Heard:
    """A separator of one song that was heard already."""

    separator: Separator
    encoded: EncodedSong

    @property
    def stems(self) -> tuple[str, ...]:
        """See `Separator.stems`."""
        return self.separator.stems

    def separate(self, song: Any, sample_rate: float, **options: Any) -> Any:
        """See `Separator.separate`."""
        return self.separator.separate(song, sample_rate, encoded=self.encoded, **options)


def export(
    path: Path,
    wishes: Wishes,
    order: Order,
    out: Path,
    heard: Heard,
    track: str,
    progress: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> Result:
    """Writes what was ordered; what goes wrong is in the result.

    Args:
        path: of the song's file.
        out: folder for the results.
        track: what the files are called by.
        progress: called with the share of the work that is done.
        cancelled: asked between blocks.

    Raises:
        StemsError: where the order cannot be carried out whatever the song is, before any work.
    """
    known, own = heard.separator.model.design.stems, heard.stems[len(heard.separator.model.design.stems) :]
    settings = Settings(
        preset=load_preset("stems" if order.preset == MIX else order.preset, own, known),
        out=out,
        container=order.container,
        bit_depth=order.bit_depth,
        sensitivity=wishes.sensitivity,
        overwrite=True,
        daw=tuple(form.name for form in formats_named(order.daw)) if order.daw and order.preset != MIX else (),
        bpm=order.tempo_bpm if order.daw and order.preset != MIX else None,
        hints=heard.separator.hints,
        copy_song=True,  # a project that refers to the studio's own file would not outlive it
    )
    check_settings(settings)
    task = Task(path, Path(), track)
    if order.preset != MIX:
        return split_song(task, settings, heard, lambda share, seconds: progress(share), cancelled)
    return _export_mix(path, out, task.track, settings, order, heard, progress, cancelled)


def _export_mix(
    path: Path,
    out: Path,
    track: str,
    settings: Settings,
    order: Order,
    heard: Heard,
    progress: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> Result:
    """Writes the song as the faders have it, one file; what goes wrong is in the result."""
    result = Result(path)
    with failures_in(result), open_song(path) as file, spooled(file) as song:
        form = output_format(song.format, settings.container, settings.bit_depth)
        place = out / path_below(settings.name, track, MIX, suffix_of(form.container)[1:])
        options = {"sensitivity": settings.sensitivity, "progress": progress, "cancelled": cancelled}
        result.note = write_mix(
            place,
            song,
            form,
            lambda: heard.separate(song, form.sample_rate, **options),
            lambda names: gains(order.faders, names, form.channels, order.master),
        )
        result.outputs = {MIX: place}
    return result


def command_of(entry: Entry, wishes: Wishes, model: str) -> str:
    """The command line that separates a song as it is separated here, by a model of that name."""
    words = ["stems", "split", entry.origin or entry.name + entry.suffix]
    for hint in wishes.hints:
        words += ["--hint", str(hint)]
    if str(wishes.sensitivity) != "1":
        words += ["--sensitivity", str(wishes.sensitivity)]
    if model != Settings.model:
        words += ["--model", model]
    return shlex.join(words)
