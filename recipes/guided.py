"""Measures what hints gain, and compares the methods of clustering, on songs whose true stems are known.

    python recipes/guided.py hints --songs data/valid-songs --songs data/valid-renders
    python recipes/guided.py methods --songs data/valid-songs --songs data/valid-renders
    python recipes/guided.py picture --songs data/valid-songs

Of every song a minute is heard: that in which its quietest stem is loudest. SDR is the median over the seconds in which
a stem sounds, in dB. Hints are what a listener would give: one to three spans of 3 s in which the true stem sounds and
is most of what is heard in its band. A stem that never is gets no hint.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from stems import Separator
from stems.evaluate.quick import distortion_energies
from stems.evaluate.tracks import Song, song_tracks
from stems.hints import Hint
from stems.methods import METHODS
from stems.model import Model
from stems.song.guidance import bands_of
from stems.spectrum import analyse, energy

EXCERPT_SECONDS, HINT_SECONDS, STEP_SECONDS = 60, 3, 0.5
BANDS_HZ = {"bass": (40.0, 250.0), "vocals": (150.0, 6000.0)}
MOSTLY = 0.5
SOUNDS_DB, BADLY_DB = -30, 2


def excerpt(song: Song) -> Song:
    """The minute of a song in which its quietest stem is loudest."""
    samples = EXCERPT_SECONDS * song.sample_rate
    starts = range(0, max(1, song.mixture.shape[1] - samples + 1), 5 * song.sample_rate)
    start = max(starts, key=lambda at: min(np.square(stem[:, at : at + samples]).sum() for stem in song.stems.values()))
    part = slice(start, start + samples)
    return Song(song.sample_rate, song.mixture[:, part], {name: stem[:, part] for name, stem in song.stems.items()})


def sdr(song: Song, estimates: dict[str, np.ndarray]) -> dict[str, float]:
    """Of each stem that sounds, in dB."""
    count = max(1, song.mixture.shape[1] // song.sample_rate)
    seconds = [slice(at * song.sample_rate, (at + 1) * song.sample_rate) for at in range(count)]
    names = [name for name, stem in song.stems.items() if np.abs(stem).max() > 1e-3]
    signal, error = distortion_energies(
        *([stems[name] for name in names] for stems in (song.stems, estimates)), seconds
    )
    sounds = signal > 10 ** (SOUNDS_DB / 10) * signal.max(1, keepdims=True)
    ratios = 10 * np.log10(signal / np.maximum(error, 1e-12) + 1e-12)
    return {name: float(np.median(row[there])) for name, row, there in zip(names, ratios, sounds, strict=True)}


def truest_spans(song: Song, stem: str, model: Model) -> list[Hint]:
    """Spans that do not overlap, in which a stem sounds and is most of its band, the truest first."""
    grid, bands = model.grid(song.sample_rate), model.design.bands
    low, high = BANDS_HZ.get(stem, (0.0, float("inf")))
    inside = bands_of(Hint(stem, 0, 0, low, high), bands)
    powers = {
        name: bands.sums(energy(analyse(torch.from_numpy(audio), grid)).sum(0), grid)[:, inside]
        for name, audio in song.stems.items()
    }
    total = torch.stack(list(powers.values())).sum(0)
    weights = model.weigh(total)
    own = (weights * powers[stem] / total.clamp(min=1e-12)).sum(1)
    seconds = (torch.arange(len(total)) + 2) * grid.frame_seconds
    spans = []
    for start in np.arange(0, song.mixture.shape[1] / song.sample_rate - HINT_SECONDS, STEP_SECONDS):
        within = (seconds >= start) & (seconds < start + HINT_SECONDS)
        share = float(own[within].sum() / weights[within].sum().clamp(min=1e-12))
        spans.append((share, float(powers[stem][within].sum()), float(start)))
    audible = 0.1 * np.quantile([power for _, power, _ in spans], 0.95) if spans else 0
    chosen: list[float] = []
    for share, power, start in sorted(spans, reverse=True):
        if share >= MOSTLY and power >= audible and all(abs(start - other) >= HINT_SECONDS for other in chosen):
            chosen.append(start)
    return [Hint(stem, start, start + HINT_SECONDS, low, high) for start in chosen]


def songs_in(folders: Sequence[Path]) -> Iterator[tuple[str, str, Song]]:
    for folder in folders:
        for track in song_tracks(folder):
            yield folder.name, track.name, excerpt(track.load())


def measure_hints(folders: Sequence[Path], model: Model) -> str:
    """The gain of each stem by the number of hints on it, and what the other stems lose."""
    gains: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)  # SDR before, and its gain
    others: dict[int, list[float]] = defaultdict(list)
    for folder, name, song in songs_in(folders):
        before = sdr(song, Separator(model)(song.mixture, song.sample_rate))
        for stem in before:
            spans = truest_spans(song, stem, model)
            for count in range(1, min(3, len(spans)) + 1):
                found = sdr(song, Separator(model, hints=spans[:count])(song.mixture, song.sample_rate))
                change = {each: found[each] - before[each] for each in before}
                gains[stem, count].append((before[stem], change[stem]))
                others[count] += [change[each] for each in before if each != stem]
                rest = ", ".join(f"{each} {change[each]:+.2f}" for each in before if each != stem)
                print(f"{folder}/{name} {stem} {before[stem]:.2f} {change[stem]:+.2f} by {count} ({rest})", flush=True)
    lines = ["| stem | songs | 1 hint | 2 hints | 3 hints |", "|---|---|---|---|---|"]
    for stem in model.design.stems:
        lines.append(row(stem, [[gain for _, gain in gains[stem, count]] for count in (1, 2, 3)]))
    for what, is_in in ((f"below {BADLY_DB} dB before", True), ("better before", False)):
        chosen = [
            [gain for (_, n), found in gains.items() if n == count for sdr, gain in found if (sdr < BADLY_DB) == is_in]
            for count in (1, 2, 3)
        ]
        lines.append(row(what, chosen))
    medians = [f"{np.median(others[count]):+.2f}" if others[count] else "" for count in (1, 2, 3)]
    lines.append(f"| the other stems, median | {len(others[1])} | " + " | ".join(medians) + " |")
    return "\n".join(lines)


def row(name: str, by_count: list[list[float]]) -> str:
    means = [f"{np.mean(found):+.2f} ({len(found)})" if found else "" for found in by_count]
    return f"| {name} | {len(by_count[0])} | " + " | ".join(means) + " |"


def compare_methods(folders: Sequence[Path], model: Model) -> str:
    """SDR by stem, and the time that a minute of song takes."""
    scores: dict[str, dict[str, list[float]]] = {method: defaultdict(list) for method in METHODS}
    work: dict[str, float] = defaultdict(float)
    minutes = 0.0
    for _, _, song in songs_in(folders):
        minutes += song.mixture.shape[1] / song.sample_rate / 60
        for method in METHODS:
            begun = perf_counter()
            found = Separator(model, method=method)(song.mixture, song.sample_rate)
            work[method] += perf_counter() - begun
            for stem, ratio in sdr(song, found).items():
                scores[method][stem].append(ratio)
    stems = model.design.stems
    lines = ["| method | " + " | ".join(stems) + " | seconds for a minute |", "|---|" + "---|" * (len(stems) + 1)]
    for method in METHODS:
        means = [f"{np.mean(scores[method][stem]):.2f}" for stem in stems]
        lines.append(f"| {method} | " + " | ".join(means) + f" | {work[method] / minutes:.1f} |")
    return "\n".join(lines)


def draw(folders: Sequence[Path], model: Model) -> str:
    """Draws the stem whose one hint helps a song most, by the sum over its stems; returns what it drew.

    It is shown as it truly is, without and with the hint.
    """
    from matplotlib.figure import Figure

    best: tuple[float, str, Song, list[np.ndarray], list[float], Hint] | None = None
    for _, name, song in songs_in(folders):
        plain = Separator(model)(song.mixture, song.sample_rate)
        before = sdr(song, plain)
        for stem in before:
            for hint in truest_spans(song, stem, model)[:1]:
                guided = Separator(model, hints=[hint])(song.mixture, song.sample_rate)
                after = sdr(song, guided)
                gain = sum(after[each] - before[each] for each in before)
                if best is None or gain > best[0]:
                    audio = [song.stems[stem], plain[stem], guided[stem]]
                    best = gain, f"{stem} of {name}", song, audio, [before[stem], after[stem]], hint
    assert best is not None
    _, title, song, audio, ratios, hint = best
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots(3, sharex=True, sharey=True)
    texts = ["in truth", f"without a hint, {ratios[0]:.1f} dB", f"with one hint, {ratios[1]:.1f} dB"]
    for axis, sound, text in zip(axes, audio, texts, strict=True):
        axis.specgram(sound.mean(0) + 1e-6, NFFT=4096, Fs=song.sample_rate, noverlap=2048, vmin=-110, vmax=-40)
        axis.set(ylim=(0, 5000), ylabel="Hz")
        axis.set_title(f"{title}: {text}", loc="left", fontsize=10)
    axes[2].axvspan(hint.start, hint.end, alpha=0.25, color="white")
    axes[2].set_xlabel("seconds")
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=80)
    return f"{title}: {ratios[0]:.2f} dB, {ratios[1]:.2f} dB with {hint}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["hints", "methods", "picture"])
    parser.add_argument("--songs", type=Path, action="append", required=True, help="folder of songs with stems")
    parser.add_argument("--model", default="openband")
    torch.set_num_threads(1)  # which tells the times of methods apart from the number of cores
    options = parser.parse_args()
    model = Model.load(options.model)
    print({"hints": measure_hints, "methods": compare_methods, "picture": draw}[options.what](options.songs, model))


if __name__ == "__main__":
    main()
