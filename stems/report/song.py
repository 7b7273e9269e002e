"""The page about one song, which plays its stems and shows how they were found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from stems.clock import clock
from stems.daw.colours import colour_of
from stems.errors import OptionError
from stems.files.audio import Song
from stems.model import Model
from stems.report import explanation, figures
from stems.report.listening import Listening, bit_rate_for
from stems.report.page import embedded, inlined, page, part
from stems.report.source import Source, Sum, blocks
from stems.sensitivity import Sensitivity
from stems.song.clustered import ClusteredSong
from stems.song.tempo import Estimate, estimate, is_installed

if TYPE_CHECKING:
    from stems.separator import Separator

LONGEST_MINUTES = 20  # more than which browsers cannot hold decoded
ORIGINAL = "\0original"  # among what is heard; no stem is called so
SCRIPTS = ("element.js", "view.js", "levels.js", "timeline.js", "player.js", "waveforms.js", "controls.js")
RULER_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120)


def song_report(
    source: Source,
    separator: Separator,
    sensitivity: float | Sensitivity = 1.0,
    progress: Callable[[float], None] = lambda share: None,
) -> str:
    """The page about a song.

    Args:
        source: the song, with the stems to play; the separator makes them where there are none.
        sensitivity: see `Separator`.
        progress: called with the share of the work that is done, from 0 to 1.

    Raises:
        AudioError: if a file cannot be read.
        OptionError: if the song is too long for a page, or the sensitivity out of range.
    """
    song, form, sensitivity = source.song, source.song.format, Sensitivity.of(sensitivity)
    if song.seconds > 60 * LONGEST_MINUTES:
        raise OptionError(f"{source.name} is longer than the {LONGEST_MINUTES} minutes that a page holds: cut it.")
    names = tuple(source.stems or separator.stems)
    parts = names if source.adds_up else (*names, ORIGINAL)
    bit_rate = bit_rate_for(song.seconds, len(parts))
    heard = {name: Listening(form.sample_rate, form.channels, song.samples, bit_rate) for name in parts}
    observed: list[ClusteredSong] = []
    separated = separator.separate(
        song, form.sample_rate, sensitivity=sensitivity, progress=progress, observe=observed.append
    )
    if source.stems is None:
        _write(heard, (block.stems for block in separated))
    else:
        next(separated)  # before which the song is clustered
        separated.close()
        _write(heard, _read(source.stems if parts == names else {**source.stems, ORIGINAL: song}))
    found = estimate(song) if is_installed() else Estimate()
    beats = (source.notes.tempo_bpm, 0.0) if source.notes.tempo_bpm else (found.tempo_bpm, found.first_beat)
    data = {"duration": song.seconds, "tempo_bpm": beats[0], "first_beat": beats[1], "ruler": RULER_SECONDS}
    sections = _sections(
        {name: heard[name] for name in names}, data, observed[0], separator, sensitivity, form.sample_rate
    )
    title = source.notes.tags.get("title") or source.name
    return page(title, _facts(source, found, separator, sensitivity), "\n".join(sections), _scripts(heard, data))


def _facts(source: Source, found: Estimate, separator: Separator, sensitivity: Sensitivity) -> str:
    song, notes = source.song, source.notes
    guessed = [] if notes.tempo_bpm or not found.tempo_bpm else [f"{found.tempo_bpm:g} bpm"]
    guessed += [found.key] if found.key else []
    return " · ".join(
        [
            *([notes.tags["artist"]] if notes.tags.get("artist") else []),
            clock(int(song.seconds)),
            f"{song.format.sample_rate / 1000:g} kHz",
            "mono" if song.format.channels == 1 else "stereo",
            *([f"{notes.tempo_bpm:g} bpm"] if notes.tempo_bpm else []),
            *([f"{', '.join(guessed)} (estimated)"] if guessed else []),
            f"model {separator.model.card.get('name', 'a model of your own')}, sensitivity {sensitivity}",
        ]
    )


def _write(listenings: Mapping[str, Listening], blocks: Iterable[Mapping[str, np.ndarray]]) -> None:
    """Encodes stems, each in a thread of its own, since this takes longer than to separate them."""
    with ThreadPoolExecutor(len(listenings)) as pool:
        for stems in blocks:
            for _ in pool.map(lambda name, audio: listenings[name].write(audio), stems, stems.values()):
                pass


def _read(stems: Mapping[str, Song | Sum]) -> Iterator[dict[str, np.ndarray]]:
    for block in blocks(next(iter(stems.values())).samples):
        yield {name: stem.read(*block) for name, stem in stems.items()}


def _sections(
    stems: Mapping[str, Listening],
    data: Mapping[str, Any],
    found: ClusteredSong,
    separator: Separator,
    sensitivity: Sensitivity,
    sample_rate: int,
) -> Iterator[str]:
    duration = data["duration"]
    yield part("transport.html").replace("$duration", clock(int(duration)))
    yield _players(stems)
    yield _ruler(duration)
    yield part("keys.html")
    yield from explanation.cells(found, separator.model, sample_rate, duration, separator.hints)
    yield explanation.over_time(found, duration)
    yield explanation.map_of(found, _unhinted(found, separator.model, sensitivity) if separator.hints else None)


@torch.inference_mode()
def _unhinted(found: ClusteredSong, model: Model, sensitivity: Sensitivity) -> Tensor:
    """Where the model's own clusters would have come to rest without hints, (stems, dimensions)."""
    weights = model.weigh(found.powers.gather(1, found.loudest)).flatten()
    return model.centroids(found.embeddings.flatten(0, 1), weights, float(model.kappa) * sensitivity.song)


def _scripts(stems: Mapping[str, Listening], data: Mapping[str, Any]) -> str:
    audio = (
        f'<script type="text/plain" id="audio-{number}">{embedded(stem.finish(), "").partition(",")[2]}</script>'
        for number, stem in enumerate(stems.values())
    )
    about = f'<script type="application/json" id="song">{json.dumps(dict(data))}</script>'
    return "\n".join([about, *audio, inlined(SCRIPTS)])


def _players(stems: Mapping[str, Listening]) -> str:
    loudest = max(float(stem.peaks.max()) for stem in stems.values()) or 1.0
    rows = []
    for number, (name, stem) in enumerate(stems.items()):
        shown = escape(name)
        switches = "".join(
            f'<button class="switch {what}" aria-pressed="false" title="{what.capitalize()} {shown}"'
            f' aria-label="{what.capitalize()} {shown}">{what[0].upper()}</button>'
            for what in ("mute", "solo")
        )
        path = figures.waveform(stem.peaks / loudest)
        rows.append(
            f'<div class="row" style="--colour: {colour_of(name)}" data-stem="{shown}" data-audio="audio-{number}">'
            f'<div class="channel"><div class="name"><i></i><b>{shown}</b>{switches}</div><div class="fader">'
            f'<input type="range" class="db" min="-60" max="12" step="0.5" value="0" aria-label="Level of {shown}">'
            "<output>0 dB</output></div></div>"
            f'<div class="lane" tabindex="0" role="slider" aria-label="Waveform of {shown}, position" aria-valuemin="0"'
            ' aria-valuemax="0" aria-valuenow="0"><canvas aria-hidden="true"></canvas>'
            f'<svg viewBox="0 0 1000 2" preserveAspectRatio="none"><path d="{path}"/></svg></div></div>'
        )
    return "\n".join(rows)


def _ruler(duration: float) -> str:
    """The times below the waveforms."""
    step = next((step for step in RULER_SECONDS if duration / step <= 12), RULER_SECONDS[-1])
    ticks = [
        f'<span style="left: {100 * second / duration:.2f}%">{clock(second)}</span>'
        for second in range(step, int(duration) + 1, step)
        if second < 0.97 * duration
    ]
    return f'<div class="row ruler"><div></div><div class="ticks">{"".join(ticks)}</div></div>'
