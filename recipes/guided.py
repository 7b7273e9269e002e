"""Measures what hints gain, and compares the methods of clustering, on songs whose true stems are known.

    python recipes/guided.py hints --songs data/valid-songs --musdb MUSDB18
    python recipes/guided.py methods --songs data/valid-songs --songs data/valid-renders
    python recipes/guided.py picture --songs data/valid-songs

Of every song a minute is heard: that in which its quietest stem is loudest. SDR is the median over the seconds in which
a stem sounds, in dB. Hints are what a listener would give: one to three boxes of 2 s over what was missed, in which the
true stem is most of the power and which hold at least 3 % of what it has. A stem that was missed nowhere gets no hint.
Of MUSDB18 its 14 validation songs are heard.
"""

import argparse
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from stems import Separator
from stems.evaluate.quick import distortion_energies
from stems.evaluate.tracks import Song, musdb_tracks, song_tracks
from stems.hints import Hint
from stems.methods import METHODS
from stems.model import Model
from stems.spectrum import Grid, analyse, energy

EXCERPT_SECONDS, HINT_SECONDS, STEP_SECONDS = 60, 2, 0.5
EDGES_HZ = (0.0, 120.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, math.inf)
MOSTLY, MISSED = 0.6, 0.03
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


def missed_boxes(song: Song, estimate: np.ndarray, stem: str, model: Model) -> list[Hint]:
    """Boxes that do not overlap in time, in which a stem is most of what sounds, the most missed first."""
    grid = model.grid(song.sample_rate)
    powers = {name: power(audio, grid) for name, audio in song.stems.items()}
    own, found, total = powers[stem], power(estimate, grid), sum(powers.values())
    hz = np.linspace(0, song.sample_rate / 2, own.shape[1])
    seconds = (np.arange(len(own)) + 2) * grid.frame_seconds
    boxes = []
    for start in np.arange(0, song.mixture.shape[1] / song.sample_rate - HINT_SECONDS + 0.01, STEP_SECONDS):
        within = (seconds >= start) & (seconds < start + HINT_SECONDS)
        sums = [each[within].sum(0) for each in (own, found, total)]
        for low, high in combinations(EDGES_HZ, 2):
            inside = (hz >= low) & (hz < high)
            true, there, all_of_it = (float(each[inside].sum()) for each in sums)
            missed = true - there
            if true >= MOSTLY * all_of_it and missed >= MISSED * own.sum():
                boxes.append((missed, float(start), low, high))
    chosen: list[Hint] = []
    for _, start, low, high in sorted(boxes, reverse=True):
        if all(abs(start - other.start) >= HINT_SECONDS for other in chosen):
            chosen.append(Hint(stem, start, start + HINT_SECONDS, low, high))
    return chosen


def power(audio: np.ndarray, grid: Grid) -> np.ndarray:
    """Of all cells of a sound, (frames, bins)."""
    return energy(analyse(torch.from_numpy(np.ascontiguousarray(audio)), grid)).sum(0).numpy()


def gain_inside(song: Song, hint: Hint, before: np.ndarray, after: np.ndarray, grid: Grid) -> float:
    """By how many dB the error of a stem is smaller in the box of a hint."""
    part = slice(round(hint.start * song.sample_rate), round(hint.end * song.sample_rate))
    errors = [power((song.stems[hint.stem] - each)[:, part], grid).sum(0) for each in (before, after)]
    hz = np.linspace(0, song.sample_rate / 2, len(errors[0]))
    worse, better = (float(each[(hz >= hint.low_hz) & (hz < hint.high_hz)].sum()) for each in errors)
    return 10 * math.log10(max(worse, 1e-12) / max(better, 1e-12))


def songs_in(folders: Sequence[Path], musdb: Path | None = None) -> Iterator[tuple[str, str, Song]]:
    for folder in folders:
        for track in song_tracks(folder):
            yield folder.name, track.name, excerpt(track.load())
    for track in musdb_tracks(musdb, "valid") if musdb else ():
        yield "MUSDB18", track.name, excerpt(track.load())


def measure_hints(songs: Iterable[tuple[str, str, Song]], model: Model) -> str:
    """What stems gain by the number of hints on them, what the others lose, and the gain inside of the boxes."""
    grouped: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for folder, name, song in songs:
        plain = Separator(model)(song.mixture, song.sample_rate)
        before, grid = sdr(song, plain), model.grid(song.sample_rate)
        for stem in before:
            boxes = missed_boxes(song, plain[stem], stem, model)
            for count in range(1, min(3, len(boxes)) + 1):
                guided = Separator(model, hints=boxes[:count])(song.mixture, song.sample_rate)
                found = sdr(song, guided)
                change = {each: found[each] - before[each] for each in before}
                inside = [gain_inside(song, box, plain[stem], guided[stem], grid) for box in boxes[:count]]
                grouped[stem][count].append(change[stem])
                grouped[f"below {BADLY_DB} dB before" if before[stem] < BADLY_DB else "better before"][count].append(
                    change[stem]
                )
                grouped["the other stems"][count] += [change[each] for each in before if each != stem]
                grouped["error in the boxes"][count].append(float(np.mean(inside)))
                rest = ", ".join(f"{each} {change[each]:+.2f}" for each in before if each != stem)
                print(f"{folder}/{name} {stem} {before[stem]:.2f} {change[stem]:+.2f} by {count} ({rest})", flush=True)
    lines = ["| | 1 hint | 2 hints | 3 hints | worst |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(row(what, by_count) for what, by_count in grouped.items())])


def row(name: str, by_count: dict[int, list[float]]) -> str:
    means = [f"{np.mean(by_count[n]):+.2f} ({len(by_count[n])})" if by_count[n] else "" for n in (1, 2, 3)]
    return f"| {name} | " + " | ".join(means) + f" | {min(min(found) for found in by_count.values() if found):+.2f} |"


def compare_methods(songs: Iterable[tuple[str, str, Song]], model: Model) -> str:
    """SDR by stem, and the time that a minute of song takes."""
    scores: dict[str, dict[str, list[float]]] = {method: defaultdict(list) for method in METHODS}
    work: dict[str, float] = defaultdict(float)
    minutes = 0.0
    for _, _, song in songs:
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


def draw(songs: Iterable[tuple[str, str, Song]], model: Model) -> str:
    """Draws the stem whose one hint helps a song most, by the sum over its stems; returns what it drew.

    It is shown as it truly is, without and with the hint.
    """
    from matplotlib.figure import Figure

    best: tuple[float, str, Song, list[np.ndarray], list[float], Hint] | None = None
    for _, name, song in songs:
        plain = Separator(model)(song.mixture, song.sample_rate)
        before = sdr(song, plain)
        for stem in before:
            for hint in missed_boxes(song, plain[stem], stem, model)[:1]:
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
    parser.add_argument("--songs", type=Path, action="append", default=[], help="folder of songs with stems")
    parser.add_argument("--musdb", type=Path, help="MUSDB18, for its validation songs")
    parser.add_argument("--model", default="openband")
    torch.set_num_threads(1)  # which tells the times of methods apart from the number of cores
    options = parser.parse_args()
    model = Model.load(options.model)
    work = {"hints": measure_hints, "methods": compare_methods, "picture": draw}[options.what]
    print(work(songs_in(options.songs, options.musdb), model))


if __name__ == "__main__":
    main()
