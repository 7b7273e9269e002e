"""Lays out the material of `voices.toml`: singers to train on, and duets of other singers to validate with.

    python recipes/voices_material.py --corpus CORPUS --out data

CORPUS holds vocals/. Singers become folders of links, below `singers/` by kind of recording; duets become folders
of two files, `voice-1.flac` (the louder) and `voice-2.flac`, below `duets/same-gender` and `duets/mixed`.
"""

import argparse
import csv
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile

from stems.train.augment import loudness
from stems.train.material import Recording, recording
from stems.train.voices import LARGEST_DIFFERENCE_DB, activity

RATE = 44100
DUETS = 24  # in a group
SECONDS = 10
LOOKS = 20  # at a recording, for an excerpt in which the voice sounds

# Kept out of training. GTSinger and M4Singer name their singers by voice, and the Children's Song Dataset says that a
# woman sings. The two of vocadito are known by their median pitch: 125 and 147 Hz, which no file of these women is near
# (208 to 479 Hz).
WOMEN = ("CSD singer", "GTSinger EN-Alto-1", "GTSinger EN-Alto-2", "M4Singer Alto-1", "M4Singer Soprano-1")
MEN = ("GTSinger EN-Tenor-1", "M4Singer Tenor-2", "vocadito_10", "vocadito_S1")
# In neither: these may be the same people, or are several at once.
LEFT_OUT = (
    "Dagstuhl ChoirSet S1 A2 T2 B2",
    "GTSinger ? (unnamed)",
    "GTSinger en (unnamed)",
    "M4Singer (unnamed)",
    "saebyulgan (unnamed, seems one singer)",
    "three singers in turn (female, carnatic male, soprano)",
)


def lay_out_singers(rows: list[dict[str, str]], corpus: Path, out: Path) -> None:
    """A folder of links for every singer who is trained on."""
    for row in rows:
        if row["singer"] not in (*WOMEN, *MEN, *LEFT_OUT):
            path = out / "singers" / row["kind"] / row["singer"] / row["file"].replace("/", "-")
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_symlink():
                path.symlink_to((corpus / "vocals" / row["file"]).resolve())


def write_duet(rng: np.random.Generator, voices: list[Recording], folder: Path) -> None:
    """An excerpt of each voice, in mono, the second one quieter."""
    folder.mkdir(parents=True, exist_ok=True)
    count = min(SECONDS * RATE, *map(len, voices))
    for number, voice in enumerate(voices):
        starts = rng.integers(len(voice) - count + 1, size=LOOKS)
        line = max((voice.excerpt(int(start), count) for start in starts), key=activity)
        line *= 0.1 / loudness(line) * 10 ** (-number * rng.uniform(0, LARGEST_DIFFERENCE_DB) / 20)
        soundfile.write(folder / f"voice-{number + 1}.flac", line.mean(0), RATE, subtype="PCM_16")


def lay_out_duets(rows: list[dict[str, str]], corpus: Path, out: Path) -> None:
    """Pairs of different singers, the same at every call."""
    voices: dict[str, list[Recording]] = {}
    for row in rows:
        voices.setdefault(row["singer"], []).append(recording(corpus / "vocals" / row["file"], out / "cache"))
    same_gender, mixed = cycle([(WOMEN, WOMEN), (MEN, MEN)]), cycle([(WOMEN, MEN), (MEN, WOMEN)])
    for name, seed, genders in (("same-gender", 1, same_gender), ("mixed", 2, mixed)):
        rng = np.random.default_rng(seed)
        for number in range(DUETS):
            firsts, seconds = next(genders)
            first = rng.choice(firsts)
            second = rng.choice([singer for singer in seconds if singer != first])
            pair = [voices[singer][rng.integers(len(voices[singer]))] for singer in (first, second)]
            write_duet(rng, pair, out / "duets" / name / f"{number:02d} {first}, {second}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with open(options.corpus / "vocals/index.tsv") as index:
        rows = list(csv.DictReader(index, delimiter="\t"))
    lay_out_singers(rows, options.corpus, options.out)
    lay_out_duets(rows, options.corpus, options.out)


if __name__ == "__main__":
    main()
