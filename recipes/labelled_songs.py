"""Estimates the stems of finished songs by HTDemucs, whose published weights are for personal use and research.

    pip install demucs
    python recipes/labelled_songs.py --repositories REPOSITORIES --packages PACKAGES --out data/labelled

`labelled_songs.tsv` beside this file lists the songs: repository, commit, path and licence. REPOSITORIES holds a clone
of each repository, as `owner+name`, and PACKAGES the unpacked Debian packages, whose songs keep their guitars apart.
The weights are fetched by `demucs`, or read from a folder of its kind, MODELS.

HTDemucs (Rouard et al. 2023, arXiv 2211.08553) learned from MUSDB18's training songs and 800 others; what it finds of a
song teaches a network that has heard few of them. The stems sum to the song, and training hears them together only.
Songs are taken in stretches, every other one first, so that whoever stops it has heard something of all of them.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import more_songs
import numpy as np
import soundfile
import torch

from stems.network.precision import fastest_precision
from stems.spectrum import REFERENCE_RATE
from stems.train.material import at_reference_rate

DEBIAN = "debian:"
GUITARS_APART = 0.7  # level of a song and of its guitars, whose sum may clip
OVERLAP = 0.1  # of the windows of 7.8 s that the network looks at
STRETCH = int(REFERENCE_RATE * 7.8 * (1 + 2 * (1 - OVERLAP)))  # samples; three such windows
FAINT_DB = -30.0  # of vocals against their stretch; what is fainter is of other instruments

Row = dict[str, str]


def read_song(row: Row, repositories: Path, packages: Path) -> np.ndarray:
    """A song of the list, (2, samples) at 44.1 kHz.

    Raises:
        SystemExit: if it is not there.
    """
    if row["repo"].startswith(DEBIAN):
        folder = packages / row["repo"].removeprefix(DEBIAN) / row["path"]
        if not folder.is_dir():
            raise SystemExit(f"{folder} is missing: unpack the Debian package there (dpkg-deb -x).")
        parts, rates = zip(
            *(soundfile.read(folder / name, dtype="float32") for name in ("song.ogg", "guitar.ogg")), strict=True
        )
        audio, rate = np.zeros((2, max(map(len, parts))), np.float32), rates[0]
        for part in parts:
            audio[:, : len(part)] += GUITARS_APART * part.T
    else:
        audio, rate = more_songs.read_track(row, repositories)
    return np.ascontiguousarray(at_reference_rate(audio.T, rate).T, np.float32)


def stretches(rows: list[Row]) -> Iterator[tuple[Row, int]]:
    """Every stretch of all songs and its number: the first of each, the third of each, and so on, then the others."""
    counts = [max(1, int(float(row["seconds"]) * REFERENCE_RATE) // STRETCH) for row in rows]
    for first in (0, 1):
        for number in range(first, max(counts), 2):
            yield from ((row, number) for row, count in zip(rows, counts, strict=True) if number < count)


def load_network(models: Path | None) -> Any:
    """HTDemucs with its weights, fetched or of a folder of models.

    Raises:
        SystemExit: if `demucs` is not installed, or has no such weights.
    """
    try:
        from demucs.pretrained import get_model
        from demucs.repo import ModelLoadingError
    except ModuleNotFoundError as error:
        raise SystemExit(f"HTDemucs is not installed ({error}): pip install demucs") from error
    try:
        return get_model("htdemucs", models)
    except (OSError, ModelLoadingError) as error:
        raise SystemExit(f"HTDemucs has no weights ({error}): give a folder that holds them by --models.") from error


def find_stems(song: np.ndarray, network: Any) -> dict[str, np.ndarray]:
    """Stems of a stretch (2, samples) that sum to it; no vocals where nobody sings."""
    from demucs.apply import apply_model

    fast = fastest_precision(torch.device("cpu")) == torch.bfloat16
    mono = song.mean(0)
    mean, deviation = float(mono.mean()), float(mono.std()) + 1e-8  # what the network was trained to hear
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=fast):
        heard = torch.from_numpy((song - mean) / deviation)[None]
        found = apply_model(network, heard, shifts=0, overlap=OVERLAP)[0].float().numpy() * deviation + mean
    stems = {name: stem for name, stem in zip(network.sources, found, strict=True) if name != "other"}
    if np.square(stems["vocals"]).sum() < 10 ** (FAINT_DB / 10) * np.square(song).sum():
        del stems["vocals"]
    return stems | {"other": song - sum(stems.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("repositories", "packages", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--models", type=Path, help="folder of models of demucs, if not those that it fetches")
    options = parser.parse_args()
    network = load_network(options.models)
    with open(Path(__file__).with_suffix(".tsv"), newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row, number in stretches(rows):
        folder = options.out / f"{row['song']}-{number:02d}"
        if (folder / "song.json").exists():
            continue
        song = read_song(row, options.repositories, options.packages)
        stretch = song[:, number * STRETCH : (number + 1) * STRETCH]
        if not stretch.any():
            continue
        stems = find_stems(stretch, network)
        folder.mkdir(parents=True, exist_ok=True)
        for name, audio in stems.items():
            soundfile.write(folder / f"{name}.flac", audio.T.clip(-1, 1), REFERENCE_RATE)
        (folder / "song.json").write_text('{"estimated": true}\n')
        print(f"{folder.name}: {', '.join(stems)}", flush=True)


if __name__ == "__main__":
    main()
