"""Puts lead vocals that were taken out of songs back where they were: what else plays there is their accompaniment.

    python recipes/sung_songs.py --vocals VOCALS --songs "SONGS/Creative Commons" --out data/sung-songs

SONGS is the repository UltraStar-Deluxe/songs: a folder for each song, with its `audio` and a chart of what is sung,
`song.txt`. VOCALS (here `vocals_from_songs` of the corpus) are phrases of one song each, with a pause of digital
silence between them, at a level of their own; their file is named as the song's folder, in small letters and hyphens.
Where the chart has no notes nobody sings, and all that plays is accompaniment. Stretches that are neither, and short
ones, are left out. What comes of each song are one or more folders with `vocals`, unless they are silent, and
`accompaniment`. One more is the accompaniment of a song as its makers gave it, under a licence that lets it be
changed.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import oaconvolve

RATE = 44100
PAUSE = 0.2  # seconds of digital silence that part two phrases
SHORTEST = 10.0  # seconds of a stretch, as training hears it
SHORTEST_PHRASE = 0.3  # seconds
BEFORE, AFTER = 0.25, 0.8  # seconds about a note of the chart in which somebody may sing
LOOSE = 0.2  # seconds by which charts are early or late
LEAST_LIKENESS = 0.35  # correlation of a phrase with the song where it was
AS_LIKE = 0.9  # of the best; choruses that were copied are alike to a hair
MOST_APART = 0.35  # of a phrase's level from that of the song's phrases, in nepers
ACCOMPANIMENT = "Shearer - Can't stop it/instrumental.mp3"

Spans = list[tuple[int, int]]


def read(path: Path) -> np.ndarray:
    """(2, samples) at 44.1 kHz."""
    try:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise SystemExit(f"{path} cannot be read: {error.error_string}") from error
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
    return [(start, end) for start, end in joined if end - start > SHORTEST_PHRASE * RATE]


def place(song: np.ndarray, phrase: np.ndarray) -> tuple[int, float, float]:
    """The first place in a song (samples,) where a phrase is as like it as anywhere.

    Returns:
        where it starts, the correlation there, and the phrase's level in the song.
    """
    products = oaconvolve(song, phrase[::-1], mode="valid")
    energies = np.concatenate(([0.0], np.cumsum(np.square(song, dtype=np.float64))))
    energies = energies[len(phrase) :] - energies[: -len(phrase)]
    energy = float(np.square(phrase, dtype=np.float64).sum())
    likeness = products / np.sqrt(np.maximum(energies, 1e-3 * energies.max()) * energy + 1e-12)
    first = int(np.argmax(likeness >= AS_LIKE * likeness.max()))
    start = first + int(likeness[first : first + RATE // 20].argmax())
    return start, float(likeness[start]), float(products[start] / energy)


def notes(chart: Path) -> Spans:
    """Samples at which the notes of an UltraStar chart start and end."""
    text = chart.read_text(errors="replace")
    if "#RELATIVE:YES" in text.upper():
        raise SystemExit(f"{chart} counts from line to line: such charts are not read.")
    header = dict(re.findall(r"^#(\w+):(.*)$", text, re.MULTILINE))
    beat = 15 * RATE / float(header["BPM"].replace(",", "."))
    first = float(header.get("GAP", "0").replace(",", ".")) * RATE / 1000
    found = re.findall(r"^[:*FRG] ?(-?\d+) (\d+) ", text, re.MULTILINE)
    if not found:
        raise SystemExit(f"{chart} has no notes.")
    return [(int(first + int(start) * beat), int(first + (int(start) + int(long)) * beat)) for start, long in found]


def put_back(song: np.ndarray, vocals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The vocals of a song where they were, (2, samples), and where they are known, (samples,).

    Phrases come in the order of the song, so each is looked for after the one before.
    """
    found, after = [], 0
    for start, end in phrases(vocals):
        if song.shape[1] - after < end - start:
            continue
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


def pieces(known: np.ndarray, sung: Spans) -> Spans:
    """Stretches of a song in which the vocals are known or, by the chart, silent."""
    silent = np.ones(len(known), bool)
    for start, end in sung:
        silent[max(0, start - int(BEFORE * RATE)) : end + int(AFTER * RATE)] = False
    usable = known | silent
    for start, end in spans(~usable):  # between a known phrase and a note that is its own, by a loose chart
        if max((min(last, end) - max(first, start) for first, last in sung), default=0) < LOOSE * RATE:
            usable[start:end] = True
    return [(start, end) for start, end in spans(usable) if end - start > SHORTEST * RATE]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("vocals", "songs", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    places = parser.parse_args()
    if places.out.exists():
        raise SystemExit(f"{places.out} is there already: remove it, or name another folder.")
    found = {re.sub(r"[^a-z0-9]+", "-", path.parent.name.lower()): path for path in places.songs.glob("*/audio.*")}
    recordings = sorted(places.vocals.glob("*.ogg"))
    if missing := [path for path in recordings if path.stem not in found]:
        raise SystemExit(f"{places.songs} has no song for {missing[0]}.")
    accompaniment = read(places.songs / ACCOMPANIMENT)
    for path in recordings:
        song = read(found[path.stem])
        vocals, known = put_back(song, read(path))
        stretches = pieces(known, notes(found[path.stem].with_name("song.txt")))
        for number, (start, end) in enumerate(stretches):
            folder = places.out / f"{path.stem}-{number}"
            folder.mkdir(parents=True)
            for name, audio in (("vocals", vocals), ("accompaniment", song - vocals)):
                if audio[:, start:end].any():
                    soundfile.write(folder / f"{name}.flac", audio[:, start:end].T.clip(-1, 1), RATE)
        seconds = sum(end - start for start, end in stretches) / RATE
        print(f"{path.stem}: {seconds:.0f} of {song.shape[1] / RATE:.0f} s, sung in {known.sum() / RATE:.0f} s")
    folder = places.out / "shearer-can-t-stop-it"
    folder.mkdir(parents=True)
    soundfile.write(folder / "accompaniment.flac", accompaniment.T, RATE)


if __name__ == "__main__":
    main()
