"""Lays out multitracks of public repositories as songs with stems.

    python recipes/more_songs.py --repositories REPOSITORIES --out data/more
    python recipes/more_songs.py --repositories REPOSITORIES --list recipes/found_songs.tsv --out data/found

`more_songs.tsv` and `found_songs.tsv` beside this file list the tracks: song, repository, commit, path, stem and
licence; of class I are loops of single instruments. REPOSITORIES holds a clone of each, as `owner+name`. Raw tracks of
MusicDelta and bands are dry, mono and as loud as they were recorded: they are balanced and panned here, drawn from the
song's name. Songs of MUSDB18's test set are left out, and so is what holds
two stems at once.
"""

import argparse
import csv
import subprocess
import tempfile
import zlib
from pathlib import Path

import numpy as np
import soundfile

from stems.card import STEMS
from stems.errors import AudioError
from stems.files.audio import open_song
from stems.train import augment

TESTED = ("mdb_80sRock",)  # "Music Delta - 80s Rock" is of MUSDB18's test set
# What names of raw songs begin with.
RAW = ("mdb_", "mckay_daisy", "htkac_heart", "actions_south_part", "darkride_bridges", "brew_want")
LOUDNESS_DB = {"drums": -25.0, "bass": -26.0, "vocals": -24.0, "other": -26.0}  # of raw stems, give or take SPREAD_DB
SPREAD_DB = 2.0
WIDEST = 0.7  # place of a panned track, 1 being one side alone

Track = dict[str, str]


def read_track(track: Track, repositories: Path) -> tuple[np.ndarray, int]:
    """float32 (channels, samples) and the rate of a track at the commit that the list names.

    Raises:
        SystemExit: if the clone is missing, or lacks that commit or path.
    """
    clone = repositories / track["repo"].replace("/", "+")
    shown = subprocess.run(["git", "-C", clone, "show", f"{track['commit']}:{track['path']}"], capture_output=True)
    if shown.returncode:
        raise SystemExit(
            f"{clone} has no {track['path']} at {track['commit']}: clone github.com/{track['repo']} there."
        )
    with tempfile.NamedTemporaryFile(suffix=Path(track["path"]).suffix) as file:
        file.write(shown.stdout)
        file.flush()
        try:
            song = open_song(file.name)
            audio = song.read(0, song.samples)
        except AudioError as error:  # a clone without its large files has pointers in their place
            raise SystemExit(f"{track['path']} of {clone} cannot be read: {error} Fetch it whole.") from error
    return np.array(np.broadcast_to(audio[:2], (2, audio.shape[1]))), song.format.sample_rate


def mix(tracks: list[np.ndarray], stem: str, raw: bool, rng: np.random.Generator) -> np.ndarray:
    """One stem of several tracks, (2, samples): as they are, or, of raw tracks, balanced and panned."""
    out = np.zeros((2, max(audio.shape[1] for audio in tracks)), np.float32)
    for number, audio in enumerate(tracks):
        if raw:
            audio = audio * np.float32(0.1 / max(augment.loudness(audio), 1e-4))
            if stem == "other" or (stem == "vocals" and number):  # the lead, the bass and the drums stay in the middle
                audio = augment.pan(audio, rng.uniform(-WIDEST, WIDEST))
        out[:, : audio.shape[1]] += audio
    if raw:
        level_db = LOUDNESS_DB[stem] + rng.uniform(-SPREAD_DB, SPREAD_DB)
        out = augment.at_level(out, level_db - 20 * np.log10(max(augment.loudness(out), 1e-4)))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repositories", type=Path, required=True, help="folder of clones, as owner+name")
    parser.add_argument("--list", type=Path, default=Path(__file__).with_suffix(".tsv"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    songs: dict[str, dict[str, list[Track]]] = {}
    with open(options.list, newline="") as file:
        for track in csv.DictReader(file, delimiter="\t"):
            if track["role"] in STEMS and track["song"] not in TESTED:
                songs.setdefault(track["song"], {}).setdefault(track["role"], []).append(track)
    for song, stems in songs.items():
        rng, raw = np.random.default_rng(zlib.crc32(song.encode())), song.startswith(RAW)
        (options.out / song).mkdir(parents=True, exist_ok=True)
        for stem, tracks in stems.items():
            read = [read_track(track, options.repositories) for track in tracks]
            audio = mix([audio for audio, _ in read], stem, raw, rng)
            audio = audio / max(1.0, float(np.abs(audio).max()))
            soundfile.write(options.out / song / f"{stem}.flac", audio.T, read[0][1])
        print(f"{song}: {', '.join(stems)}")


if __name__ == "__main__":
    main()
