"""The page about one song, which plays its stems and shows how they were found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import TYPE_CHECKING

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
from stems.report.page import embedded, page, part
from stems.report.source import Source
from stems.sensitivity import Sensitivity
from stems.song.clustered import ClusteredSong

if TYPE_CHECKING:
    from stems.separator import Separator

LONGEST_MINUTES = 20  # more than which browsers cannot hold decoded
SAMPLES_AT_ONCE = 2**18
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
    bit_rate = bit_rate_for(song.seconds, len(names))
    stems = {name: Listening(form.sample_rate, form.channels, song.samples, bit_rate) for name in names}
    observed: list[ClusteredSong] = []
    blocks = separator.separate(
        song, form.sample_rate, sensitivity=sensitivity, progress=progress, observe=observed.append
    )
    if source.stems is None:
        _write(stems, (block.stems for block in blocks))
    else:
        next(blocks)  # before which the song is clustered
        blocks.close()
        _write(stems, _read(source.stems))
    about = separator.model.card.get("name", "a model of your own")
    facts = (
        f"{clock(int(song.seconds))} · {form.sample_rate / 1000:g} kHz · {'mono' if form.channels == 1 else 'stereo'}"
        f" · model {about}, sensitivity {sensitivity}"
    )
    sections = _sections(stems, observed[0], separator, sensitivity, form.sample_rate, song.seconds)
    return page(source.name, facts, "\n".join(sections), _scripts(stems))


def _write(listenings: Mapping[str, Listening], blocks: Iterable[Mapping[str, np.ndarray]]) -> None:
    """Encodes stems, each in a thread of its own, since this takes longer than to separate them."""
    with ThreadPoolExecutor(len(listenings)) as pool:
        for stems in blocks:
            for _ in pool.map(lambda name, audio: listenings[name].write(audio), stems, stems.values()):
                pass


def _read(stems: Mapping[str, Song]) -> Iterator[dict[str, np.ndarray]]:
    samples = next(iter(stems.values())).samples
    for start in range(0, samples, SAMPLES_AT_ONCE):
        yield {name: stem.read(start, min(SAMPLES_AT_ONCE, samples - start)) for name, stem in stems.items()}


def _sections(
    stems: Mapping[str, Listening],
    found: ClusteredSong,
    separator: Separator,
    sensitivity: Sensitivity,
    sample_rate: int,
    duration: float,
) -> Iterator[str]:
    yield f'<div data-duration="{duration}">'
    yield part("transport.html").replace("$duration", clock(int(duration)))
    yield _players(stems)
    yield _ruler(duration)
    yield from explanation.cells(found, separator.model, sample_rate, duration, separator.hints)
    yield explanation.over_time(found, duration)
    yield explanation.map_of(found, _unhinted(found, separator.model, sensitivity) if separator.hints else None)
    yield "</div>"


@torch.inference_mode()
def _unhinted(found: ClusteredSong, model: Model, sensitivity: Sensitivity) -> Tensor:
    """Where the model's own clusters would have come to rest without hints, (stems, dimensions)."""
    weights = model.weigh(found.powers.gather(1, found.loudest)).flatten()
    return model.centroids(found.embeddings.flatten(0, 1), weights, float(model.kappa) * sensitivity.song)


def _scripts(stems: Mapping[str, Listening]) -> str:
    audio = (
        f'<script type="text/plain" id="audio-{number}">{embedded(stem.finish(), "").partition(",")[2]}</script>'
        for number, stem in enumerate(stems.values())
    )
    return "\n".join([*audio, f"<script>\n{part('player.js')}</script>"])


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
            f'<div class="name"><i></i><b>{shown}</b>{switches}</div>'
            '<div class="lane"><svg viewBox="0 0 1000 2" preserveAspectRatio="none">'
            f'<path d="{path}"/></svg></div></div>'
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
