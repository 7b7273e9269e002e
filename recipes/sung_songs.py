"""Puts lead vocals that were taken out of songs back where they were: what else plays there is their accompaniment.

    python recipes/sung_songs.py --vocals VOCALS --songs "SONGS/Creative Commons" --out data/sung-songs

VOCALS are phrases of one song each, with a pause of digital silence between them, at a level of their own. SONGS is the
repository UltraStar-Deluxe/songs: a folder for each song, with its `audio` and a chart of what is sung, `song.txt`.
Where the chart has no notes nobody sings, and all that plays is accompaniment. Stretches that are neither, and short
ones, are left out. What comes of each song are one or more folders with `vocals` and `accompaniment`; one song is there
as its makers play it without the voice, and is all accompaniment.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import oaconvolve

RATE = 44100
PAUSE = 0.2  # seconds of digital silence that part two phrases
SHORTEST = 6.0  # seconds
BEFORE, AFTER = 0.25, 0.8  # seconds about a note of the chart in which somebody may sing
JOINED = 2.5  # seconds between two stretches that are bridged if the chart has no note there
LEAST_LIKENESS = 0.35  # correlation of a phrase with the song where it was
MOST_APART = 0.35  # of a phrase's level from that of the song's phrases, in nepers

WITHOUT_VOICE = "Shearer - Can't stop it/instrumental.mp3"

Spans = list[tuple[int, int]]


def read(path: Path) -> np.ndarray:
    """(2, samples) at 44.1 kHz."""
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if rate != RATE:
        raise SystemExit(f"{path} is at {rate} Hz: convert it to {RATE} Hz.")
    return np.broadcast_to(audio.T, (2, len(audio)))


def spans(marked: np.ndarray) -> Spans:
    """Where a boolean (samples,) is true, as starts and ends."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], marked.astype(np.int8), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def phrases(vocals: np.ndarray) -> Spans:
    """Phrases of (channels, samples) between pauses."""
    joined: Spans = []
    for start, end in spans(np.abs(vocals).max(0) > 1e-4):
        if joined and start - joined[-1][1] < PAUSE * RATE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return [(start, end) for start, end in joined if end - start > 0.3 * RATE]


def place(song: np.ndarray, phrase: np.ndarray) -> tuple[int, float, float]:
    """Where in a song (samples,) a phrase is most like it: its start, the correlation there, and its level."""
    products = oaconvolve(song, phrase[::-1], mode="valid")
    energies = np.concatenate(([0.0], np.cumsum(np.square(song, dtype=np.float64))))
    energies = energies[len(phrase) :] - energies[: -len(phrase)]
    energy = float(np.square(phrase, dtype=np.float64).sum())
    likeness = products / np.sqrt(np.maximum(energies, 1e-3 * energies.max()) * energy)
    start = int(likeness.argmax())
    return start, float(likeness[start]), float(products[start] / energy)


def notes(chart: Path) -> Spans:
    """Samples at which the notes of an UltraStar chart start and end."""
    text = chart.read_text(errors="replace")
    header = dict(re.findall(r"^#(\w+):(.*)$", text, re.MULTILINE))
    beat = 15 * RATE / float(header["BPM"].replace(",", "."))
    first = float(header.get("GAP", "0").replace(",", ".")) * RATE / 1000
    found = re.findall(r"^[:*FRG] ?(-?\d+) (\d+) ", text, re.MULTILINE)
    return [(int(first + int(start) * beat), int(first + (int(start) + int(long)) * beat)) for start, long in found]


def put_back(song: np.ndarray, vocals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The vocals of a song where they were, (2, samples), and where they are known, (samples,).

    Phrases come in the order of the song, so each is looked for after the one before.
    """
    found, after = [], 0
    for start, end in phrases(vocals):
        if song.shape[1] - after < end - start:
            break
        at, likeness, level = place(song[:, after:].sum(0), vocals[:, start:end].sum(0))
        if likeness > LEAST_LIKENESS:
            found.append((start, end, after + at, level))
            after += at + end - start
    usual = float(np.median([level for *_, level in found])) if found else 0.0
    back, known = np.zeros_like(song), np.zeros(song.shape[1], bool)
    for start, end, at, level in found:
        if abs(np.log(level / usual)) < MOST_APART:
            back[:, at : at + end - start] = usual * vocals[:, start:end]
            known[at : at + end - start] = True
    return back, known


def pieces(known: np.ndarray, sung: Spans) -> Iterator[tuple[int, int]]:
    """Stretches of a song in which the vocals are known or, by the chart, silent."""
    silent = np.ones(len(known), bool)
    for start, end in sung:
        silent[max(0, start - int(BEFORE * RATE)) : end + int(AFTER * RATE)] = False
    joined: Spans = []
    for start, end in spans(known | silent):
        apart = joined and any(first < start and last > joined[-1][1] + AFTER / 4 * RATE for first, last in sung)
        if joined and start - joined[-1][1] < JOINED * RATE and not apart:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return ((start, end) for start, end in joined if end - start > SHORTEST * RATE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("vocals", "songs", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    places = parser.parse_args()
    songs = {
        re.sub(r"[^a-z0-9]+", "-", path.parent.name.lower()): path for path in sorted(places.songs.glob("*/audio.*"))
    }
    for path in sorted(places.vocals.glob("*.ogg")):
        song = read(songs[path.stem])
        vocals, known = put_back(song, read(path))
        total = 0
        for number, (start, end) in enumerate(pieces(known, notes(songs[path.stem].with_name("song.txt")))):
            folder = places.out / f"{path.stem}-{number}"
            folder.mkdir(parents=True, exist_ok=True)
            for name, audio in (("vocals", vocals), ("accompaniment", song - vocals)):
                soundfile.write(folder / f"{name}.flac", audio[:, start:end].T.clip(-1, 1), RATE)
            total += end - start
        print(f"{path.stem}: {total / RATE:.0f} of {song.shape[1] / RATE:.0f} s, sung in {known.sum() / RATE:.0f} s")
    folder = places.out / "shearer-can-t-stop-it"
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / "accompaniment.flac", read(places.songs / WITHOUT_VOICE).T, RATE)


if __name__ == "__main__":
    main()
