"""The page about one song, which plays its stems and shows how they were found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from stems.audio import Song, open_song
from stems.confidence import Clustered
from stems.daw.colours import colour_of
from stems.errors import AudioError, OptionError
from stems.model import Model
from stems.report import explanation, figures
from stems.report.listening import Listening, bit_rate_for
from stems.report.page import embedded, page, part

if TYPE_CHECKING:
    from stems.separator import Separator

LONGEST_MINUTES = 20  # more than which browsers cannot hold decoded
SAMPLES_AT_ONCE = 2**18
RULER_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120)


def song_report(
    song_path: Path,
    separator: Separator,
    sensitivity: float = 1.0,
    stem_files: Mapping[str, Path] | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> str:
    """The page about a song.

    Args:
        song_path: the song.
        sensitivity: see `Separator`.
        stem_files: stems to play, by name, made earlier; the separator's own by default.
        progress: called with the share of the work that is done, from 0 to 1.

    Raises:
        AudioError: if a file cannot be read, or a stem does not belong to the song.
        OptionError: if the song is too long for a page, or the sensitivity out of range.
    """
    with open_song(song_path) as song:
        if song.seconds > 60 * LONGEST_MINUTES:
            raise OptionError(f"{song_path} is longer than the {LONGEST_MINUTES} minutes that a page holds: cut it.")
        names = tuple(stem_files or separator.stems)
        bit_rate = bit_rate_for(song.seconds, len(names))
        form = song.format
        stems = {name: Listening(form.sample_rate, form.channels, song.samples, bit_rate) for name in names}
        observed: list[Clustered] = []
        blocks = separator.separate(song, form.sample_rate, None, sensitivity, progress, None, observed.append)
        if stem_files is None:
            for block in blocks:
                for name, audio in block.stems.items():
                    stems[name].write(audio)
        else:
            next(blocks)  # before which the song is clustered
            _read_stems(song, stem_files, stems)
        about = separator.model.card.get("name", "a model of your own")
        facts = (
            f"{clock(song.seconds)} · {form.sample_rate / 1000:g} kHz · {'mono' if form.channels == 1 else 'stereo'}"
            f" · model {about}, sensitivity {sensitivity:g}"
        )
        return page(song_path.stem, facts, *_contents(stems, observed[0], separator.model, song))


def _read_stems(song: Song, files: Mapping[str, Path], stems: Mapping[str, Listening]) -> None:
    with ExitStack() as stack:
        for name, path in files.items():
            stem = stack.enter_context(open_song(path))
            if (stem.format.sample_rate, stem.samples) != (song.format.sample_rate, song.samples):
                raise AudioError(f"{path} is not as long as {song.path}, or has another rate: name the song it is of.")
            if stem.format.channels != song.format.channels:
                raise AudioError(f"{path} has not as many channels as {song.path}: name the song it is of.")
            for start in range(0, stem.samples, SAMPLES_AT_ONCE):
                stems[name].write(stem.read(start, min(SAMPLES_AT_ONCE, stem.samples - start)))


def _contents(stems: Mapping[str, Listening], found: Clustered, model: Model, song: Song) -> tuple[str, str]:
    """HTML of the sections, and of the scripts."""
    sections = [
        f'<div data-duration="{song.seconds}">',
        part("transport.html").replace("$duration", clock(song.seconds)),
        _players(stems),
        _ruler(song.seconds),
        *explanation.cells(found, model, song.format.sample_rate, song.seconds),
        explanation.over_time(found, song.seconds),
        explanation.map_of(found),
        "</div>",
    ]
    audio = [
        f'<script type="text/plain" id="audio-{number}">{embedded(stem.finish(), "").partition(",")[2]}</script>'
        for number, stem in enumerate(stems.values())
    ]
    return "\n".join(sections), "\n".join([*audio, f"<script>\n{part('player.js')}</script>"])


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


def clock(seconds: float) -> str:
    """Seconds as minutes:seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
